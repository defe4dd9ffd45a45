"""Lines that stand there already: below the cursor, above it, or in the text itself. Blanks do not tell lines apart."""

from __future__ import annotations

import re
from typing import NamedTuple

from dsassist.completion.blocks import is_closer
from dsassist.completion.indentation import columns_of
from dsassist.completion.surroundings import Surroundings

__all__ = ["Repetition", "runs_away"]

_LONG = 10  # characters without blanks; shorter lines (`else:`, `],`) may well stand twice
_SHORT = 4
_LOOP_LINES = 8
# Of a line below so much must have been written, and so large a part, to stop before its end.
_BEGUN = 16
_BEGUN_PART = 0.75

# One bit of text over and over: a short one five times, a longer one three times.
_REPEATED = re.compile(r"(\S.{0,11}?)\1{4,}$|(\S.{12,39}?)\2{2,}$")
_RUNAWAY = 20  # characters of it at least
_REPEATED_WITHIN = 200  # characters at the end of a line


def runs_away(line: str) -> bool:
    """Does the line end in one bit of text over and over? Rules of punctuation (`# ------`) are meant so."""
    found = _REPEATED.search(line[-_REPEATED_WITHIN:])
    if found is None or len(found.group()) < _RUNAWAY:
        return False
    return any(character.isalnum() or character in "()[]{}" for character in found.group())


class _Line(NamedTuple):
    """A line as it is compared: its indentation, and its text without blanks."""

    columns: int
    bare: str


class Repetition:
    """Tells of each finished line of a text, in turn, whether it repeats one that stands there already."""

    def __init__(self, around: Surroundings) -> None:
        self._typed = not around.at_empty_line
        self._behind = "".join(around.line_after.split())
        self._below = tuple(_line(line) for line in around.below)
        self._same_block = _same_block(self._below, columns_of(around.line_before))
        self._lines = [_line(line) for line in around.above]
        self._n_above = len(self._lines)
        self._seen: list[_Line] = []  # of the text's own lines those whose block still lasts

    def of(self, whole: str, *, closes_own: bool) -> str:
        """Why the line `whole` is not to be shown, or nothing; `closes_own`: it closes a bracket that the text opened.

        The text has this line from then on.
        """
        line = _line(whole)
        closer = is_closer(whole)
        reason = "" if closes_own and closer else self._repeated(line, closer=closer)
        self._seen = [seen for seen in self._seen if seen.columns <= line.columns]
        self._seen.append(line)
        self._lines.append(line)
        return reason

    def begins_below(self, line: str) -> bool:
        """Has so much of the next line below been written that the rest of it will follow?"""
        if not self._below or len(line) < _BEGUN:
            return False
        bare, below = "".join(line.split()), self._below[0].bare
        return len(bare) >= max(_BEGUN, _BEGUN_PART * len(below)) and below.startswith(bare)

    def _repeated(self, line: _Line, *, closer: bool) -> str:
        is_first = len(self._lines) == self._n_above
        forms = (line, _Line(line.columns, line.bare + self._behind)) if is_first and self._behind else (line,)
        if any(self._is_below(form, closer=closer) for form in forms):
            return "it repeats the line below"
        if closer:
            return ""
        if (
            self._lines
            and self._lines[-1] == line
            and len(line.bare) >= (_LONG if is_first and self._typed else _SHORT)
        ):
            return "it repeats the line above"
        if len(line.bare) >= _LONG and line in self._seen and not line.bare.startswith("@"):
            return "it repeats itself"
        return "it repeats the lines above" if self._loops(line) else ""

    def _is_below(self, line: _Line, *, closer: bool) -> bool:
        is_long = len(line.bare) >= _LONG and not closer
        if self._below and line.bare == self._below[0].bare and (is_long or line.columns == self._below[0].columns):
            return True
        # A decorator may well stand above each of several functions.
        return is_long and line in self._same_block and not line.bare.startswith("@")

    def _loops(self, line: _Line) -> bool:
        """Do the last lines, this one included, stand right above themselves?"""
        lines = [*self._lines, line]
        n_own = len(lines) - self._n_above
        for length in range(2, min(_LOOP_LINES, n_own, len(lines) // 2) + 1):
            period = lines[-length:]
            if period == lines[-2 * length : -length] and any(len(line.bare) >= _LONG for line in period):
                return True
        return False


def _line(text: str) -> _Line:
    return _Line(columns_of(text), "".join(text.split()))


def _same_block(below: tuple[_Line, ...], columns: int) -> tuple[_Line, ...]:
    """The lines before the first that is less deep than the cursor's, or closes something."""
    ends = (i for i, line in enumerate(below) if line.columns < columns or is_closer(line.bare))
    kept = next(ends, len(below))
    return below[:kept]
