"""The source of findings as a whole, with a model whose texts and opinions are made up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dsassist.review.likelihood.tasks import Task
from dsassist.review.source import Source
from dsassist.review.written import Budget, Null, Weighed, Written
from dsassist.review.written.change import CHANGES
from dsassist.review.written.filling import Draws
from dsassist_runtime.api import InfillRequest, ScoreRequest, TextStream
from dsassist_runtime.errors import DeadlineExceeded, EngineDied, RequestRefused

TaskOf = Callable[..., Task]

LABEL = """\
import os


def label(value, names):
    if value.name:
        return value.name
    return os.sep.join(names)
"""
CONDITION = frozenset({5})
GUARD = "value and value.name"
FILLS = {"if": f"{GUARD}:\n        return"}
CONVINCED: dict[str, Any] = {"behind": {GUARD: 20.0}, "between": {GUARD: -4.0, "if value.name": -25.0}}
NO_NULLS = {change: Null(0.0, 0.0, 1000) for change in CHANGES}


def found(written: Written, task: Task, threshold_nats: float = 5.5) -> list[tuple[str, str, str]]:
    return [
        (each.family, each.original, each.alternative) for each in written.findings(task, threshold_nats, "warning")
    ]


def test_a_guard_that_both_measures_want_is_a_finding(task_of: TaskOf, scripted: Any) -> None:
    engine = scripted(FILLS, **CONVINCED)
    (finding,) = Written(engine).findings(task_of(LABEL, CONDITION), 5.5, "warning")
    assert (finding.path, finding.line, finding.column, finding.end_column) == ("f.py", 5, 8, 18)
    assert (finding.code, finding.function) == ("DSA141", "label")
    assert (finding.original, finding.alternative) == ("value.name", GUARD)
    # The smaller of 20 - 3 and 21 - 3, by nulls that are guesses.
    assert finding.evidence_nats == 17.0
    assert finding.message == f"a part of the condition may be missing: `{GUARD}`"
    assert "what follows is over a million times as likely" in finding.evidence
    (part,) = finding.fix
    assert (part.line, part.column, part.end_line, part.end_column, part.text) == (5, 8, 5, 18, GUARD)


@pytest.mark.parametrize(
    ("behind", "between"),
    [
        ({GUARD: 2.0}, CONVINCED["between"]),
        ({GUARD: -5.0}, CONVINCED["between"]),
        (CONVINCED["behind"], {GUARD: -25.0, "if value.name": -25.0}),
        (CONVINCED["behind"], {GUARD: -40.0, "if value.name": -20.0}),
        (CONVINCED["behind"], {}),
    ],
)
def test_one_measure_alone_is_no_evidence(
    task_of: TaskOf, scripted: Any, behind: dict[str, float], between: dict[str, float]
) -> None:
    written = Written(scripted(FILLS, behind=behind, between=between))
    assert found(written, task_of(LABEL, CONDITION)) == []


def test_what_follows_decides_which_alternatives_are_weighed_a_second_time(task_of: TaskOf, scripted: Any) -> None:
    engine = scripted(FILLS, behind={GUARD: 2.9}, between=CONVINCED["between"])
    assert found(Written(engine), task_of(LABEL, CONDITION)) == []
    assert engine.weighed == []
    engine = scripted(FILLS, **CONVINCED)
    found(Written(engine), task_of(LABEL, CONDITION))
    assert engine.weighed == ["\n    if value.name:\n", f"\n    if {GUARD}:\n"]


def test_a_class_that_is_not_measured_gives_remarks_only(task_of: TaskOf, scripted: Any) -> None:
    task = task_of(LABEL, CONDITION)
    severities = [
        finding.severity
        for nulls in ({}, {"nulls": NO_NULLS})
        for finding in Written(scripted(FILLS, **CONVINCED), **nulls).findings(task, 5.5, "warning")
    ]
    assert severities == ["info", "warning"]


def test_the_threshold_and_the_strength_say_the_same(task_of: TaskOf, scripted: Any) -> None:
    task = task_of(LABEL, CONDITION)
    ((finding, strength),) = Written(scripted(FILLS, **CONVINCED)).scored(task, "warning")
    assert found(Written(scripted(FILLS, **CONVINCED)), task, strength - 0.01)
    assert not found(Written(scripted(FILLS, **CONVINCED)), task, strength + 0.01)
    assert finding.evidence_nats is not None
    assert 0 < strength < finding.evidence_nats


def test_of_a_line_the_strongest_alternative_is_told(task_of: TaskOf, scripted: Any) -> None:
    text = LABEL.replace("    if value.name:\n        return value.name\n", "    if value.name: return value.name\n")
    stripped = "value.name.strip()"
    engine = scripted(
        {"if": f"{GUARD}: return value.name\n", "if value.name: return": f"{stripped}\n"},
        behind={GUARD: 20.0, stripped: 30.0},
        between={"if value.name: return value.name\n": -50.0, GUARD: -10.0, stripped: -5.0},
    )
    assert found(Written(engine), task_of(text, CONDITION)) == [("missing-call", "value.name", stripped)]
    assert len(engine.weighed) == 3


def test_each_line_may_have_a_finding(task_of: TaskOf, scripted: Any) -> None:
    stripped = "value.name.strip()"
    engine = scripted(
        {**FILLS, "return": f"{stripped}\n"},
        behind={GUARD: 20.0, stripped: 30.0},
        between={**CONVINCED["between"], "return value.name\n": -40.0, stripped: -5.0},
    )
    families = [each[0] for each in found(Written(engine), task_of(LABEL, frozenset({5, 6})))]
    assert families == ["missing-guard", "missing-call"]


def test_an_argument_is_shown_with_its_brackets(task_of: TaskOf, scripted: Any) -> None:
    engine = scripted(
        {"names.sort(": "key=value)\n"},
        behind={"sort(key=value)": 20.0},
        between={"sort()": -30.0, "sort(key=value)": -5.0},
    )
    task = task_of("def f(value, names):\n    names.sort()\n    return names\n", frozenset({2}))
    (finding,) = Written(engine).findings(task, 5.5, "warning")
    assert (finding.code, finding.original, finding.alternative) == ("DSA142", "()", "(key=value)")
    assert (finding.column, finding.end_column) == (15, 17)


def test_what_stands_elsewhere_in_the_same_words_is_no_slip(task_of: TaskOf, scripted: Any) -> None:
    text = LABEL + "\n\ndef other(value):\n    if value.name:\n        return value\n"
    short = Written(scripted(FILLS, **CONVINCED))
    assert found(short, task_of(text, CONDITION)), "too short to say anything"
    longer = text.replace("if value.name:", "if value.name in (1, 2):")
    engine = scripted(FILLS, **CONVINCED)
    assert found(Written(engine), task_of(longer, CONDITION)) == []
    assert engine.requests == []


def test_nothing_is_asked_where_nothing_can_be_hidden(task_of: TaskOf, scripted: Any) -> None:
    engine = scripted(FILLS, **CONVINCED)
    assert Written(engine).weigh(task_of(LABEL, frozenset({4}))).judged == ()
    assert engine.requests == []


# -- what the model is asked


def test_both_sides_of_a_hole_are_in_view(task_of: TaskOf, scripted: Any) -> None:
    engine = scripted(FILLS, **CONVINCED)
    found(Written(engine), task_of(LABEL, CONDITION))
    hole = next(each for each in engine.holes if each.begun == "\n    if ")
    assert hole.prefix == "import os\n\n\ndef label(value, names):"
    assert hole.suffix == ":\n        return value.name\n    return os.sep.join(names)\n"
    assert hole.priority == "review"


def test_a_hole_is_filled_once_greedily_and_then_by_seeded_draws(task_of: TaskOf, scripted: Any) -> None:
    def samplings(budget: Budget) -> list[tuple[float, int | None]]:
        engine = scripted(FILLS, **CONVINCED)
        found(Written(engine, budget), task_of(LABEL, CONDITION))
        return [(each.sampling.temperature, each.sampling.seed) for each in engine.holes if each.begun == "\n    if "]

    assert samplings(Budget(spans=1)) == [(0.0, None), (0.8, 2), (0.8, 3)]
    assert samplings(Budget(spans=1, draws=Draws(2, 0.4, 7))) == [(0.0, None), (0.4, 8)]
    assert samplings(Budget(spans=1)) == samplings(Budget(spans=1))


def test_a_budget_limits_spans_draws_and_what_is_weighed(task_of: TaskOf, scripted: Any) -> None:
    lines = "".join(f"    a{i} = b\n" for i in range(1, 9))
    task = task_of(f"def f(b):\n{lines}    return b\n")
    engine = scripted({f"a{i} =": "list(b)\n" for i in range(1, 9)}, behind={"list(": 20.0})
    weighed = Written(engine, Budget(spans=3, draws=Draws(samples=2), judged=2)).weigh(task)
    assert weighed.spans == 3
    assert len(engine.holes) == 6
    assert engine.weighed == [f"\n    a{i} = {text}\n" for i in (1, 2) for text in ("b", "list(b)")]


def test_a_text_is_stopped_where_it_meets_what_follows(task_of: TaskOf, scripted: Any) -> None:
    engine = scripted({"if": f"{GUARD}:\n" + "        pass\n" * 50}, **CONVINCED)
    assert found(Written(engine), task_of(LABEL, CONDITION))
    assert all(stream.closed.is_set() for stream in engine.streams)
    assert all(stream._written < 20 for stream in engine.streams)


def test_a_model_that_cannot_fill_gives_nothing_and_is_told_of_once(task_of: TaskOf, scripted: Any) -> None:
    told: list[str] = []
    engine = scripted(FILLS, **CONVINCED, can_fill=False)
    written = Written(engine, tell=told.append)
    for _ in range(3):
        assert found(written, task_of(LABEL, CONDITION)) == []
    assert told == ["scripted cannot fill in the middle"]
    assert engine.requests == []


def test_an_engine_that_writes_no_given_text_is_told_of_once(task_of: TaskOf, scripted: Any) -> None:
    class Refusing(scripted):  # type: ignore[misc]
        def infill(self, request: InfillRequest) -> TextStream:
            if request.sampling.grammar:
                raise RequestRefused("grammar cannot be had of a model at an address")
            return super().infill(request)  # type: ignore[no-any-return]

    told: list[str] = []
    engine = Refusing(FILLS, **CONVINCED)
    written = Written(engine, tell=told.append)
    assert found(written, task_of(LABEL, CONDITION)) == []
    n_asked = len(engine.requests)
    assert found(written, task_of(LABEL, CONDITION)) == []
    assert len(engine.requests) == n_asked
    (text,) = told
    assert "grammar cannot be had" in text


def test_a_model_that_holds_little_is_shown_less(task_of: TaskOf, scripted: Any) -> None:
    class Small(scripted):  # type: ignore[misc]
        def score(self, request: ScoreRequest, timeout_s: float | None = None) -> Any:
            if len(request.text) > 1200:
                raise RequestRefused("too long")
            return super().score(request, timeout_s)

    text = LABEL.replace("    if value.name:", "    names = list(names)\n" * 120 + "    if value.name:")
    task = task_of(text, frozenset({125}))
    assert found(Written(Small(FILLS, **CONVINCED)), task) == [("missing-guard", "value.name", GUARD)]

    class Tiny(scripted):  # type: ignore[misc]
        def score(self, request: ScoreRequest, timeout_s: float | None = None) -> Any:
            raise RequestRefused("too long")

    with pytest.raises(RequestRefused):
        Written(Tiny(FILLS, **CONVINCED)).weigh(task)


def test_the_time_is_looked_at_before_each_question(task_of: TaskOf, scripted: Any) -> None:
    task = task_of(LABEL, CONDITION)
    whole = scripted(FILLS, **CONVINCED)
    found(Written(whole), task)
    for n_allowed in range(len(whole.requests)):
        engine = scripted(FILLS, **CONVINCED)

        def remaining_s(engine: Any = engine, limit: int = n_allowed) -> float:
            return 1.0 if len(engine.requests) < limit else 0.0

        with pytest.raises(DeadlineExceeded):
            Written(engine).weigh(task, remaining_s)
        assert len(engine.requests) == n_allowed


def test_an_engine_that_dies_is_the_callers_to_hear_of(task_of: TaskOf, scripted: Any) -> None:
    class Dying(scripted):  # type: ignore[misc]
        def infill(self, request: InfillRequest) -> TextStream:
            raise EngineDied("the engine ended")

    with pytest.raises(EngineDied):
        Written(Dying(FILLS, **CONVINCED)).weigh(task_of(LABEL, CONDITION))


# -- with the builtin model


def test_the_builtin_models_alternatives_parse_and_mean_something_else(in_process: Any, task_of: TaskOf) -> None:
    text = """\
    import os


    def sizes(path, skip):
        found = {}
        for name in os.listdir(path):
            if name not in skip:
                found[name] = os.path.getsize(os.path.join(path, name))
        return sorted(found.items())
    """
    task = task_of(text)
    nulls = {change: replace(null, behind_nats=-100.0) for change, null in NO_NULLS.items()}
    weighed = Written(in_process, Budget(spans=6, judged=8), nulls=nulls).weigh(task)
    assert isinstance(weighed, Weighed)
    assert weighed.spans == 6
    for judged in weighed.judged:
        edit = judged.alternative.edit
        written = task.function.text[edit.start : edit.end]
        result = task.function.text[: edit.start] + edit.replacement + task.function.text[edit.end :]
        assert not Source(result).tree.root_node.has_error
        assert written != edit.replacement


def test_scores_of_the_builtin_model_say_which_part_surprises(in_process: Any, task_of: TaskOf) -> None:
    from dsassist.review.likelihood.site import Site
    from dsassist.review.view import view_of
    from dsassist.review.written.asking import Asker
    from dsassist.review.written.spans import spans_of
    from dsassist.review.written.surprise import least_probable, surprise_nats

    task = task_of("import os\n\n\ndef f(path):\n    for name in os.listdir(path):\n        print(name, quux ^ 77)\n")
    spans = spans_of(Site(task.function, task.lines))
    surprises = surprise_nats(Asker(in_process), view_of(task, 0, 1, 4000), spans)
    assert set(surprises) == set(spans)
    (first, *_) = least_probable(surprises, 3)
    assert "quux" in task.function.text[first.start : first.end]
    assert least_probable(surprises, 3) == least_probable(dict(reversed(surprises.items())), 3)
