"""What the review's tests share: a model of made-up opinions, and functions cut out of a text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

import pytest

from dsassist.review.functions import Function, changed_functions
from dsassist.review.source import Source
from dsassist_runtime.api import EditScore, ScoreRequest


@pytest.fixture
def prefers() -> Callable[[str, float], Callable[[ScoreRequest], list[EditScore]]]:
    """A scorer to whom one text is likelier by some nats than what is written, and every other edit less likely."""

    def make(text: str, nats: float) -> Callable[[ScoreRequest], list[EditScore]]:
        def score(request: ScoreRequest) -> list[EditScore]:
            found = []
            for edit in request.edits:
                result = request.text[: edit.start] + edit.replacement + request.text[edit.end :]
                gain = nats if text in result and text not in request.text else -9.0
                found.append(EditScore(edit, (-1.0,), (-1.0,), (-20.0,), (-20.0 + gain,)))
            return found

        return score

    return make


@pytest.fixture
def function_of() -> Callable[[str], Function]:
    """The first function of a text."""

    def make(text: str) -> Function:
        source = Source(textwrap.dedent(text))
        return changed_functions(source, frozenset(range(1, source.text.count("\n") + 2)))[0]

    return make
