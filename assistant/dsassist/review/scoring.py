"""Scores of a function's alternatives: long functions in pieces, and in smaller ones where the model holds less."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from dsassist.review.likelihood.evidence import evidence_nats
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.errors import RequestRefused

__all__ = ["Ask", "in_tenths", "nats_of", "scores_of"]

_LIMIT_CHARACTERS = 4000
"""Longer functions are read in pieces: on two cores 4,000 characters may take a large model half a minute."""

_LEAST_CHARACTERS = 500
"""Less than this is no context to judge by."""

Ask = Callable[[ScoreRequest], tuple[EditScore, ...]]
"""Puts a question to the engine, or raises because there is no time left for it."""


def scores_of(
    task: Task, candidates: Sequence[Candidate], ask: Ask, limit: int = _LIMIT_CHARACTERS
) -> Iterator[tuple[Candidate, EditScore]]:
    """Of each piece the scores of the alternatives that the model ranked best.

    The questions depend on nothing but the task and what the model refuses, so that the same ones are found in the
    store whoever asks them.
    """
    for start, end, inside in _pieces(task.function.text, candidates, limit):
        edits = {_moved(candidate.edit, -start): candidate for candidate in inside}
        try:
            scores = ask(ScoreRequest(task.context, task.function.text[start:end], tuple(edits)))
        except RequestRefused:
            if limit <= _LEAST_CHARACTERS:
                raise
            yield from scores_of(task, inside, ask, limit // 2)
            continue
        for score in scores:
            yield edits[score.edit], score


def nats_of(score: EditScore) -> float:
    """The evidence as it is shown and compared."""
    return in_tenths(evidence_nats(score))


def in_tenths(nats: float) -> float:
    """Rounded to 0.1: finer differences are the arithmetic's noise."""
    return round(nats, 1)


def _pieces(text: str, candidates: Sequence[Candidate], limit: int) -> Iterator[tuple[int, int, tuple[Candidate, ...]]]:
    """Ranges of the function's text that are read at once, each with the candidates that it is read for.

    A long function is cut at line ends; each piece but the first begins with some lines that are only read.
    """
    lead = limit // 4
    while candidates:
        first, start = candidates[0].edit, 0
        if len(text) > limit and first.end > limit - lead:
            start = text.rfind("\n", 0, max(first.start - lead, 0)) + 1
        end = len(text) if len(text) - start <= limit else text.rfind("\n", start, start + limit) + 1
        if end <= first.end:  # a line that is longer than a piece
            end = max(start + limit, first.end)
        yield start, end, tuple(candidate for candidate in candidates if candidate.edit.end <= end)
        candidates = tuple(candidate for candidate in candidates if candidate.edit.end > end)


def _moved(edit: Edit, by: int) -> Edit:
    return Edit(edit.start + by, edit.end + by, edit.replacement)
