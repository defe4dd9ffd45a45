"""In which order functions are reviewed, so that a deadline cuts what matters least.

Tests come last and what was only moved goes before them. Of the others those are first that have the most changed
lines with an alternative of the families that found real bugs most often, and then those that changed most.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.review.changes import ChangedFile

if TYPE_CHECKING:
    from dsassist.review.likelihood.site import Family
    from dsassist.review.likelihood.tasks import Task

__all__ = ["OldLines", "Risk", "risk_of"]

_STRONG: frozenset[Family] = frozenset({"name", "attribute", "comparison", "missing-await"})
"""Preferred in most of the real fixes that were looked at."""

_SPEAKING = 10
"""Characters of a line that says something about where it comes from: `else:` stands everywhere."""

_MOVED_SHARE = 0.5


@dataclass(frozen=True, order=True)
class Risk:
    """A sort key, the riskiest first; counts are negative for that."""

    is_test: bool
    is_moved: bool
    strong_lines: int
    changed_lines: int
    place: tuple[int, int]
    """The number of the file and the line, which break all ties."""


class OldLines:
    """The lines of the changed files as they were, by which it is known what was only moved."""

    def __init__(self, files: Iterable[ChangedFile]) -> None:
        self._lines = {line for file in files if file.old is not None for line in _speaking(file.old.split("\n"))}

    def are_most_of(self, lines: Sequence[str]) -> bool:
        """Whether more than half of the lines that say something stood in these files before."""
        speaking = list(_speaking(lines))
        return sum(line in self._lines for line in speaking) > _MOVED_SHARE * len(speaking)


def risk_of(task: Task, old: OldLines, file_number: int, *, with_candidates: bool) -> Risk:
    """How much a function is worth the time. Without its alternatives, which take time to find, it has none."""
    from dsassist.review.passes.paths import is_test_path  # brings all passes; of files that are known, none runs

    changed = changed_lines_of(task)
    lines = [task.function.source.line_text(line) for line in changed]
    strong: set[int] = set()
    if with_candidates:
        strong = {candidate.line for candidate in task.candidates if candidate.family in _STRONG}
    return Risk(
        is_test_path(task.path),
        old.are_most_of(lines),
        -len(strong),
        -len(changed),
        (file_number, task.function.line),
    )


def changed_lines_of(task: Task) -> list[int]:
    """The changed lines of a function, from the top."""
    first = task.function.line
    return [line for line in range(first, first + task.function.text.count("\n") + 1) if line in task.lines]


def _speaking(lines: Iterable[str]) -> Iterator[str]:
    return (stripped for line in lines if len(stripped := line.strip()) >= _SPEAKING)
