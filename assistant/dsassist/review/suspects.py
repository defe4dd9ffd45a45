"""The alternatives of a function that count: those for which both measures give enough evidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from dsassist.review.agreement import agreed_nats
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import Ask, nats_of, scores_of

__all__ = ["MOST_TRIES", "Scored", "by_strength", "suspects_of"]

MOST_TRIES = 2
"""On one line: whoever is refused twice there is seldom right the third time."""

Scored = tuple[Candidate, float]
"""An alternative with its evidence in nats."""


def suspects_of(task: Task, ask: Ask, thresholds: Thresholds) -> Iterator[Scored]:
    """Of each line the strongest alternative by the first measure that has enough evidence by both.

    One bug has several cures: in `width * width` either operand may be replaced. A reader needs one of them.
    """
    n_lines = len({candidate.line for candidate in task.candidates})
    lines: dict[int, list[Scored]] = {}
    for candidate, score in scores_of(task, task.candidates, ask):
        nats = nats_of(score)
        if nats >= thresholds.needed_nats(candidate.family, n_lines):
            lines.setdefault(candidate.line, []).append((candidate, nats))
    for line in sorted(lines):
        for candidate, nats in by_strength(lines[line], thresholds, n_lines)[:MOST_TRIES]:
            agreed = agreed_nats(task, candidate, nats, ask)
            if agreed >= thresholds.needed_nats(candidate.family, n_lines):
                yield candidate, agreed
                break


def by_strength(found: Iterable[Scored], thresholds: Thresholds, n_lines: int) -> list[Scored]:
    """The strongest first, by what each family needs; the model's order of equals may differ from run to run."""

    def key(each: Scored) -> tuple[float, int, int, str]:
        candidate, nats = each
        edit = candidate.edit
        return -thresholds.strength_of(candidate.family, nats, n_lines), edit.start, edit.end, edit.replacement

    return sorted(found, key=key)
