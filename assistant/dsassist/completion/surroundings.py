"""What of the text around the cursor decides how far a completion may go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

__all__ = ["Surroundings", "bracket_depth", "indent_of", "look_around", "wrong_closer"]

_OPENERS, _CLOSERS = "([{", ")]}"
_COMMENTS = ("#", "//")
_LINES_BELOW = 8  # further down an equal line is another place, not a repetition
_LINES_OF_DOCSTRING = 60
# What decides is near; and it is looked at with each token, so a minified file must not make that slow.
_CHARACTERS_NEAR = 20_000
_CHARACTERS_OF_LINE = 1_000


@dataclass(frozen=True)
class Surroundings:
    """The text around the cursor, as far as it matters.

    A block is due where the line above opens one. `block_indent` is then the indentation that the completion must stay
    deeper than, and `paragraph` says that it ends at a blank line (below a comment nothing else marks the end).
    """

    line_before: str  # of the cursor's line
    line_after: str
    above: str  # the last line with text before the cursor's line, stripped
    below: tuple[str, ...]  # the next lines with text, stripped
    below_indent: int  # of the first of them; 0 when there is none
    block_indent: int | None = None
    paragraph: bool = False

    @property
    def mid_line(self) -> bool:
        """Does code other than closing brackets stand right of the cursor?"""
        return bool(self.line_after.strip(_CLOSERS + " \t\r:,;\"'"))


def look_around(before: str, after: str, *, multiline: bool = True) -> Surroundings:
    """The surroundings of a cursor between `before` and `after`; without `multiline` no block is due anywhere."""
    before, after = before[-_CHARACTERS_NEAR:], after[:_CHARACTERS_NEAR]
    line_start = before.rfind("\n") + 1
    line_before, line_after = before[line_start:][-_CHARACTERS_OF_LINE:], after.partition("\n")[0][:_CHARACTERS_OF_LINE]
    lines = [line for line in before[:line_start].splitlines() if line.strip()]
    after_lines = [line for line in after.partition("\n")[2].splitlines() if line.strip()][:_LINES_BELOW]
    here = Surroundings(
        line_before,
        line_after,
        above=lines[-1].strip() if lines else "",
        below=tuple(line.strip() for line in after_lines),
        below_indent=indent_of(after_lines[0]) if after_lines else 0,
    )
    if not multiline or here.mid_line:
        return here
    if line_before.strip():
        lines.append(line_before)
    block_indent, paragraph = _due_block(lines, at_line_start=not line_before.strip())
    return replace(here, block_indent=block_indent, paragraph=paragraph)


def indent_of(line: str) -> int:
    """The characters of a line's indentation."""
    return len(line) - len(line.lstrip(" \t"))


def bracket_depth(text: str) -> int:
    """Brackets that `text` opens minus those that it closes, outside strings and comments."""
    return sum(1 if bracket in _OPENERS else -1 for _, bracket in _brackets(text))


def wrong_closer(text: str) -> int | None:
    """Where `text` first closes a bracket of another kind than the one that it opened last, or None."""
    opened: list[str] = []
    for at, bracket in _brackets(text):
        if bracket in _OPENERS:
            opened.append(bracket)
        elif opened and _OPENERS.index(opened.pop()) != _CLOSERS.index(bracket):
            return at
    return None


def _brackets(text: str) -> Iterator[tuple[int, str]]:
    """The brackets outside strings and comments, with their places. A string ends with its line at the latest."""
    quote, skip, comment = "", False, False
    for at, character in enumerate(text):
        if character == "\n":
            quote, skip, comment = "", False, False
        elif comment or skip:
            skip = False
        elif quote:
            skip = character == "\\"
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#":
            comment = True
        elif character in _OPENERS or character in _CLOSERS:
            yield at, character


def _due_block(lines: list[str], *, at_line_start: bool) -> tuple[int | None, bool]:
    """The indentation that a block below these lines must exceed, and whether a blank line ends it."""
    if not lines:
        return None, False
    last = lines[-1]
    if last.rstrip().endswith((":", "{")) and not last.lstrip().startswith(_COMMENTS):
        return indent_of(_start_of_statement(lines)), False
    if at_line_start and (definition := _documented(lines)) is not None:
        return indent_of(definition), False
    if at_line_start and last.lstrip().startswith(_COMMENTS):
        return indent_of(last) - 1, True
    return None, False


def _start_of_statement(lines: list[str]) -> str:
    """The first line of the statement that the last line ends: a signature may span several."""
    for i in range(len(lines) - 1, max(-1, len(lines) - 20), -1):
        if bracket_depth("\n".join(lines[i:])) >= 0:
            return lines[i]
    return lines[-1]


def _documented(lines: list[str]) -> str | None:
    """The `def` or `class` line whose docstring the last line ends, or None."""
    mark = lines[-1].rstrip()[-3:]
    if mark not in ('"""', "'''"):
        return None
    one_line = lines[-1].lstrip().startswith(mark) and len(lines[-1].strip()) > 3 and lines[-1].count(mark) == 2
    for i in range(len(lines) - 1 - (not one_line), max(-1, len(lines) - _LINES_OF_DOCSTRING), -1):
        if lines[i].lstrip(" \trRbBfFuU").startswith(mark):
            opener = lines[i - 1] if i else ""
            return _start_of_statement(lines[:i]) if opener.rstrip().endswith(":") else None
    return None
