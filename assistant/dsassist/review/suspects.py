"""The alternatives of a function that count: those that both measures prefer to what is written, one of each line."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsassist.review.agreement import is_preferred_between
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import Ask, nats_of, scores_of

__all__ = ["MOST_TRIES", "suspects_of"]

MOST_TRIES = 2
"""On one line: whoever is refused twice there is seldom right the third time."""


def suspects_of(
    task: Task, ask: Ask, is_enough: Callable[[Candidate, float], bool]
) -> Iterator[tuple[Candidate, float]]:
    """Of each line the best alternative that has enough evidence and is preferred in between, and its evidence in nats.

    One bug has several cures: in `width * width` either operand may be replaced. A reader needs one of them.
    """
    lines: dict[int, list[tuple[float, Candidate]]] = {}
    for candidate, score in scores_of(task, task.candidates, ask):
        nats = nats_of(score)
        if is_enough(candidate, nats):
            lines.setdefault(candidate.line, []).append((nats, candidate))
    for line in sorted(lines):
        for nats, candidate in sorted(lines[line], key=_strength)[:MOST_TRIES]:
            if is_preferred_between(task, candidate, ask):
                yield candidate, nats
                break


def _strength(found: tuple[float, Candidate]) -> tuple[float, int, int, str]:
    """A sort key, the strongest first; the model's order of equals may differ from run to run."""
    nats, candidate = found
    return -nats, candidate.edit.start, candidate.edit.end, candidate.edit.replacement
