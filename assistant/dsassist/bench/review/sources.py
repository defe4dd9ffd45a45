"""Where findings come from, as the bench sees it: a function from a changed file to findings with their strength.

No threshold is applied, so that one can be fitted to an alarm rate. Another source of findings is a function here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from dsassist.review.agreement import agreed_nats
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding
from dsassist.review.likelihood.evidence import evidence_nats, strength_of
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.likelihood.wording import finding_of
from dsassist.review.suspects import MOST_TRIES
from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.errors import RequestRefused

__all__ = [
    "Alternatives",
    "Scored",
    "Scorer",
    "Source",
    "enumerated",
    "further",
    "measured",
    "scores_around",
    "strongest",
]

_WINDOW_CHARACTERS = 4000
_LEAST_CHARACTERS = 500
_NO_THRESHOLD = 0.0  # a threshold is above it
_SHARE_BEFORE = 4  # a quarter of what is read of a longer function stands before the first place


class Scorer(Protocol):
    """The one method of an engine that the likelihood reviewer asks."""

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """Evaluate edits of a text."""


@dataclass(frozen=True)
class Scored:
    """A finding, and the highest `review.threshold_nats` at which a user would see it."""

    finding: Finding
    strength: float


Source = Callable[[ChangedFile], list[Scored]]
Alternatives = Callable[[Task], tuple[Candidate, ...]]


def measured(task: Task) -> tuple[Candidate, ...]:
    """The alternatives of the families that users are told of."""
    return task.candidates


def further(task: Task) -> tuple[Candidate, ...]:
    """Those of the other families, which are a question of their own."""
    return task.further_candidates


def enumerated(engine: Scorer, alternatives: Alternatives = measured) -> Source:
    """The likelihood reviewer with enumerated alternatives: of each line the strongest."""

    def find(file: ChangedFile) -> list[Scored]:
        tasks = [task for task in tasks_of(file) if not isinstance(task, Skipped)]
        return [found for task in tasks for found in _findings(engine, task, alternatives(task))]

    return find


def scores_around(engine: Scorer, context: str, text: str, edits: Sequence[Edit]) -> Iterator[tuple[Edit, EditScore]]:
    """Scores of edits of a text, of a long one only those around the first edit; less where the model holds less."""
    limit = _WINDOW_CHARACTERS
    while edits:
        start, end = _window(text, edits[0].start, limit)
        inside = {
            Edit(edit.start - start, edit.end - start, edit.replacement): edit for edit in edits if edit.end <= end
        }
        try:
            scores = engine.score(ScoreRequest(context, text[start:end], tuple(inside)))
        except RequestRefused:
            if limit <= _LEAST_CHARACTERS:
                raise
            limit //= 2
        else:
            yield from ((inside[score.edit], score) for score in scores)
            return


def _window(text: str, place: int, limit: int) -> tuple[int, int]:
    if len(text) <= limit:
        return 0, len(text)
    start = text.rfind("\n", 0, max(place - limit // _SHARE_BEFORE, 0)) + 1
    return start, min(start + limit, len(text))


def strongest(found: list[Scored]) -> Scored | None:
    """The one that the reader would see at the highest threshold; of equals the first."""
    return max(found, key=lambda each: each.strength, default=None)


def _findings(engine: Scorer, task: Task, candidates: tuple[Candidate, ...]) -> Iterator[Scored]:
    n_lines = len({candidate.line for candidate in candidates})
    lines: dict[int, list[tuple[float, float, Candidate]]] = {}
    for candidate, score in _scores(engine, task, candidates):
        nats = evidence_nats(score)
        lines.setdefault(candidate.line, []).append((strength_of(candidate.family, nats, n_lines), nats, candidate))
    for found in lines.values():
        found.sort(key=lambda each: -each[0])
        agreed = [
            _agreed(engine, task, candidate, nats, n_lines) if strength > _NO_THRESHOLD else (strength, nats, candidate)
            for strength, nats, candidate in found[:MOST_TRIES]
        ]
        strength, nats, candidate = max(agreed, key=lambda each: each[0])
        yield Scored(finding_of(task, candidate, nats, "warning"), strength)


def _agreed(
    engine: Scorer, task: Task, candidate: Candidate, nats: float, n_lines: int
) -> tuple[float, float, Candidate]:
    agreed = agreed_nats(task, candidate, nats, engine.score)
    if math.isinf(agreed):  # lines that are too long to be read twice
        return _NO_THRESHOLD, nats, candidate
    return strength_of(candidate.family, agreed, n_lines), agreed, candidate


def _scores(engine: Scorer, task: Task, candidates: tuple[Candidate, ...]) -> Iterator[tuple[Candidate, EditScore]]:
    edits = {candidate.edit: candidate for candidate in candidates}
    for edit, score in scores_around(engine, task.context, task.function.text, tuple(edits)):
        yield edits[edit], score
