"""Which lines of a text are new, counted as git counts: a line ends at a line feed and nowhere else."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import pairwise

__all__ = ["changed_lines"]

_MOST_PAIRS = 250_000
"""Of more pairs of lines, `SequenceMatcher` takes seconds where every other line differs: its time is their number."""


def changed_lines(old: bytes, new: bytes) -> frozenset[int]:
    """The lines of `new`, counted from 1, that `old` does not have; a change of line ends alone is none.

    Lines that were only taken away leave no line to report on.
    """
    before, after = _comparable(old), _comparable(new)
    changed: set[int] = set()
    pending = [(0, len(before), 0, len(after))]
    while pending:
        old_start, old_end, start, end = _trimmed(before, after, pending.pop())
        if (old_end - old_start) * (end - start) <= _MOST_PAIRS:
            changed.update(start + line for line in _new_in(before[old_start:old_end], after[start:end]))
        elif anchors := _anchors(before[old_start:old_end], after[start:end]):
            bounds = [(-1, -1), *anchors, (old_end - old_start, end - start)]
            pending += [
                (old_start + left_old + 1, old_start + right_old, start + left + 1, start + right)
                for (left_old, left), (right_old, right) in pairwise(bounds)
            ]
        else:  # thousands of lines, each of which repeats or is new
            known = frozenset(before[old_start:old_end])
            changed.update(line for line in range(start, end) if after[line] not in known)
    return frozenset(line + 1 for line in changed)


def _comparable(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return [line.removesuffix(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]


def _trimmed(
    before: Sequence[bytes], after: Sequence[bytes], region: tuple[int, int, int, int]
) -> tuple[int, int, int, int]:
    """A region of both texts without the lines that are the same at its start and at its end."""
    old_start, old_end, start, end = region
    while old_start < old_end and start < end and before[old_start] == after[start]:
        old_start, start = old_start + 1, start + 1
    while old_start < old_end and start < end and before[old_end - 1] == after[end - 1]:
        old_end, end = old_end - 1, end - 1
    return old_start, old_end, start, end


def _new_in(before: Sequence[bytes], after: Sequence[bytes]) -> Iterator[int]:
    for operation, _, _, start, end in SequenceMatcher(None, before, after).get_opcodes():
        if operation in ("replace", "insert"):
            yield from range(start, end)


def _anchors(before: Sequence[bytes], after: Sequence[bytes]) -> list[tuple[int, int]]:
    """Places of lines that stand once in either text, as many as are in the same order in both (patience diff)."""
    counted, counted_before = Counter(after), Counter(before)
    place_of = {line: place for place, line in enumerate(before) if counted_before[line] == 1}
    pairs = [(place_of[line], place) for place, line in enumerate(after) if counted[line] == 1 and line in place_of]
    # The longest rising sequence: on each pile the lowest place that a sequence of its length ends with.
    piles: list[int] = []
    tops: list[int] = []
    previous: list[int | None] = []
    for number, (old_place, _) in enumerate(pairs):
        pile = bisect_left(piles, old_place)
        piles[pile : pile + 1] = [old_place]
        tops[pile : pile + 1] = [number]
        previous.append(tops[pile - 1] if pile else None)
    chain: list[tuple[int, int]] = []
    at = tops[-1] if tops else None
    while at is not None:
        chain.append(pairs[at])
        at = previous[at]
    return chain[::-1]
