"""What a deadline cut goes on in a process of its own."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from dsassist.answers.scores import remembering
from dsassist.review import background
from dsassist.review.background import Rest, go_on_in_background, is_busy, read_rest, rest_of, score_rest
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Changes, PendingFile
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.plan import Cut
from dsassist.review.reviewer import Judge, review
from dsassist.review.source import Source
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import EngineDied, NotDone, RequestRefused
from dsassist_runtime.models.store import resolve
from dsassist_runtime.places import runtime_dir
from dsassist_runtime.testing import ScriptedEngine
from review_repositories import Repository

CLAMP = """\
import os


def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value


def width(box, a, b):
    return box.width(a, b) if a < b else box.height(b, a)
"""


def file(path: str = "a.py", text: str = CLAMP, lines: frozenset[int] | None = None) -> ChangedFile:
    every = frozenset(range(1, text.count("\n") + 1))
    return ChangedFile(path, Source(text), every if lines is None else lines, language="python")


def cut(*files: ChangedFile) -> list[Cut]:
    """All functions of the files."""
    return [Cut(each, task) for each in files for task in tasks_of(each) if isinstance(task, Task)]


def over_the_wire(rest: Rest) -> Rest:
    """As the process would read it."""
    return read_rest(io.BytesIO(json.dumps(background._to_wire(rest)).encode("ascii")))


def questions(engine: ScriptedEngine) -> list[tuple[str, str, tuple[object, ...]]]:
    return [(each.context, each.text, each.edits) for each in engine.requests if isinstance(each, ScoreRequest)]


def test_the_process_asks_what_the_review_would_have_asked_in_its_order() -> None:
    first, second = file(lines=frozenset({5, 7, 11})), file("b\udcff.py", CLAMP + "# é\n")
    asked = ScriptedEngine()
    changes = Changes(tuple(PendingFile(each.path, lambda each=each: each) for each in (first, second)), ())  # type: ignore[misc]
    handed: list[Cut] = []

    def go_on(rest: Sequence[Cut]) -> bool:
        handed.extend(rest)
        return True

    with pytest.raises(NotDone):  # a time that has passed: everything is handed on
        review(
            changes,
            lambda: Judge(asked, Thresholds(4.0)),
            deadline_s=1.0,
            max_findings=10,
            clock=_ticks(0.0, 0.0, 0.0, 0.0, 2.0),
            go_on=go_on,
        )
    assert len(handed) == 4
    review(changes, lambda: Judge(asked, Thresholds(4.0)), deadline_s=60.0, max_findings=10)
    later = ScriptedEngine()
    assert score_rest(over_the_wire(rest_of(handed, Path("/r"), "builtin")), later) == 4
    assert sorted(questions(later), key=repr) == sorted(questions(asked), key=repr)
    assert {each.priority for each in later.requests} == {"idle"}


def _ticks(*times_s: float) -> Callable[[], float]:
    """A clock that shows these times, one a look, and then the last."""
    left = list(times_s)
    return lambda: left.pop(0) if len(left) > 1 else left[0]


def test_the_order_of_the_rest_is_kept() -> None:
    found = cut(file("a.py"), file("b.py"))
    order = [found[3], found[0], found[2]]
    rest = over_the_wire(rest_of(order, Path("/r"), "m"))
    assert [task.name for task in rest.tasks()] == ["b.py: width", "a.py: clamp", "b.py: clamp"]
    assert (rest.root, rest.model) == (Path("/r"), "m")


def test_a_file_that_it_was_too_late_for_goes_on_with_all_its_functions() -> None:
    rest = over_the_wire(rest_of([Cut(file(), None), *cut(file("b.py"))[:1]], Path("/r"), "m"))
    assert [task.name for task in rest.tasks()] == ["a.py: clamp", "a.py: width", "b.py: clamp"]


def test_it_ends_when_its_time_is_up() -> None:
    now = [0.0]

    def slow(_: ScoreRequest) -> list[EditScore]:
        now[0] += 4.0
        return []

    engine = ScriptedEngine(score=slow)
    rest = rest_of(cut(file(), file("b.py")), Path("/r"), "m")
    assert score_rest(rest, engine, limit_s=10.0, clock=lambda: now[0]) == 3
    assert engine.timeouts_s == [10.0, 6.0, 2.0]


def test_what_the_model_refuses_is_passed_over_and_a_dead_engine_ends_it() -> None:
    def refuse(request: ScoreRequest) -> list[EditScore]:
        if "clamp" in request.text:
            raise RequestRefused("too long")
        return []

    rest = rest_of(cut(file(), file("b.py")), Path("/r"), "m")
    assert score_rest(rest, ScriptedEngine(score=refuse)) == 2
    asked: list[int] = []

    def die(_: ScoreRequest) -> list[EditScore]:
        asked.append(1)
        raise EngineDied("it ended")

    assert score_rest(rest, ScriptedEngine(score=die)) == 0
    assert len(asked) == 1


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"root": "/r", "model": "m", "files": [1], "functions": []}'])
def test_anything_else_on_standard_input_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        read_rest(io.BytesIO(content))
    done = subprocess.run(
        [sys.executable, "-m", "dsassist", "review", "--continue-in-background"],
        input=content,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 2
    assert b"is for dsassist itself" in done.stderr


@pytest.mark.parametrize("value", ["true", "1", "True"])
def test_nothing_goes_on_in_ci(tmp_path: Path, value: str) -> None:
    assert not go_on_in_background(rest_of(cut(file()), tmp_path, "builtin"), os.environ | {"CI": value})
    assert not list(runtime_dir().glob("review-*"))


def test_there_is_one_at_a_time_for_a_repository(tmp_path: Path) -> None:
    lock = background._locked(tmp_path)
    try:
        assert is_busy(tmp_path)
        assert not is_busy(tmp_path / "other")
        assert not go_on_in_background(rest_of(cut(file()), tmp_path, "builtin"))
    finally:
        os.close(lock)
    assert not is_busy(tmp_path)


def _wait_until_it_ended(root: Path) -> None:
    """The process holds the repository's lock as long as it lives."""
    limit_s = time.monotonic() + 120.0
    while is_busy(root):
        assert time.monotonic() < limit_s, "the process does not end"
        time.sleep(0.05)


@pytest.mark.usefixtures("server")
def test_the_scores_are_in_the_store_when_the_process_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    changes = Changes((PendingFile("a.py", file),), ())
    assert go_on_in_background(rest_of(cut(file()), tmp_path, "builtin"))
    _wait_until_it_ended(tmp_path)

    def must_not_ask(_: ScoreRequest) -> list[EditScore]:
        raise AssertionError("it is known already")

    engine = remembering(ScriptedEngine(score=must_not_ask), resolve("builtin"))
    found = review(changes, lambda: Judge(engine, Thresholds(1.0)), deadline_s=60.0, max_findings=100)
    assert (found.functions, found.skipped) == (2, ())


@pytest.mark.usefixtures("server")
def test_a_commit_whose_review_was_cut_is_reviewed_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A tenth of a second is over before the model is loaded, so the first review has nothing to say."""
    from dsassist.cli import run_command

    monkeypatch.delenv("CI", raising=False)
    repository = Repository(tmp_path)
    repository.git("init", "--quiet")
    repository.stage("a.py", CLAMP)
    monkeypatch.chdir(tmp_path)
    outcome = run_command(["review", "--deadline", "0.1s", "--model", "builtin"])
    assert outcome.exit_code == 3
    assert "it goes on in the background" in outcome.error_message
    _wait_until_it_ended(tmp_path)
    capsys.readouterr()
    assert run_command(["review", "--model", "builtin"]).exit_code == 0
    assert "reviewed 2 functions in 1 file" in capsys.readouterr().err


def test_a_rest_that_no_process_can_be_started_for_is_just_not_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "gone"))
    assert not go_on_in_background(rest_of(cut(file()), tmp_path, "builtin"), {"HOME": str(tmp_path)})
    assert not is_busy(tmp_path)


def test_the_lock_is_the_processs_and_not_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hook ends long before the process does; nothing of it may hold the lock."""
    waits = tmp_path / "waits"
    waits.write_text(f"#!{sys.executable}\nimport sys\nsys.stdin.read()\nopen({str(tmp_path / 'go')!r}).read()\n")
    waits.chmod(0o755)
    os.mkfifo(tmp_path / "go")
    monkeypatch.setattr(sys, "executable", str(waits))
    assert go_on_in_background(rest_of(cut(file()), tmp_path, "builtin"), {})
    assert is_busy(tmp_path)
    (tmp_path / "go").write_text("")
    _wait_until_it_ended(tmp_path)
