"""Indentation that a person has just taken back: who presses Backspace on a blank line leaves the block.

A text that goes on in the block is then no answer, however likely: it was declined by that key.
"""

from __future__ import annotations

from dataclasses import dataclass

from dsassist.completion.indentation import columns_of
from dsassist.completion.place import Place

__all__ = ["Dedent", "is_deeper"]


@dataclass(frozen=True)
class Dedent:
    """The line that begins at code point `start` was blank when it lost indentation, down to `columns`."""

    start: int
    columns: int

    def holds(self, place: Place) -> bool:
        """Is the cursor still there, or below in blank lines, and no deeper?"""
        return (
            self.start <= place.line_start
            and not place.text[self.start : place.line_end].strip()
            and columns_of(place.line_before) <= self.columns
        )

    @classmethod
    def after(cls, last: Dedent | None, before: Place | None, place: Place | None) -> Dedent | None:
        """What holds once an edit has led from the cursor `before` to `place`, as far as they are known."""
        if place is None or _content(place).strip():
            return None
        if before is not None and before.line_start == place.line_start and not _content(before).strip():
            columns = columns_of(_content(place))
            if columns < columns_of(_content(before)):
                return cls(place.line_start, columns)
        return last if last is not None and last.holds(place) else None


def is_deeper(text: str, place: Place) -> bool:
    """Does the first line with anything in it, of a text that goes on at a blank line, stand deeper than the cursor?"""
    first, *others = text.split("\n")
    if first.strip():
        return first[0] in " \t"
    line = next((other for other in others if other.strip()), "")
    return columns_of(line) > columns_of(place.line_before)


def _content(place: Place) -> str:
    return place.line_before + place.line_after
