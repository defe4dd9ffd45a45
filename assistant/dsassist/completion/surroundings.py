"""What of the text around the cursor decides how far a completion may go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dsassist.completion.blocks import opens_block
from dsassist.completion.brackets import CLOSERS, Brackets, bracket_depth
from dsassist.completion.indentation import columns_of
from dsassist.completion.prose import has_opening_of_answer

if TYPE_CHECKING:
    from dsassist.completion.place import Place
    from dsassist.completion.role import Role

__all__ = ["Surroundings", "closes_unopened", "look_around"]

_LINES_NEAR = 8  # further away an equal line is another place, not a repetition
_LINES_OF_STATEMENT = 20
_LINES_OF_DOCSTRING = 60
# What decides is near; and it is looked at with each token, so a minified file must not make that slow.
_CHARACTERS_NEAR = 20_000
_CHARACTERS_OF_LINE = 1_000
_COMMENTS = ("#", "//", "--", "/*", "*")


@dataclass(frozen=True)
class Surroundings:
    """The text around the cursor, as far as it matters; lines are whole, their indentation included.

    A block is due where the line above opens one. `block_indent` is then the column that the completion must stay
    deeper than, and `paragraph` says that it ends at a blank line (below a comment nothing else marks the end).
    """

    language: str | None
    role: Role
    line_before: str  # of the cursor's line
    line_after: str
    above: tuple[str, ...]  # the last lines with text before the cursor's line, the nearest last
    below: tuple[str, ...]  # the next lines with text
    block_indent: int | None = None
    paragraph: bool = False
    quotes_answers: bool = False  # words stand there that an assistant's answer begins with

    @property
    def mid_line(self) -> bool:
        """Does code other than closing brackets stand right of the cursor?"""
        return bool(self.line_after.strip(CLOSERS + " \t:,;\"'`>"))

    @property
    def at_empty_line(self) -> bool:
        """Has nothing been typed in the cursor's line?"""
        return not self.line_before.strip()

    @property
    def in_prose(self) -> bool:
        """Is this the inside of a comment or docstring, where brackets and blocks mean nothing?"""
        return self.role in ("comment", "docstring")

    def has_block(self, opener: str) -> bool:
        """Does what stands below the cursor belong to the block that `opener` opens?"""
        return bool(self.below) and columns_of(self.below[0]) > columns_of(opener)


def look_around(place: Place, role: Role, *, multiline: bool = True) -> Surroundings:
    """The surroundings of a cursor; without `multiline` no block is due anywhere."""
    before = place.text[max(0, place.line_start - _CHARACTERS_NEAR) : place.line_start].replace("\r\n", "\n")
    after = place.text[place.line_end : place.line_end + _CHARACTERS_NEAR].replace("\r\n", "\n")
    lines = [line for line in before.split("\n") if line.strip()]
    below = [line for line in after.split("\n")[1:] if line.strip()]
    here = Surroundings(
        place.language,
        role,
        place.line_before[-_CHARACTERS_OF_LINE:],
        place.line_after[:_CHARACTERS_OF_LINE],
        above=tuple(lines[-_LINES_NEAR:]),
        below=tuple(below[:_LINES_NEAR]),
        quotes_answers=place.language is None and has_opening_of_answer(before + place.line_before + after),
    )
    if not multiline or here.mid_line or role not in ("code", "docstring"):
        return here
    if role == "docstring":
        return replace(here, paragraph=True)
    if not here.at_empty_line:
        lines.append(here.line_before)
    block_indent, paragraph = _due_block(lines, here)
    typed = columns_of(here.line_before)
    if here.at_empty_line and here.line_before and block_indent is not None and typed <= block_indent:
        return here  # the person has left the block already
    return replace(here, block_indent=block_indent, paragraph=paragraph)


def closes_unopened(place: Place, text: str) -> bool:
    """Does `text` at the cursor close a bracket that is not open there, the lines above looked at too?"""
    brackets = Brackets(place.language)
    brackets.feed(place.text[max(0, place.offset - _CHARACTERS_NEAR) : place.offset].replace("\r\n", "\n"))
    return any(brackets.step(character) in ("surplus", "wrong") for character in text)


def _due_block(lines: list[str], here: Surroundings) -> tuple[int | None, bool]:
    """The column that a block below these lines must exceed, and whether a blank line ends it."""
    if not lines:
        return None, False
    last = lines[-1]
    is_comment = last.lstrip().startswith(_COMMENTS)
    if opens_block(last, here.language) and not is_comment:
        start = _start_of_statement(lines, here.language)
        return (None if here.has_block(start) and not here.at_empty_line else columns_of(start)), False
    if not here.at_empty_line:
        return None, False
    if here.language in ("python", None) and (definition := _documented(lines, here.language)) is not None:
        return columns_of(definition), False
    if is_comment:
        return columns_of(last) - (2 if last.lstrip().startswith("*") else 1), True  # ` */` is one column deeper
    return None, False


def _start_of_statement(lines: list[str], language: str | None) -> str:
    """The first line of the statement that the last line ends: a signature may span several."""
    first = max(0, len(lines) - _LINES_OF_STATEMENT)
    for i in range(len(lines) - 1, first - 1, -1):
        if bracket_depth("\n".join(lines[i:]), language) >= 0:
            return lines[i]
    return lines[-1]


def _documented(lines: list[str], language: str | None) -> str | None:
    """The `def` or `class` line whose docstring the last line ends, or None."""
    mark = lines[-1].rstrip()[-3:]
    if mark not in ('"""', "'''"):
        return None
    one_line = lines[-1].lstrip().startswith(mark) and len(lines[-1].strip()) > 3 and lines[-1].count(mark) == 2
    for i in range(len(lines) - 1 - (not one_line), max(-1, len(lines) - _LINES_OF_DOCSTRING), -1):
        if lines[i].lstrip(" \trRbBfFuU").startswith(mark):
            opener = lines[i - 1] if i else ""
            return _start_of_statement(lines[:i], language) if opener.rstrip().endswith(":") else None
    return None
