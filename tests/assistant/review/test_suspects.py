"""Which alternatives count: those for which both measures give enough evidence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from dsassist.review.agreement import agreed_nats
from dsassist.review.calibration.calibration import reached_by
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile
from dsassist.review.likelihood.evidence import needed_nats
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.source import Source
from dsassist.review.suspects import suspects_of
from dsassist_runtime.api import Edit, EditScore, Engine, EngineSettings, ScoreRequest
from dsassist_runtime.client import Client, stop_server
from dsassist_runtime.errors import DeadlineExceeded
from dsassist_runtime.testing import ScriptedEngine

Scorer = Callable[[ScoreRequest], Sequence[EditScore]]
Prefers = Callable[[str, float], Scorer]

CLAMP = """\
import os


def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value


print(clamp(3, 1, 2))
"""

LINES = frozenset(range(1, 99))


@pytest.fixture
def task() -> Task:
    (found,) = tasks_of(ChangedFile("f.py", Source(CLAMP), LINES))
    assert isinstance(found, Task)
    return found


def suspects(engine: Engine, task: Task) -> list[str]:
    return [candidate.alternative for candidate, _ in suspects_of(task, engine.score, Thresholds(4.0))]


def test_the_lesser_of_both_is_the_evidence(task: Task, prefers: Prefers) -> None:
    for first, second in ((8.0, 6.5), (6.5, 8.0)):
        engine = ScriptedEngine(score=prefers("value > high", first), between=prefers("value > high", second))
        assert [nats for _, nats in suspects_of(task, engine.score, Thresholds(4.0))] == [6.5]
        reached = reached_by(task, engine.score)["name"]
        n_lines = len({candidate.line for candidate in task.candidates})
        assert reached == pytest.approx(6.5 - needed_nats("name", 0.0, n_lines), abs=1e-3)


def test_what_only_one_measure_has_enough_evidence_for_does_not_count(task: Task, prefers: Prefers) -> None:
    for first, second in ((8.0, 3.0), (3.0, 8.0)):
        engine = ScriptedEngine(score=prefers("value > high", first), between=prefers("value > high", second))
        assert suspects(engine, task) == []


def test_what_is_less_likely_with_both_sides_in_view_does_not_count(task: Task, prefers: Prefers) -> None:
    engine = ScriptedEngine(score=prefers("value > high", 8.0), between=prefers("nothing", 8.0))
    assert suspects(engine, task) == []


def test_a_model_without_such_a_form_has_one_opinion(task: Task, prefers: Prefers) -> None:
    assert suspects(ScriptedEngine(score=prefers("value > high", 8.0)), task) == ["high"]


def test_the_next_best_of_a_line_is_tried_but_no_third(task: Task, prefers: Prefers) -> None:
    def score(request: ScoreRequest) -> list[EditScore]:
        gains = {"low if value": 9.0, "value > high": 8.0, "value < low else": 7.0}
        texts = {e: request.text[: e.start] + e.replacement + request.text[e.end :] for e in request.edits}
        found = {e: next((nats for part, nats in gains.items() if part in texts[e]), -9.0) for e in request.edits}
        return [EditScore(e, (-1.0,), (-1.0,), (-20.0,), (-20.0 + nats,)) for e, nats in found.items()]

    assert suspects(ScriptedEngine(score=score, between=prefers("value > high", 7.0)), task) == ["high"]
    assert suspects(ScriptedEngine(score=score, between=prefers("value < low else", 9.0)), task) == []


def test_families_of_one_line_are_compared_by_what_they_need() -> None:
    """`not` needs little evidence, a comparison more: what a threshold lets pass is not hidden by more nats."""
    text = "def allowed(user, limit):\n    if user.active and user.age > limit:\n        return user\n    return None\n"
    (task,) = tasks_of(ChangedFile("f.py", Source(text), LINES))
    assert isinstance(task, Task)

    def score(request: ScoreRequest) -> list[EditScore]:
        gains = {"if not": 6.0, "user.age < limit": 7.0}
        texts = {e: request.text[: e.start] + e.replacement + request.text[e.end :] for e in request.edits}
        found = {e: next((nats for part, nats in gains.items() if part in texts[e]), -9.0) for e in request.edits}
        return [EditScore(e, (-1.0,), (-1.0,), (-20.0,), (-20.0 + nats,)) for e, nats in found.items()]

    engine = ScriptedEngine(score=score)
    families = [c.family for c, _ in suspects_of(task, engine.score, Thresholds(5.0))]
    assert families == ["missing-not"]
    reached = {family for family, nats in reached_by(task, engine.score).items() if nats is not None and nats > 0}
    assert reached == {"missing-not", "comparison"}


def test_only_what_has_evidence_costs_a_second_question(task: Task, prefers: Prefers) -> None:
    engine = ScriptedEngine(score=prefers("nothing", 8.0), between=prefers("nothing", 8.0))
    assert suspects(engine, task) == []
    assert len(engine.requests) == 1


def test_the_lines_are_asked_about_between_what_stands_around_them(task: Task, prefers: Prefers) -> None:
    engine = ScriptedEngine(score=prefers("value > high", 8.0), between=prefers("value > high", 8.0))
    suspects(engine, task)
    asked = engine.requests[-1]
    assert isinstance(asked, ScoreRequest)
    assert asked.context.endswith("        return low")
    assert asked.text == "\n    return high if value > low else value\n"
    assert asked.suffix == "\n\nprint(clamp(3, 1, 2))\n"
    (edit,) = asked.edits
    assert asked.text[edit.start : edit.end] == "low"
    assert edit.replacement == "high"


def test_no_time_left_for_it_is_no_opinion(task: Task, prefers: Prefers) -> None:
    def too_late(_: ScoreRequest) -> list[EditScore]:
        raise DeadlineExceeded("the time is up")

    with pytest.raises(DeadlineExceeded):
        suspects(ScriptedEngine(score=prefers("value > high", 8.0), between=too_late), task)


@pytest.fixture(scope="module")
def builtin_engine(builtin_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DSASSIST_HOME", str(tmp_path_factory.mktemp("d")))
        with closing(Client(EngineSettings(builtin_model))) as client:
            yield client
        stop_server()


def test_a_real_model_prefers_a_name_that_is_there_to_one_that_is_not(builtin_engine: Engine) -> None:
    for written, other, is_preferred in (("zzqqx", "value", True), ("value", "zzqqx", False)):
        (task,) = tasks_of(ChangedFile("f.py", Source(CLAMP.replace("else value", f"else {written}")), LINES))
        assert isinstance(task, Task)
        start = task.function.text.rindex(written)
        candidate = Candidate(Edit(start, start + 5, other), "name", written, other, 7, 1, 7, 2)
        assert (agreed_nats(task, candidate, 99.0, builtin_engine.score) > 0) is is_preferred
