"""`dsassist bench hook` on the builtin model and a small change: what it says of the hook's reports, not its times."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsassist.bench.hook import HookBench, run_hook_bench
from dsassist.bench.hook_change import FUNCTIONS_OF_FILE, stage_change
from dsassist.bench.hook_runs import HookRun, accounts_for_all, has_findings_of, n_differing, read_run
from dsassist.cli import main
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models.store import resolve
from hook_repositories import git

FUNCTIONS = ("a.py: one", "a.py: Two.three", "b.py: four")


def finding(path: str, function: str, evidence_nats: float | None = 7.0) -> dict[str, Any]:
    return {"path": path, "function": function, "evidence_nats": evidence_nats}


ONE, FOUR, MARKER = finding("a.py", "one"), finding("b.py", "four"), finding("a.py", "one", None)
WHOLE = HookRun(1.0, b"whole", 3, (), (MARKER, ONE, FOUR))


# -- what is said of a run


@pytest.mark.parametrize(
    ("functions", "cut"),
    [(3, ()), (2, ("a.py: one",)), (1, ("a.py",)), (0, ("a.py: Two.three", "a.py: one", "b.py")), (0, FUNCTIONS)],
)
def test_a_report_accounts_for_all_that_it_counts_or_lists(functions: int, cut: tuple[str, ...]) -> None:
    assert accounts_for_all(replace(WHOLE, functions=functions, cut=cut), FUNCTIONS)


@pytest.mark.parametrize(
    ("functions", "cut"),
    [
        (2, ()),  # one is neither counted nor listed
        (3, ("a.py: one",)),  # one is both
        (1, ("a.py: one", "a.py: one")),  # one is listed twice
        (1, ("a.py: one", "a.py")),  # and so, by its file
        (2, ("a.py: five",)),  # it is none of the change
    ],
)
def test_a_report_that_miscounts_or_misnames_does_not(functions: int, cut: tuple[str, ...]) -> None:
    assert not accounts_for_all(replace(WHOLE, functions=functions, cut=cut), FUNCTIONS)


def test_a_run_that_was_cut_must_have_the_other_functions_findings_and_what_needs_no_model() -> None:
    cut = replace(WHOLE, functions=1, cut=("a.py",))
    assert has_findings_of(replace(cut, findings=(MARKER, FOUR)), WHOLE, FUNCTIONS)
    assert not has_findings_of(replace(cut, findings=(MARKER, ONE, FOUR)), WHOLE, FUNCTIONS)
    assert not has_findings_of(replace(cut, findings=(FOUR,)), WHOLE, FUNCTIONS)
    assert not has_findings_of(replace(cut, findings=(MARKER, {**FOUR, "evidence_nats": 7.1})), WHOLE, FUNCTIONS)


def test_reports_differ_only_from_those_of_the_same_coverage() -> None:
    cut = replace(WHOLE, report=b"cut", cut=("b.py",))
    assert n_differing([WHOLE, WHOLE, cut, cut]) == 0
    assert n_differing([WHOLE, cut, replace(cut, report=b"other"), replace(WHOLE, report=b"another")]) == 2


def report(**changed: Any) -> bytes:
    told = {"findings": [], "reviewed": {"functions": 2}, "not_reviewed": [], "failure": None, "seconds": 1.25}
    return json.dumps(told | changed).encode()


def test_the_time_is_no_part_of_what_is_compared() -> None:
    one, other = read_run(report(), 1.0), read_run(report(seconds=30.0), 2.0)
    assert one.report == other.report
    assert (one.functions, one.seconds, other.seconds) == (2, 1.0, 2.0)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"failure": "the engine died"}, "ended early: the engine died"),
        ({"not_reviewed": [{"what": "a.py: one", "reason": "engine failed"}]}, "a.py: one was not reviewed: engine"),
    ],
)
def test_a_run_that_something_else_than_the_deadline_cut_is_no_measurement(changed: dict[str, Any], told: str) -> None:
    with pytest.raises(NotDone, match=told):
        read_run(report(**changed), 1.0)


# -- the change


def test_the_change_is_staged_and_the_same_each_time(tmp_path: Path) -> None:
    trees = set()
    for name in ("one", "two"):
        functions = stage_change(tmp_path / name, 20, os.environ)
        assert len(set(functions)) == 20 * FUNCTIONS_OF_FILE
        changed = git("diff", "--cached", "--name-only", cwd=tmp_path / name).stdout.split()
        assert sorted({each.partition(": ")[0] for each in functions}) == changed
        assert git("diff", "--name-only", cwd=tmp_path / name).stdout == ""
        trees.add(
            (git("write-tree", cwd=tmp_path / name).stdout, git("rev-parse", "HEAD^{tree}", cwd=tmp_path / name).stdout)
        )
    assert len(trees) == 1


# -- whole benches


@pytest.mark.slow
@pytest.mark.timeout(600)  # a busy machine takes minutes over what takes seconds
@pytest.mark.parametrize("deadline_s", [600.0, 0.1])
def test_the_hook_is_measured_within_and_behind_its_deadline(deadline_s: float) -> None:
    said: list[str] = []
    found = run_hook_bench(HookBench(resolve("builtin"), 1, deadline_s, n_files=1), said.append)
    figures = {figure.name: figure for figure in found.figures}
    assert figures["cold: functions reviewed"].samples == (100.0 if deadline_s == 600.0 else 0.0,)
    if deadline_s == 600.0:  # a quick machine recalls a file in a tenth of a second
        assert figures["warm: functions reviewed"].samples == (100.0,)
    assert figures["cold, p95, of the deadline"].ok is (deadline_s == 600.0)
    wrong = [figure for figure in found.figures if figure.unit == "reports"]
    assert [figure.value for figure in wrong] == [0.0, 0.0, 0.0]
    assert found.settings["functions"] == FUNCTIONS_OF_FILE
    assert said[-1] == "round 1 of 1"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "no-such-model"), "no-such-model"),
        (("--repeats", "0"), "allowed is a whole number from 1 to 1000"),
        (("--deadline", "soon"), "allowed is a whole number from 1 to 1000"),
    ],
)
def test_what_cannot_be_measured_is_told_in_a_line(
    arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["bench", "hook", *arguments]) == 2
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.out == ""
