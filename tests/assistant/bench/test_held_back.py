"""The bench of unfinished changes, on a history made for it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from random import Random

import pytest

from dsassist.bench.history import History
from dsassist.bench.review.held_back import HeldBackBench, run_held_back_bench
from dsassist.bench.review.held_back_cases import held_back
from dsassist.bench.review.held_back_history import Repository, Sides
from dsassist_runtime.errors import NotDone
from hook_repositories import git

TABLES = "def load_table(path, mode='r'):\n    return open(path, mode)\n"
MAIN = "from tables import load_table\n\n\ndef main():\n    return load_table('a', mode='b')\n"
CHECKS = "".join(
    f"def check_{i}(value):\n    if value < {i}:\n        raise ValueError(f'no: {{value}}')\n    return 1\n\n\n"
    for i in range(4)
)


def held(before: dict[str, str], after: dict[str, str]) -> dict[str, tuple[str, list[int]]]:
    sides = [Sides(path, before.get(path), text) for path, text in after.items()]
    return {case.kind: (case.path, sorted(case.lines)) for case in held_back(sides, Random(1))}


def test_a_use_of_a_renamed_function_is_put_back() -> None:
    after = {
        name: text.replace("load_table", "read_table") for name, text in {"tables.py": TABLES, "main.py": MAIN}.items()
    }
    found = held({"tables.py": TABLES, "main.py": MAIN}, after)
    assert found["name"][0] == "main.py"


def test_a_call_that_the_new_signature_does_not_take_is_put_back() -> None:
    after = {
        "tables.py": TABLES.replace(", mode='r'", "").replace(", mode)", ")"),
        "main.py": MAIN.replace(", mode='b'", ""),
    }
    assert held({"tables.py": TABLES, "main.py": MAIN}, after) == {"signature": ("main.py", [5])}


def test_a_call_that_fits_both_ways_is_not() -> None:
    after = {"tables.py": TABLES.replace("mode", "flags=0, mode"), "main.py": MAIN.replace("mode='b'", "flags=1")}
    assert "signature" not in held({"tables.py": TABLES, "main.py": MAIN}, after)


def test_one_of_the_twins_is_put_back() -> None:
    found = held({"checks.py": CHECKS}, {"checks.py": CHECKS.replace("ValueError", "OutOfRange")})
    assert found["twin"][1][0] in (3, 9, 15, 21)


def test_lines_that_still_stand_elsewhere_are_no_twins() -> None:
    assert held({"checks.py": CHECKS}, {"checks.py": CHECKS.replace("ValueError", "OutOfRange", 2)}) == {}


def test_one_place_of_a_copied_block_is_put_back() -> None:
    after = "# sizes\nsize_x = sum(a.x, b.x) + offset_x\nsize_y = sum(a.y, b.y) + offset_y\n"
    path, lines = held({"sizes.py": "# sizes\n"}, {"sizes.py": after})["copy"]
    assert (path, lines) == ("sizes.py", [3])


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A history of four commits, of which three change one thing in several places."""
    root = tmp_path / "shop"
    root.mkdir()
    git("init", "-q", cwd=root)
    renamed = {
        "tables.py": TABLES.replace("load_table", "read_table"),
        "main.py": MAIN.replace("load_table", "read_table"),
    }
    states = [
        {"tables.py": TABLES, "main.py": MAIN, "checks.py": CHECKS},
        renamed,
        {
            "tables.py": renamed["tables.py"].replace(", mode='r'", "").replace(", mode)", ")"),
            "main.py": renamed["main.py"].replace(", mode='b'", ""),
        },
        {"checks.py": CHECKS.replace("ValueError", "OutOfRange")},
    ]
    for state in states:
        for name, text in state.items():
            (root / name).write_text(text)
        git("add", ".", cwd=root)
        git("commit", "-q", "-m", "state", cwd=root)
    return root


def test_what_is_put_back_is_found_and_whole_commits_are_quiet(repository: Path, tmp_path: Path) -> None:
    details = tmp_path / "details.jsonl"
    told: list[str] = []
    bench = HeldBackBench((repository,), date(2020, 1, 1), details=details)
    report = run_held_back_bench(bench, {}, told.append)
    values = {figure.name: figure.value for figure in report.figures}
    assert values["whole commits with an alarm"] == 0.0
    assert values["- name (1)"] == 100.0
    assert values["- signature (1)"] == 100.0
    assert values["- twin (1)"] == 100.0
    assert report.settings["whole commits"] == 3
    cases = [json.loads(line) for line in details.read_text().splitlines()]
    assert [case["kind"] for case in cases].count("whole") == 3
    assert all(case["found"] for case in cases if case["kind"] != "whole")
    assert len(told) == 4


def test_the_same_seed_puts_the_same_places_back(repository: Path, tmp_path: Path) -> None:
    written = []
    for name in ("a", "b"):
        details = tmp_path / name
        run_held_back_bench(HeldBackBench((repository,), date(2020, 1, 1), details=details), {}, lambda _: None)
        written.append(details.read_text())
    assert written[0] == written[1]


def test_a_history_without_source_is_not_done(tmp_path: Path) -> None:
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "a.txt").write_text("a\n")
    git("add", ".", cwd=tmp_path)
    git("commit", "-q", "-m", "text", cwd=tmp_path)
    with pytest.raises(NotDone, match="since 2020-01-01"):
        run_held_back_bench(HeldBackBench((tmp_path,), date(2020, 1, 1)), {}, lambda _: None)


def test_the_tree_of_a_commit_is_its_own(repository: Path) -> None:
    shop = Repository(repository, "shop")
    newest, *_, oldest = History(repository).commits_since(date(2020, 1, 1))
    assert list(shop.tree(oldest).paths_with({"load_table"})) == ["main.py", "tables.py"]
    assert list(shop.tree(newest).paths_with({"load_table"})) == []
