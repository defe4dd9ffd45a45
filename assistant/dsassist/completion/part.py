"""The part of a large document that a completion is judged by.

A parser reads a document anew from a bracket that is not closed yet to the end, and Python's grammar most of it at each
key: 0.1 to 0.6 s in a file of 66,000 lines, for which this whole process stands still, as the parser does not let go of
the interpreter. So in a large document only what is near the cursor is looked at, cut where a definition begins or
ends: at a line that is not indented and says so. Where there is no such line, or none is known for the language, the
whole document is. A line of that kind within a string of several lines misleads this.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import NamedTuple

from dsassist.completion.place import Place

__all__ = ["Part", "part_around"]

_LARGE = 200_000  # characters: up to that the document is its own part
_NEAR = 40_000  # at least so many in either direction
_SEARCHED = 40_000  # beyond which a place to cut at is looked for

_CLOSED = re.compile(r"\n[)\]}]+;?\r?\n")  # the next line begins something new
_ENDED = re.compile(r"\nend\r?\n")
_CUTS = {
    "python": re.compile(r"\n(?=(?:async def|def|class) |@\w)"),
    "ruby": _ENDED,
    "lua": _ENDED,
    "javascript": _CLOSED,
    "typescript": _CLOSED,
    "tsx": _CLOSED,
    "go": _CLOSED,
    "rust": _CLOSED,
    "java": _CLOSED,
    "c": _CLOSED,
    "cpp": _CLOSED,
    "c_sharp": _CLOSED,
    "kotlin": _CLOSED,
    "swift": _CLOSED,
    "scala": _CLOSED,
    "bash": _CLOSED,
    "zig": _CLOSED,
    "css": _CLOSED,
    "hcl": _CLOSED,
}


class Part(NamedTuple):
    """The same cursor in a part of its document, which begins at code point `start` of it."""

    place: Place
    start: int


def part_around(place: Place) -> Part:
    """What is to be parsed for the cursor's sake; the place itself where its document is not large."""
    cut = _CUTS.get(place.language or "")
    if len(place.text) <= _LARGE or cut is None:
        return Part(place, 0)
    start, end = _start(place, cut), _end(place, cut)
    if start is None or end is None:
        return Part(place, 0)
    return Part(replace(place, text=place.text[start:end], offset=place.offset - start), start)


def _start(place: Place, cut: re.Pattern[str]) -> int | None:
    last = place.offset - _NEAR
    first = last - _SEARCHED
    if first <= 0:
        return 0
    ends = [found.end() for found in cut.finditer(place.text, first, last)]
    return ends[-1] if ends else None


def _end(place: Place, cut: re.Pattern[str]) -> int | None:
    first = place.offset + _NEAR
    last = first + _SEARCHED
    if last >= len(place.text):
        return len(place.text)
    found = cut.search(place.text, first, last)
    return found.end() if found is not None else None
