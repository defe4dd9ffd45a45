"""The alternatives of a function that count: those that both measures prefer to what is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsassist.review.agreement import is_preferred_between
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import Ask, nats_of, scores_of

__all__ = ["MOST_TRIES", "Scored", "by_strength", "first_preferred", "suspects_of"]

MOST_TRIES = 2
"""On one line: whoever is refused twice there is seldom right the third time."""

Scored = tuple[Candidate, float]
"""An alternative with its evidence in nats."""


def suspects_of(task: Task, ask: Ask, thresholds: Thresholds) -> Iterator[Scored]:
    """Of each line the strongest alternative that has enough evidence and is preferred in between.

    One bug has several cures: in `width * width` either operand may be replaced. A reader needs one of them.
    """
    n_lines = len({candidate.line for candidate in task.candidates})
    lines: dict[int, list[Scored]] = {}
    for candidate, score in scores_of(task, task.candidates, ask):
        nats = nats_of(score)
        if nats >= thresholds.needed_nats(candidate.family, n_lines):
            lines.setdefault(candidate.line, []).append((candidate, nats))
    for line in sorted(lines):
        found = first_preferred(task, by_strength(lines[line], thresholds, n_lines)[:MOST_TRIES], ask)
        if found is not None:
            yield found


def by_strength(found: Iterable[Scored], thresholds: Thresholds, n_lines: int) -> list[Scored]:
    """The strongest first, by what each family needs; the model's order of equals may differ from run to run."""

    def key(each: Scored) -> tuple[float, int, int, str]:
        candidate, nats = each
        edit = candidate.edit
        return -thresholds.strength_of(candidate.family, nats, n_lines), edit.start, edit.end, edit.replacement

    return sorted(found, key=key)


def first_preferred(task: Task, found: Iterable[Scored], ask: Ask) -> Scored | None:
    """The first that is preferred to what is written with both sides in view, too."""
    return next((each for each in found if is_preferred_between(task, each[0], ask)), None)
