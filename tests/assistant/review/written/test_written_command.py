"""`dsassist review --written` in a real repository; the model is a script."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from dsassist.commands.review import COMMAND, run
from dsassist_runtime.api import ModelFacts
from review_repositories import Repository

LABEL = """\
def label(value, names):
    if value.name:
        return value.name
    return names
"""
GUARD = "value and value.name"


@pytest.fixture
def repository(tmp_path: Path, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """One where a condition without its guard is staged."""
    monkeypatch.chdir(tmp_path)
    repository = Repository(tmp_path)
    repository.git("init", "--quiet")
    repository.commit(label=LABEL.replace("value.name:", "names:"))
    repository.stage("label.py", LABEL)
    return repository


@pytest.fixture
def engine(scripted: Any) -> Any:
    return scripted(
        {"if": f"{GUARD}:\n        return"},
        behind={GUARD: 20.0},
        between={GUARD: -4.0, "if value.name": -25.0},
    )


def review(engine: Any, *arguments: str) -> int:
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    return run(parser.parse_args(arguments), lambda _: engine)


def test_what_the_model_writes_is_reported_as_a_remark(
    repository: Repository, engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(engine, "--written", "--threshold-nats", "5.5") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"label.py:2:8: info: a part of the condition may be missing: `{GUARD}` [DSA141]\n")
    assert "reviewed 1 function in 1 file" in printed.err
    assert review(engine, "--written", "--threshold-nats", "5.5", "--fail-level", "info") == 1


def test_nothing_is_written_unless_it_is_asked_for(
    repository: Repository, engine: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    assert review(engine) == 0
    assert capsys.readouterr().out == ""
    assert engine.holes == []
    (repository.root / "dsassist.toml").write_text("[review]\nwritten = true\n")
    assert review(engine, "--no-written") == 0
    assert engine.holes == []
    assert review(engine) == 0
    assert engine.holes != []


def test_a_model_that_cannot_fill_is_named_once_for_all_functions(
    repository: Repository, engine: Any, scripted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.stage("more.py", LABEL.replace("label", "more") + "\n\n" + LABEL.replace("label", "most"))
    assert review(scripted({}, can_fill=False), "--written") == 0
    told = capsys.readouterr().err
    assert told.count("cannot fill in the middle") == 1
    assert "alternatives written by the model" in told
    assert "reviewed 3 functions" in told


def test_a_deadline_tells_how_many_functions_were_left(
    repository: Repository, scripted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    class Late(scripted):  # type: ignore[misc]
        def facts(self) -> ModelFacts:
            from dsassist_runtime.errors import DeadlineExceeded

            raise DeadlineExceeded("the time is up")

    assert review(Late({}), "--written") == 0
    assert "alternatives written by the model (deadline, 0 of 1 functions done)" in capsys.readouterr().err


def test_a_line_of_which_something_is_said_already_gets_no_second_finding(
    repository: Repository, scripted: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    for call, codes in (("names.sort()", ["DSA141"]), ("breakpoint()", ["DSA003"])):
        engine = scripted(
            {"if": f"{GUARD}: {call}\n"},
            behind={GUARD: 20.0},
            between={GUARD: -4.0, "if value.name": -25.0},
        )
        repository.stage("label.py", f"def label(value, names):\n    if value.name: {call}\n    return names\n")
        review(engine, "--written", "--threshold-nats", "5.5")
        out = capsys.readouterr().out
        assert [code for code in ("DSA003", "DSA141") if code in out] == codes
