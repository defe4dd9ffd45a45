"""The trial of a model, and the review of changed functions by one that was let in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from assistant.review.instruct.answering import (
    Answering,
    anchors_of,
    answer,
    file_of,
    likelier_by,
    nothing,
    report,
    task_of,
)
from dsassist.answers.store import AnswerStore
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding
from dsassist.review.instruct.asking import Model
from dsassist.review.instruct.reviewer import InstructReviewer
from dsassist.review.instruct.trial import Trial, read_trial
from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import ChatRequest
from dsassist_runtime.errors import EngineDied, NotDone, RequestRefused

CLAMP = """\
def clamp(value, low, high):
    if value < low:
        return low
    return high if value > low else value
"""
RETURN = "4> return high if value > low else value"
FIX = "return high if value > high else value"


@pytest.fixture
def model_path(tmp_path: Path) -> Path:
    path = tmp_path / "some-model.gguf"
    path.write_text("a model")
    return path


def unchanged(number: int) -> Task:
    """A function of the repository; long enough to be one."""
    lines = "".join(f"    total = total + value_{number} * {i}\n" for i in range(8))
    return task_of(f"def sum_{number}(total, value_{number}):\n{lines}    return total\n")


def finds_the_bug(request: ChatRequest) -> str:
    return answer([report(RETURN, FIX)] if RETURN in anchors_of(request) else [])


def finds_a_bug_in_everything(request: ChatRequest) -> str:
    line = next(each for each in reversed(anchors_of(request)) if "return" in each)
    return answer([report(line, line.partition("> ")[2] + " + 1")])


class Reviewing:
    """A reviewer with its model; `said` are the notices."""

    def __init__(
        self, path: Path, engine: Answering, functions: Iterable[Task] = (), store: AnswerStore | None = None
    ) -> None:
        self.engine = engine
        self.said: list[str] = []
        self._path = path
        self._functions = list(functions)
        self._store = store

    def model(self) -> Model:
        return Model("some-model", self.engine, self.engine, 5.0, read_trial(self._path), self._store)

    def found(self, *files: ChangedFile, left: Callable[[], float] = lambda: 60.0) -> list[Finding | Skipped]:
        reviewer = InstructReviewer(self.model, lambda: self._functions, self.said.append)
        return list(reviewer(files or (file_of(CLAMP),), left))


def admit(path: Path, functions: int = 60) -> Trial:
    trial = read_trial(path)
    for number in range(functions):
        trial.add(f"known {number}", None)
    return trial


def test_a_proven_report_of_a_model_that_was_let_in_is_a_finding(model_path: Path) -> None:
    admit(model_path)
    reviewing = Reviewing(model_path, Answering(finds_the_bug, likelier_by(9.0)))
    (finding,) = reviewing.found()
    assert isinstance(finding, Finding)
    assert (finding.code, finding.line, finding.severity, finding.alternative) == ("DSA301", 4, "info", FIX)
    (said,) = reviewing.said
    assert said == (
        "some-model reviews in words: 0 of 60 unchanged functions had a finding, "
        "which means up to 4.9 of 100 with 95 % confidence"
    )


def test_a_report_whose_fix_is_not_likelier_is_dropped(model_path: Path) -> None:
    admit(model_path)
    assert Reviewing(model_path, Answering(finds_the_bug, likelier_by(6.0))).found() == []
    assert len(Reviewing(model_path, Answering(finds_the_bug, likelier_by(7.1))).found()) == 1


def test_a_model_that_reports_a_bug_in_everything_is_refused_soon_and_it_is_said_why(model_path: Path) -> None:
    engine = Answering(finds_a_bug_in_everything, likelier_by(9.0))
    reviewing = Reviewing(model_path, engine, map(unchanged, range(100)))
    (skipped,) = reviewing.found()
    assert skipped == Skipped(
        "by the instruct model",
        "some-model is no reviewer: 10 of 10 unchanged functions had a finding, which means up to 100.0 of 100 with "
        "95 % confidence, and 1 of 100 is the most; try a larger model",
    )
    assert len(engine.asked) == 10
    assert reviewing.found() == [skipped], "it is not tried again"
    assert len(engine.asked) == 10


def test_reports_that_do_not_survive_do_not_count_against_a_model(model_path: Path) -> None:
    engine = Answering(finds_a_bug_in_everything, likelier_by(1.0))
    reviewing = Reviewing(model_path, engine, map(unchanged, range(100)))
    assert reviewing.found() == []
    assert len(engine.asked) == 61
    assert reviewing.said[0] == "some-model is tried on unchanged functions before it may review in words"
    assert reviewing.said[1].startswith("some-model reviews in words: 0 of 60 ")


def test_a_trial_ends_with_the_time_and_the_next_run_goes_on(model_path: Path) -> None:
    engine = Answering(nothing)
    reviewing = Reviewing(model_path, engine, map(unchanged, range(100)))
    (skipped,) = reviewing.found(left=lambda: 60.0 - 3 * len(engine.asked))
    assert skipped == Skipped(
        "by the instruct model",
        "some-model was tried on 20 unchanged functions, 0 with a finding, which decides nothing yet "
        "(it takes 60 or more): the next run goes on, and --deadline gives it more time",
    )
    assert len(engine.asked) == 20
    assert reviewing.found() == []
    assert len(engine.asked) == 61, "40 more, and the changed one"


def test_a_repository_with_few_functions_decides_nothing(model_path: Path) -> None:
    short = task_of("def f(a):\n    return a\n")
    reviewing = Reviewing(model_path, Answering(nothing), [*map(unchanged, range(7)), short])
    (skipped,) = reviewing.found()
    assert isinstance(skipped, Skipped)
    assert "tried on 7 unchanged functions" in skipped.reason
    assert skipped.reason.endswith("the repository has no more functions to try it on")


def test_a_changed_function_decides_nothing_about_its_reviewer(model_path: Path) -> None:
    changed = unchanged(1)
    engine = Answering(nothing)
    Reviewing(model_path, engine, [changed, unchanged(2)]).found(file_of(changed.function.text + "\n"))
    assert "sum_1" not in str([request.messages for request in engine.asked])
    assert len(engine.asked) == 1


def test_a_model_that_is_not_fit_is_not_asked_and_it_is_said_why(model_path: Path) -> None:
    def unfit() -> Model:
        raise NotDone("some-model has no chat template")

    found = list(InstructReviewer(unfit, list, print)([file_of(CLAMP)], lambda: 60.0))
    assert found == [Skipped("by the instruct model", "some-model has no chat template")]


def test_no_model_is_opened_where_no_function_changed() -> None:
    def unfit() -> Model:
        raise AssertionError("it was opened")

    assert list(InstructReviewer(unfit, list, print)([file_of("x = 1\n")], lambda: 60.0)) == []


def test_what_was_not_asked_about_is_listed(model_path: Path) -> None:
    admit(model_path)
    engine = Answering(nothing)
    files = [file_of(CLAMP.replace("clamp", f"clamp_{i}"), f"f{i}.py") for i in range(3)]
    found = Reviewing(model_path, engine).found(*files, left=lambda: 1.0 - len(engine.asked))
    assert found == [Skipped(f"f{i}.py: clamp_{i}", "in words: deadline") for i in (1, 2)]


def test_a_long_function_and_one_that_the_model_refuses_are_listed(model_path: Path) -> None:
    admit(model_path)
    long = "def long(a):\n" + "".join(f"    call_{i}(a)\n" for i in range(600))
    refusing = Answering(lambda _: RequestRefused("too many tokens"))
    assert Reviewing(model_path, refusing).found(file_of(long), file_of(CLAMP)) == [
        Skipped("a.py: long", "in words: above 6,000 characters"),
        Skipped("a.py: clamp", "in words: too many tokens"),
    ]


def test_an_engine_that_dies_ends_this_part_of_the_review(model_path: Path) -> None:
    admit(model_path)
    found = Reviewing(model_path, Answering(lambda _: EngineDied("the engine died"))).found()
    assert found == [Skipped("by the instruct model", "the engine died")]


def test_an_answer_that_is_no_report_is_no_finding(model_path: Path) -> None:
    admit(model_path)
    assert Reviewing(model_path, Answering(lambda _: "I see no bug!", likelier_by(9.0))).found() == []


def test_a_function_is_asked_about_once_while_it_stays(model_path: Path, isolated: Path) -> None:
    admit(model_path)
    engine = Answering(finds_the_bug, likelier_by(9.0))
    with closing(AnswerStore(isolated / "answers" / "answers.db")) as store:
        reviewing = Reviewing(model_path, engine, store=store)
        first = reviewing.found()
        assert len(first) == 1
        assert reviewing.found() == first
        assert len(engine.asked) == 1
        reviewing.found(file_of(CLAMP.replace("value", "values")))
        assert len(engine.asked) == 2
