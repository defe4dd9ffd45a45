"""Where ranges of a text are after it was edited.

The edits are read off the texts before and after: what an editor says of its edits may come out of order, and a
formatter that replaces the whole document says nothing of what it left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from dsassist.common_length import common_length

__all__ = ["Range", "moved", "smallest_edit"]

Range = tuple[int, int]  # start and end, in code points

# Beyond this, lines are only compared with those at the same place: time and memory grow with the square, to 20 ms and
# 3 MB here.
_COMPARED_LINES_LIMIT = 5000


@dataclass(frozen=True)
class _Edit:
    """`before[start:end]` became a text of `length` characters."""

    start: int
    end: int
    length: int


def moved(ranges: Sequence[Range], before: str, after: str) -> list[Range]:
    """The ranges of `before` in `after`."""
    places = list(ranges)
    for edit in _edits(before, after, ranges):
        places = [_after(start, end, edit) for start, end in places]
    return places


def smallest_edit(before: str, after: str) -> tuple[int, int, str]:
    """The one edit that makes `after` of `before`: `before[start:end]` is replaced by the text."""
    start = common_length(before, after)
    left = min(len(before), len(after)) - start
    tail = common_length(before[::-1][:left], after[::-1][:left])
    return start, len(before) - tail, after[start : len(after) - tail]


def _edits(before: str, after: str, ranges: Sequence[Range]) -> list[_Edit]:
    """The edits between two texts, from the last to the first, so that none shifts those that follow."""
    start, end, inserted = smallest_edit(before, after)
    old, new = before[start:end].splitlines(keepends=True), inserted.splitlines(keepends=True)
    if min(len(old), len(new)) < 2:
        return [_Edit(start, end, len(inserted))]
    places = [start]
    for line in old:
        places.append(places[-1] + len(line))
    found = []
    for tag, a, b, c, d in _line_steps(old, new):
        if tag == "replace" and b - a == d - c:  # line for line, as a formatter or a renaming does
            lines = zip(places[a:b], old[a:b], new[c:d], strict=True)
            found += [_line_edit(place, was, is_, ranges) for place, was, is_ in lines if was != is_]
        elif tag != "equal":
            found.append(_Edit(places[a], places[b], sum(map(len, new[c:d]))))
    return found[::-1]


def _line_steps(old: list[str], new: list[str]) -> Iterator[tuple[str, int, int, int, int]]:
    """How one list of lines becomes the other: a tag, a part of `old`, and the part of `new` in its place."""
    if max(len(old), len(new)) > _COMPARED_LINES_LIMIT:
        return iter([("replace", 0, len(old), 0, len(new))])
    # Not difflib: it takes 20 seconds for 1000 lines that are mostly alike.
    from rapidfuzz.distance import Levenshtein

    steps = Levenshtein.opcodes(old, new)
    return ((step.tag, step.src_start, step.src_end, step.dest_start, step.dest_end) for step in steps)


def _line_edit(place: int, old: str, new: str, ranges: Sequence[Range]) -> _Edit:
    """The edit of a line; narrowed down only where it touches a range, as there may be many thousand."""
    if not any(start < place + len(old) and place < end for start, end in ranges):
        return _Edit(place, place + len(old), len(new))
    start, end, inserted = smallest_edit(old, new)
    return _Edit(place + start, place + end, len(inserted))


def _after(start: int, end: int, edit: _Edit) -> Range:
    """Where a range is after an edit; what replaces a part of it belongs to it, what is typed at its ends does not."""
    shift = edit.length - (edit.end - edit.start)
    if edit.end <= start:
        return start + shift, end + shift
    if edit.start >= end:
        return start, end
    return min(start, edit.start), max(end, edit.end) + shift
