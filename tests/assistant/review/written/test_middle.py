"""How likely lines are between their surroundings: against the log-probabilities of the whole prompt, and its laws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from dsassist.review.likelihood.site import Site
from dsassist.review.likelihood.tasks import Task
from dsassist.review.view import Middle, View, view_of, views_of
from dsassist.review.written.asking import Asker
from dsassist.review.written.middle import log_probability
from dsassist.review.written.spans import Span, spans_of
from dsassist_runtime.api import CompletionRequest, InfillRequest, PromptRead, TextStream
from dsassist_runtime.errors import DeadlineExceeded, ModelUnsupported, RequestRefused
from dsassist_runtime.testing import ScriptedEngine

TaskOf = Callable[..., Task]

TEXT = """\
import os


def names(path, skip):
    for name in os.listdir(path):
        if name not in skip:
            yield name
    return None
"""


def asker(engine: Any) -> Asker:
    return Asker(engine, n_vocab=engine.facts().n_vocab)


def place(task: Task, text: str) -> tuple[View, Span]:
    span = next(
        span for span in spans_of(Site(task.function, task.lines)) if task.function.text[span.start : span.end] == text
    )
    return view_of(task, span.start, span.end, 4000), span


def test_a_middle_is_whole_lines_between_their_breaks(task_of: TaskOf) -> None:
    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    assert middle.prefix.endswith("for name in os.listdir(path):")
    assert (middle.head, middle.tail) == ("\n        if ", ":\n")
    assert middle.suffix.startswith("            yield name")


def test_a_line_is_as_likely_as_the_whole_prompt_has_it(in_process: Any, task_of: TaskOf) -> None:
    """The other way to the same number: the echo of the prompt, marks and all, with the lines behind it."""
    view, span = place(task_of(TEXT), "name not in skip")
    middle = Middle.around(view, span)
    for text in ("name not in skip", "name", 'name != "x\\\\y"', "f(\n    names)", "ä < 77.5", "not anything.else_()"):
        found = log_probability(asker(in_process), middle, text)
        lines = middle.head + text + middle.tail
        prompt = f"<|fim_suffix|>{middle.suffix}<|fim_prefix|>{middle.prefix}<|fim_middle|>{lines}"
        n_tokens = len(in_process.local.tokenize(lines, add_special=False, parse_special=False))
        (read, *_) = in_process.local.events(CompletionRequest(prompt=prompt, max_tokens=0, echo_logprobs=True))
        assert isinstance(read, PromptRead)
        echoed = sum(max(each.logprob, -6.0) for each in read.logprobs[-n_tokens:])
        assert found == pytest.approx(echoed, abs=0.5), "batches of other shapes round differently"
        assert found is not None
        assert -6.0 * n_tokens <= found < 0


def test_what_the_model_would_write_is_likelier_than_noise(in_process: Any, task_of: TaskOf) -> None:
    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    plain, odd = (log_probability(asker(in_process), middle, text) for text in ("name", "quux ^ 77 ^ name"))
    assert plain is not None
    assert odd is not None
    assert plain > odd


def test_lines_of_any_characters_can_be_weighed(in_process: Any, task_of: TaskOf) -> None:
    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    for text in ('"ä\\t\\"€" in name', "'\\\\n' + name", "name[\t1]", "f(\n    name)", "𝛼 in name"):
        found = log_probability(asker(in_process), middle, text)
        assert found is not None
        assert math.isfinite(found)


def test_lines_that_are_too_long_are_not_weighed(task_of: TaskOf) -> None:
    engine = ScriptedEngine()
    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    assert log_probability(Asker(engine), middle, "name + " * 100 + "name") is None
    assert engine.requests == []


def test_an_engine_that_takes_no_grammar_is_told_of(task_of: TaskOf) -> None:
    class Refusing(ScriptedEngine):
        def infill(self, request: InfillRequest) -> TextStream:
            raise RequestRefused("grammar cannot be had")

    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    with pytest.raises(ModelUnsupported, match="grammar cannot be had"):
        log_probability(Asker(Refusing()), middle, "name")


def test_nothing_is_asked_when_the_time_is_up(task_of: TaskOf) -> None:
    engine = ScriptedEngine()
    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    with pytest.raises(DeadlineExceeded):
        log_probability(Asker(engine, lambda: 0.0), middle, "name")
    assert engine.requests == []


def test_an_engine_gets_the_time_that_is_left(task_of: TaskOf) -> None:
    engine = ScriptedEngine(["\n        if name:\n"])
    middle = Middle.around(*place(task_of(TEXT), "name not in skip"))
    assert log_probability(Asker(engine, lambda: 2.5), middle, "name") == pytest.approx(-0.5)
    (request,) = engine.requests
    assert request.deadline_ms == 2500


def test_a_function_that_is_longer_than_the_view_is_seen_in_part(task_of: TaskOf) -> None:
    lines = "".join(f"    a{i} = g({i})\n" for i in range(300))
    task = task_of(f"def f():\n{lines}", frozenset({202}))
    view, span = place(task, "g(200)")
    assert len(view.text) <= 4000
    assert view.whole[view.place(span.start) : view.place(span.end)] == "g(200)"
    assert view.text.startswith("    a")
    assert view.text.endswith("\n")
    small = view_of(task, span.start, span.end, 10)
    assert "g(200)" in small.text


def test_all_places_of_a_long_function_are_seen_in_a_few_views(task_of: TaskOf) -> None:
    lines = "".join(f"    a{i} = g({i})\n" for i in range(300))
    task = task_of(f"def f():\n{lines}")
    spans = spans_of(Site(task.function, task.lines))
    views = views_of(task, spans, 1000)
    assert list(views) == spans
    for span, view in views.items():
        seen = view.whole[view.place(span.start) : view.place(span.end)]
        assert seen == task.function.text[span.start : span.end]
    assert len(set(views.values())) <= 3 * len(task.function.text) / 1000
    assert len(set(views_of(task, spans, 100_000).values())) == 1
