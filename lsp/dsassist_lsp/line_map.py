"""Where the lines of a text stand in a later state of it: what is shown at a line moves with it, and goes with it.

Edits are not followed, the two states are compared: so nothing depends on how an editor cuts a change into parts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

__all__ = ["LineMap"]

_MOST_PAIRS = 250_000
"""Of more pairs of lines `SequenceMatcher` takes too long for a key; then all lines between the ends have changed."""


class LineMap:
    """From the lines of `before` to those of `after`, both with or without their ends; lines count from 0."""

    def __init__(self, before: Sequence[str], after: Sequence[str]) -> None:
        most = min(len(before), len(after))
        self._head = next((line for line in range(most) if not _is_same(before[line], after[line])), most)
        tail = 0
        while tail < most - self._head and _is_same(before[-1 - tail], after[-1 - tail]):
            tail += 1
        self._tail = len(before) - tail
        self._by = len(after) - len(before)
        self._between = _between(before, after, self._head, tail)

    def moved(self, first: int, last: int) -> int | None:
        """By how much the lines from `first` to `last` have moved down together; None where one of them changed."""
        places = [self._at(line) for line in range(first, last + 1)]
        start = places[0]
        if start is None or places != list(range(start, start + len(places))):
            return None
        return start - first

    def _at(self, line: int) -> int | None:
        if line < self._head:
            return line
        if line >= self._tail:
            return line + self._by
        return self._between.get(line)


def _between(before: Sequence[str], after: Sequence[str], head: int, tail: int) -> Mapping[int, int]:
    old = [_content(line) for line in before[head : len(before) - tail]]
    new = [_content(line) for line in after[head : len(after) - tail]]
    if len(old) * len(new) > _MOST_PAIRS:
        return {}
    blocks = SequenceMatcher(None, old, new, autojunk=False).get_matching_blocks()
    return {head + start + i: head + other + i for start, other, size in blocks for i in range(size)}


def _is_same(one: str, other: str) -> bool:
    return one is other or one == other or _content(one) == _content(other)


def _content(line: str) -> str:
    return line.rstrip("\r\n")
