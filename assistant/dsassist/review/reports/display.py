"""Text that somebody else wrote, for a terminal: what cannot be seen is spelled out, and how wide the rest is.

Besides control characters that is what Unicode calls format characters: with them a line can be made to look other
than it is (CVE-2021-42574, "Trojan Source").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

__all__ = ["excerpt", "one_line", "spelled", "width"]

_TAB = 4
_HIDDEN = ("Cc", "Cf", "Zl", "Zp")
_NO_WIDTH = ("Mn", "Me")
_CUT = "…"


def one_line(text: str) -> str:
    """A text on one line. A name's bytes that are no UTF-8 stay as they are."""
    return "".join(_spelled(character) for character in text.replace("\t", " "))


def spelled(text: str) -> str:
    """A line of source text with its tabs expanded."""
    return "".join(shown for shown, _ in _cells(text))


def width(text: str) -> int:
    """The columns that a line of source text takes on a terminal, with its tabs expanded."""
    return sum(columns for _, columns in _cells(text))


def excerpt(line: str, start: int, end: int, columns: int) -> tuple[str, int, int]:
    """As much of a line as fits, with the characters from `start` to `end` in view.

    Returns the text, and where in it the mark below those characters begins and how wide it is.

    >>> excerpt("x = far(away)", 8, 12, 80)
    ('x = far(away)', 8, 4)
    >>> excerpt("x = far(away)", 8, 12, 9)
    ('…ar(away)', 4, 4)
    """
    cells = list(_cells(line))
    widths = [columns for _, columns in cells]
    start, end = min(start, len(cells)), min(end, len(cells))
    first, last = _window(widths, start, end, columns)
    before, after = _CUT * (first > 0), _CUT * (last < len(cells))
    shown = before + "".join(text for text, _ in cells[first:last]) + after
    return shown, len(before) + sum(widths[first:start]), max(sum(widths[start : min(end, last)]), 1)


def _window(widths: list[int], start: int, end: int, columns: int) -> tuple[int, int]:
    """Which characters are shown: from the beginning if the marked ones fit, else from a third of the room before."""
    if sum(widths) <= columns:
        return 0, len(widths)
    first = 0
    if sum(widths[:end]) > columns - 1:
        first, room = start, columns // 3
        while first > 0 and widths[first - 1] <= room:
            first -= 1
            room -= widths[first]
    last, room = first, columns - (first > 0)
    while last < len(widths) and widths[last] <= room - (last + 1 < len(widths)):
        room -= widths[last]
        last += 1
    return first, last


def _cells(text: str) -> Iterator[tuple[str, int]]:
    """Each character as it is shown, and its width."""
    at = 0
    for character in text:
        if character == "\t":
            shown = " " * (_TAB - at % _TAB)
            columns = len(shown)
        else:
            shown = _spelled(character)
            columns = len(shown) if shown != character else _width(character)
        at += columns
        yield shown, columns


def _spelled(character: str) -> str:
    if character.isascii() and character.isprintable():
        return character
    if character == "\n":
        return "\\n"
    if unicodedata.category(character) not in _HIDDEN:
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _width(character: str) -> int:
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in ("W", "F") else 1
