"""What a review found is known the next time: nothing is parsed or asked again, and nothing is told otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

import dsassist
from dsassist.answers.store import AnswerStore
from dsassist.cli import main
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Changes, PendingFile
from dsassist.review.findings import Review
from dsassist.review.memory import Memory, _modules
from dsassist.review.reviewer import Judge, review
from dsassist.review.source import Source
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import ModelMissing, NotDone
from dsassist_runtime.testing import ScriptedEngine
from hook_repositories import git

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]

CLAMP = """\
import os


def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""
NOTHING_TO_ASK = "def area(shape):\n    pass\n"
ALL = frozenset(range(1, 100))


def file_of(text: str, path: str = "clamp.py", lines: frozenset[int] = ALL) -> ChangedFile:
    return ChangedFile(path, Source(text), lines, language="python")


def _itself(file: ChangedFile) -> ChangedFile:
    return file


class Reviewer:
    """Reviews files with one store; each review has a memory of its own, as each process has."""

    def __init__(self, path: Path, scorer: Scorer) -> None:
        self._store = AnswerStore(path)
        self.engine = ScriptedEngine(score=scorer)
        self.judge = Judge(self.engine, Thresholds(4.0), name="model")

    def review(self, *files: ChangedFile, judge: Judge | None = None, **options: object) -> Review:
        changes = Changes(tuple(PendingFile(each.path, partial(_itself, each)) for each in files), ())
        settings = {"deadline_s": 60.0, "max_findings": 10, "memory": Memory(self._store)} | options
        found = review(changes, lambda: judge or self.judge, **settings)  # type: ignore[arg-type]
        return replace(found, seconds=0.0)

    @property
    def n_asked(self) -> int:
        return len(self.engine.requests)


@pytest.fixture
def reviewer(tmp_path: Path, prefers: Callable[[str, float], Scorer]) -> Reviewer:
    return Reviewer(tmp_path / "answers.db", prefers("value > high", 8.0))


def test_a_file_that_was_reviewed_is_neither_parsed_nor_asked_about_again(reviewer: Reviewer) -> None:
    first = reviewer.review(file_of(NOTHING_TO_ASK, "a.py"), file_of(CLAMP))
    n_asked = reviewer.n_asked
    known = file_of(NOTHING_TO_ASK, "a.py")
    again = reviewer.review(known, file_of(CLAMP))
    assert again == first
    assert [finding.line for finding in again.findings] == [7]
    assert (again.functions, again.files, again.files_read) == (2, 2, 2)
    assert reviewer.n_asked == n_asked
    assert "tree" not in vars(known.source)


def test_a_memory_changes_nothing_of_what_is_told(reviewer: Reviewer) -> None:
    broken = file_of("def f(:\n", "broken.py")
    files = (file_of(CLAMP), broken, file_of("x = 1\n", "x.py"), file_of(CLAMP, "other.py", frozenset({7})))
    without = reviewer.review(*files, memory=None)
    assert reviewer.review(*files) == without
    assert reviewer.review(*files) == without


@pytest.mark.parametrize(
    ("file", "change"),
    [
        (file_of(CLAMP + "\n"), {}),
        (file_of(CLAMP, lines=frozenset({7})), {}),
        (file_of(CLAMP), {"name": "another"}),
        (file_of(CLAMP), {"thresholds": Thresholds(5.0)}),
        (file_of(CLAMP), {"thresholds": Thresholds(4.0, {"name": 1.5})}),
        (file_of(CLAMP), {"severity": "info"}),
    ],
    ids=["text", "lines", "model", "threshold", "factor", "severity"],
)
def test_where_something_else_decides_the_file_is_reviewed_anew(
    reviewer: Reviewer, file: ChangedFile, change: dict[str, object]
) -> None:
    reviewer.review(file_of(CLAMP))
    n_asked = reviewer.n_asked
    judge = replace(reviewer.judge, **change)  # type: ignore[arg-type]
    assert reviewer.review(file, judge=judge) == reviewer.review(file, judge=judge, memory=None)
    assert reviewer.n_asked > n_asked + 1


def test_a_file_that_was_renamed_is_known_and_told_of_under_its_new_name(reviewer: Reviewer) -> None:
    reviewer.review(file_of(CLAMP), file_of("def f(:\n    g(\n", "broken.py"))
    n_asked = reviewer.n_asked
    found = reviewer.review(file_of(CLAMP, "new.py"), file_of("def f(:\n    g(\n", "cut.py"))
    assert [finding.path for finding in found.findings if finding.code == "DSA101"] == ["new.py"]
    assert all("broken" not in each.what for each in found.skipped)
    assert reviewer.n_asked == n_asked


def test_a_model_whose_answers_may_change_is_asked_each_time(reviewer: Reviewer) -> None:
    judge = replace(reviewer.judge, name="")
    reviewer.review(file_of(CLAMP), judge=judge)
    n_asked = reviewer.n_asked
    reviewer.review(file_of(CLAMP), judge=judge)
    assert reviewer.n_asked == 2 * n_asked


def test_what_the_deadline_cut_is_not_taken_for_reviewed(reviewer: Reviewer) -> None:
    with pytest.raises(NotDone, match="deadline"):
        reviewer.review(file_of(CLAMP), deadline_s=-1.0)
    assert reviewer.review(file_of(CLAMP)).functions == 1
    assert reviewer.n_asked > 0


def test_a_missing_model_is_told_though_the_file_was_looked_through_before(reviewer: Reviewer) -> None:
    reviewer.review(file_of(CLAMP))

    def no_model() -> Judge:
        raise ModelMissing("no model")

    changes = Changes((PendingFile("clamp.py", lambda: file_of(CLAMP)),), ())
    with pytest.raises(ModelMissing):
        review(changes, no_model, deadline_s=60.0, max_findings=10, memory=Memory(reviewer._store))


def test_a_file_with_something_found_without_a_model_is_looked_through_each_time(reviewer: Reviewer) -> None:
    key = "AKIA" + "IOSFODNN7REALKEY"
    found = [
        reviewer.review(file_of(f'KEY = "{key}"\n', "key.py"), file_of("breakpoint()\n", "stop.py")).findings
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert {finding.code for finding in found[0]} == {"DSA001", "DSA003"}
    assert key not in str(found)


def test_nothing_that_was_asked_about_a_file_with_a_secret_is_kept(reviewer: Reviewer) -> None:
    file = file_of(f'KEY = "{"AKIA" + "IOSFODNN7REALKEY"}"\n{CLAMP}')
    reviewer.review(file)
    n_asked = reviewer.n_asked
    reviewer.review(file)
    assert reviewer.n_asked == 2 * n_asked > 0


def test_an_entry_is_known_by_all_modules_of_ours() -> None:
    """What decides lies in other packages than the review's, too: which file an import means, say."""
    package = Path(dsassist.__file__).parent
    assert {path for path, _ in _modules(package)} >= {str(path) for path in package.rglob("*.py")}


def test_an_unfinished_change_is_told_each_time_and_a_finished_one_is_looked_at_anew_when_the_index_is_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    git("init", "-q", cwd=tmp_path)
    (tmp_path / "sizes.py").write_text("LEAST_SIZE = 1\nMOST_SIZE = 2\n")
    (tmp_path / "main.py").write_text("from sizes import LEAST_SIZE\n")
    git("add", ".", cwd=tmp_path)
    git("commit", "-q", "-m", "before", cwd=tmp_path)
    monkeypatch.chdir(tmp_path)

    def codes() -> int:
        main(["review", "--staged"])
        return capsys.readouterr().out.count("DSA201")

    (tmp_path / "sizes.py").write_text("SMALLEST_SIZE = 1\nMOST_SIZE = 2\n")
    git("add", ".", cwd=tmp_path)
    assert [codes(), codes()] == [1, 1]
    (tmp_path / "main.py").write_text("from sizes import SMALLEST_SIZE\n")
    git("add", ".", cwd=tmp_path)
    assert [codes(), codes()] == [0, 0]
    (tmp_path / "new.py").write_text("from sizes import LEAST_SIZE\n")
    git("add", ".", cwd=tmp_path)
    assert codes() == 1
