"""How a file is indented, and a model's text indented the same way.

A model takes the indentation of most code, four blanks or two, for granted; a file with tabs or another width gets its
own back. Columns count a tab as `TAB_COLUMNS`, so that texts of both kinds can be compared.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import gcd

__all__ = ["TAB_COLUMNS", "Indentation", "blanks_of", "columns_of", "indentation_of"]

TAB_COLUMNS = 4
_CHARACTERS_NEAR = 8_000
_WIDTHS = (2, 3, 4, 8)


@dataclass(frozen=True)
class Indentation:
    """One level of a file's indentation: a tab, or `width` blanks. `is_known` where the file showed one."""

    tabs: bool = False
    width: int = 4
    is_known: bool = False

    @property
    def unit(self) -> str:
        """One level, as text."""
        return "\t" if self.tabs else " " * self.width


def blanks_of(line: str) -> str:
    """The blanks and tabs that a line begins with."""
    return line[: len(line) - len(line.lstrip(" \t"))]


def columns_of(line: str) -> int:
    """How far a line is indented."""
    return len(blanks_of(line).expandtabs(TAB_COLUMNS))


def indentation_of(text: str, offset: int) -> Indentation:
    """How the part of a document around `offset` is indented: by what its lines are deeper than those above them."""
    deeper: Counter[int] = Counter()
    tabs = blanks = 0
    above = 0
    for line in text[max(0, offset - _CHARACTERS_NEAR) : offset + _CHARACTERS_NEAR].split("\n"):
        if not line.strip():
            continue
        indent = blanks_of(line)
        if "\t" in indent:
            tabs += 1
        elif indent:
            blanks += 1
            if len(indent) > above:
                deeper[len(indent) - above] += 1
        above = len(indent)
    if tabs > blanks:
        return Indentation(tabs=True, is_known=True)
    width = max(_WIDTHS, key=lambda width: (deeper[width], width == TAB_COLUMNS))
    return Indentation(width=width, is_known=True) if deeper[width] else Indentation()


def reindented(lines: list[str], before: str, indentation: Indentation) -> list[str]:
    """A model's `lines` in the file's own indentation; the first one stands behind `before` in the cursor's line.

    Only whole levels are converted: what is aligned with something above it keeps its blanks.
    """
    if not indentation.is_known or len(lines) < 2:
        return lines
    indents = [blanks_of(line) for line in lines[1:] if line.strip()]
    if indentation.tabs:
        return lines if not any(" " in indent for indent in indents) else _with_tabs(lines, indents)
    if any("\t" in indent for indent in indents):
        return [lines[0], *(_replaced(line, "\t", indentation.unit) for line in lines[1:])]
    return _with_width(lines, before, indentation.width)


def _replaced(line: str, old: str, new: str) -> str:
    indent = blanks_of(line)
    return indent.replace(old, new) + line[len(indent) :]


def _with_tabs(lines: list[str], indents: list[str]) -> list[str]:
    unit = gcd(*(len(indent.expandtabs(TAB_COLUMNS)) for indent in indents))
    width = 4 if unit % 4 == 0 else 2 if unit % 2 == 0 else 0
    if not width:  # aligned with something
        width = TAB_COLUMNS
    converted = [lines[0]]
    for line in lines[1:]:
        levels, rest = divmod(columns_of(line), width)
        converted.append("\t" * levels + " " * rest + line.lstrip(" \t") if line.strip() else line)
    return converted


def _with_width(lines: list[str], before: str, width: int) -> list[str]:
    """The body of a block that the first line opens, by `width` deeper than it."""
    base = len(blanks_of(before + lines[0]))
    if not (before + lines[0]).rstrip().endswith((":", "{")):
        return lines
    indents = [len(blanks_of(line)) for line in lines[1:] if line.strip()]
    step = indents[0] - base if indents else 0
    if step not in _WIDTHS or step == width or any((indent - base) % step for indent in indents):
        return lines
    return [lines[0], *(_scaled(line, base, step, width) for line in lines[1:])]


def _scaled(line: str, base: int, step: int, width: int) -> str:
    if not line.strip():
        return line
    levels = (len(blanks_of(line)) - base) // step
    return " " * max(0, base + levels * width) + line.lstrip(" \t")
