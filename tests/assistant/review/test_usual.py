"""What the model doubts although the repository does the same elsewhere; repositories are real, opinions made up."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dsassist.git import GitError
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, changes_of
from dsassist.review.findings import Finding
from dsassist.review.reviewer import Judge, review
from dsassist.review.selection import staged
from dsassist.review.source import Source
from dsassist.review.unfinished import GitTree
from dsassist.review.usual import unusual
from dsassist_runtime.testing import ScriptedEngine
from hook_repositories import git

BOX = """\
def area(width, height):
    if width < 0 or height < 0:
        raise ValueError("a side is below zero")
    total = scaled(width * width, height)
    return total
"""
DOUBTED = "    total = scaled(width * width, height)\n"
ELSEWHERE = f"def other(width, height):\n{DOUBTED}    return total + height\n"

Found = Callable[[Mapping[str, str]], list[str]]


@pytest.fixture
def found(tmp_path: Path, prefers: Callable[..., object]) -> Found:
    """The codes of what a review of the staged `box.py` reports, with these files around it."""

    def find(around: Mapping[str, str]) -> list[str]:
        git("init", "-q", cwd=tmp_path)
        _write(tmp_path, {"README": "none", **around})
        git("add", ".", cwd=tmp_path)
        git("commit", "-q", "-m", "before", cwd=tmp_path)
        _write(tmp_path, {"box.py": BOX})
        git("add", ".", cwd=tmp_path)
        engine = ScriptedEngine(score=prefers("width * height", 12.0))  # type: ignore[arg-type]
        tree = GitTree(tmp_path)
        done = review(
            changes_of(staged(tmp_path)),
            lambda: Judge(engine, Thresholds(4.0)),
            deadline_s=60.0,
            max_findings=10,
            unusual=lambda findings, files: unusual(findings, files, tree),
        )
        assert done.functions == 1
        return [finding.code for finding in done.findings]

    return find


def _write(root: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")


def test_what_no_other_file_does_is_reported(found: Found) -> None:
    assert found({"other.py": ELSEWHERE.replace("width * width", "width * height")}) == ["DSA101"]


@pytest.mark.parametrize(
    "text",
    [
        ELSEWHERE,
        ELSEWHERE.replace("\n", "\r\n"),
        ELSEWHERE.replace(DOUBTED, f"    if width:\n    {DOUBTED}"),
    ],
    ids=["the same", "other line ends", "deeper"],
)
def test_what_another_file_does_in_the_same_words_is_no_slip(found: Found, text: str) -> None:
    assert found({"other.py": text}) == []


def test_a_longer_line_around_it_is_another_statement(found: Found) -> None:
    assert found({"other.py": ELSEWHERE.replace("height)\n    return", "height) + 1\n    return")}) == ["DSA101"]


def test_what_is_in_no_source_file_or_in_another_language_says_nothing(found: Found) -> None:
    assert found({"notes.txt": ELSEWHERE, "other.rb": ELSEWHERE}) == ["DSA101"]


def test_a_short_statement_is_alike_by_chance() -> None:
    file = ChangedFile("a.py", Source("def f(low, high):\n    return low\n"), frozenset({2}), language="python")
    assert unusual([_finding(2, 12)], [file], _Tree({"b.py": "def g(low):\n    return low\n"})) == [_finding(2, 12)]


def test_lines_that_are_under_review_in_another_file_say_nothing() -> None:
    lines = {"both": frozenset({1, 2}), "first": frozenset({1})}
    for changed, expected in (("both", 1), ("first", 0)):
        text = "def f(width, high):\n    return scaled(width * width, high)\n"
        files = [
            ChangedFile("a.py", Source(text), frozenset({1, 2}), language="python"),
            ChangedFile("b.py", Source(text), lines[changed], language="python"),
        ]
        assert len(unusual([_finding(2, 27)], files, _Tree({"b.py": text}))) == expected


def test_a_statement_of_which_a_later_line_was_changed_is_not_usual_by_itself() -> None:
    text = "def f(width, high):\n    return scaled(\n        width * width,\n        high,\n    )\n"
    file = ChangedFile("a.py", Source(text), frozenset({3}), language="python")
    assert unusual([_finding(3, 17)], [file], _Tree({})) == [_finding(3, 17)]
    assert unusual([_finding(3, 17)], [file], _Tree({"b.py": text})) == []


def test_what_is_true_without_a_model_stays_however_often_it_is_done() -> None:
    text = "def f(width, high):\n    return scaled(width * width, high)\n"
    file = ChangedFile("a.py", Source(text), frozenset({2}), language="python")
    certain = _finding(2, 27, nats=None)
    assert unusual([certain], [file], _Tree({"b.py": text})) == [certain]


def test_where_the_files_around_cannot_be_read_all_is_reported(tmp_path: Path, prefers: Callable[..., object]) -> None:
    def fail(_findings: object, _files: object) -> list[Finding]:
        raise GitError("git is gone")

    git("init", "-q", cwd=tmp_path)
    _write(tmp_path, {"box.py": BOX})
    git("add", ".", cwd=tmp_path)
    engine = ScriptedEngine(score=prefers("width * height", 12.0))  # type: ignore[arg-type]
    changes = changes_of(staged(tmp_path))
    judge = Judge(engine, Thresholds(4.0))
    done = review(changes, lambda: judge, deadline_s=60.0, max_findings=10, unusual=fail)
    assert [finding.code for finding in done.findings] == ["DSA101"]


def _finding(line: int, column: int, nats: float | None = 9.0) -> Finding:
    return Finding("a.py", line, column, line, column + 5, "warning", "name", "f", "", "", evidence_nats=nats)


class _Tree:
    """Files by their texts, each of which holds whatever is looked for."""

    is_whole = True

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def paths(self) -> list[str]:
        return list(self._files)

    def paths_with(self, _words: object) -> list[str]:
        return list(self._files)

    def texts(self, paths: object) -> Mapping[str, str]:
        return {path: text for path, text in self._files.items() if path in paths}  # type: ignore[operator]
