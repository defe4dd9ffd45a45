"""Where a file can be cut, kind by kind, so that what is left is a state in which a person would be typing.

A *line* hole is a whole line, the cursor behind the indentation that the editor has put there. A *block* is the body
under a header, or a run of lines up to a blank line or to the end of its block. A *mid-line* hole has the cursor within
a line, half of the time within a word, and on its right nothing, the brackets and quotes that an editor closes by
itself, or the rest of the expression.

Lines and blocks close what they open, and nothing deeper follows them: nobody writes the first line of a call, or of an
`if`, above a body that stands there already. Where the cut is made in the middle of a line that may be so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from dsassist.bench.fim.admissible import Source
from dsassist.bench.fim.hole import Kind

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Cut", "cuts"]

_PAIRS = {"(": ")", "[": "]", "{": "}"}
_HEADER_ENDS = (":", "{")
_LEAST_BLOCK_LINES, _MOST_BLOCK_LINES = 2, 10
_LEAST_LINE_CHARACTERS = 12  # of a line that is cut in its middle
_LEAST_REST_LETTERS = 2  # of what is to be written
_LONGEST_EXPRESSION = 60
_SHARE_WITHIN_WORD = 0.5
_WORD = re.compile(r"\w+")
_LISTS = ("argument", "parameter", "list", "array", "tuple", "operator", "binary", "comparison", "slice", "pair")


@dataclass(frozen=True)
class Cut:
    """Take `text[start:end]` of the file away. `row` is the cursor's line; the rest is as `Hole` has it."""

    kind: Kind
    variety: str
    row: int
    start: int
    end: int
    typed: bool = False


def cuts(source: Source, kind: Kind, draw: Random) -> list[Cut]:
    """All holes of a kind that the file offers; of each line one in its middle, wherever `draw` puts it."""
    found = {"line": _lines, "block": _blocks}[kind](source) if kind != "mid-line" else _mid_lines(source, draw)
    return list(found)


def _lines(source: Source) -> Iterator[Cut]:
    starts = _line_starts(source.lines)
    for row in sorted(source.rows):
        line = source.lines[row]
        if _closes_what_it_opens(line) and _indent(source.lines, _next_row(source.lines, row)) <= _indent_of(line):
            yield Cut("line", "line", row, starts[row] + _indent_of(line), starts[row] + len(line.rstrip()))


def _blocks(source: Source) -> Iterator[Cut]:
    starts, lines = _line_starts(source.lines), source.lines
    for row in sorted(source.rows):
        above = _previous_row(lines, row)
        if above is None or row - above > 1:
            continue
        indent, under_header = _indent_of(lines[row]), lines[above].rstrip().endswith(_HEADER_ENDS)
        if under_header and indent > _indent_of(lines[above]):
            variety, last = "body", _end_of_block(lines, row)
        elif indent and _indent_of(lines[above]) == indent and not under_header:
            variety, last = "run", _end_of_run(lines, row)
        else:
            continue
        rows = [i for i in range(row, last + 1) if lines[i].strip()]
        if not _LEAST_BLOCK_LINES <= len(rows) <= _MOST_BLOCK_LINES or not source.rows >= _worded(lines, rows):
            continue
        if _closes_what_it_opens("\n".join(lines[row : last + 1])):
            yield Cut("block", variety, row, starts[row] + indent, starts[last] + len(lines[last].rstrip()))


def _mid_lines(source: Source, draw: Random) -> Iterator[Cut]:
    starts, expressions = _line_starts(source.lines), _expressions(source)
    for row in sorted(source.rows):
        line = source.lines[row].rstrip()
        if len(line.strip()) < _LEAST_LINE_CHARACTERS:
            continue
        if cut := _with_nothing_right(line, draw):
            yield _mid_line("nothing", row, starts[row], cut, len(line), line)
        if found := _with_closers_right(line, draw):
            yield _mid_line("closers", row, starts[row], found[0], len(line) - found[1], line)
        if here := expressions.get(row):
            start, end = draw.choice(here)
            if draw.random() < _SHARE_WITHIN_WORD and (word := _WORD.match(line, start, end)) and len(word[0]) > 3:
                start = draw.randrange(start + 1, word.end())
            yield _mid_line("rest", row, starts[row], start, end, line)


def _mid_line(variety: str, row: int, line_start: int, start: int, end: int, line: str) -> Cut:
    within_word = line[start - 1].isalnum() and line[start].isalnum()
    return Cut("mid-line", variety, row, line_start + start, line_start + end, within_word)


def _with_nothing_right(line: str, draw: Random) -> int | None:
    """Where the line may be cut so that its whole rest is to be written."""
    return _draw_cut(line, _indent_of(line) + 2, len(line), draw)


def _with_closers_right(line: str, draw: Random) -> tuple[int, int] | None:
    """A cut that leaves just what an editor has closed by itself on the right, and how many characters those are."""
    places = []
    for at in range(_indent_of(line) + 1, len(line)):
        closers = _closers_at(line[:at])
        if closers and line.endswith(closers) and _letters(line[at : len(line) - len(closers)]) >= _LEAST_REST_LETTERS:
            places.append((at, len(closers)))
    within = [place for place in places if line[place[0] - 1].isalnum() and line[place[0]].isalnum()]
    between = [place for place in places if place not in within]
    wanted = within if draw.random() < _SHARE_WITHIN_WORD else between
    return draw.choice(wanted or places) if places else None


def _draw_cut(line: str, least: int, end: int, draw: Random) -> int | None:
    """A place in `line[least:end]` with enough to write behind it: within a word, or at a word's or sign's start."""
    places = [at for at in range(least, end) if _letters(line[at:end]) >= _LEAST_REST_LETTERS]
    within = [at for at in places if line[at - 1].isalnum() and line[at].isalnum()]
    between = [at for at in places if at not in within and not line[at].isspace()]
    wanted = within if draw.random() < _SHARE_WITHIN_WORD else between
    return draw.choice(wanted or places) if places else None


def _closers_at(typed: str) -> str:
    """What an editor that closes brackets and quotes has behind the cursor when `typed` stands before it."""
    opened: list[str] = []
    quote = ""
    escaped = False
    for character in typed:
        if quote:
            quote = "" if character == quote and not escaped else quote
            escaped = character == "\\" and not escaped
        elif character in "\"'`":
            quote = character
        elif character in _PAIRS:
            opened.append(_PAIRS[character])
        elif character in _PAIRS.values() and (not opened or opened.pop() != character):
            return ""
    return quote + "".join(reversed(opened))


def _expressions(source: Source) -> dict[int, list[tuple[int, int]]]:
    """By line, the parts of arguments, lists and comparisons that lie within it: columns in code points."""
    found: dict[int, list[tuple[int, int]]] = {}
    nodes: list[Node] = [source.root]
    while nodes:
        node = nodes.pop()
        nodes += node.children
        row = node.start_point[0]
        if row not in source.rows or row != node.end_point[0] or not node.is_named or node.parent is None:
            continue
        if not any(kind in node.parent.type for kind in _LISTS):
            continue
        line = source.lines[row]
        encoded = line.encode("utf-8")
        start = len(encoded[: node.start_point[1]].decode("utf-8"))
        end = len(encoded[: node.end_point[1]].decode("utf-8"))
        rest = line[end:].strip()
        is_new = start > _indent_of(line) and (start, end) not in found.get(row, [])
        if is_new and rest and end - start <= _LONGEST_EXPRESSION and _letters(line[start:end]) >= _LEAST_REST_LETTERS:
            found.setdefault(row, []).append((start, end))
    return {row: sorted(places) for row, places in found.items()}


def _end_of_block(lines: tuple[str, ...], first: int) -> int:
    """The last line that is indented at least as `first` is."""
    last = first
    for row in range(first, len(lines)):
        if lines[row].strip():
            if _indent_of(lines[row]) < _indent_of(lines[first]):
                break
            last = row
    return last


def _end_of_run(lines: tuple[str, ...], first: int) -> int:
    """The last line before the next blank one, or before the block's end."""
    end = _end_of_block(lines, first)
    return next((row - 1 for row in range(first, end + 1) if not lines[row].strip()), end)


def _worded(lines: tuple[str, ...], rows: list[int]) -> set[int]:
    """Those of the rows that are more than brackets and keywords of a letter or two."""
    return {row for row in rows if _letters(lines[row]) > _LEAST_REST_LETTERS and not _is_plain_keyword(lines[row])}


def _is_plain_keyword(line: str) -> bool:
    return line.strip(" \t{}();:") in ("else", "try", "finally", "pass", "break", "do", "then", "end", "nil", "true")


def _closes_what_it_opens(text: str) -> bool:
    """Is no bracket left open, and none closed that was opened before? Those in texts count too: it errs to caution."""
    depth = 0
    for character in text:
        depth += (character in _PAIRS) - (character in _PAIRS.values())
        if depth < 0:
            return False
    return depth == 0


def _letters(text: str) -> int:
    return sum(character.isalnum() for character in text)


def _line_starts(lines: tuple[str, ...]) -> list[int]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _indent_of(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))


def _indent(lines: tuple[str, ...], row: int | None) -> int:
    return _indent_of(lines[row]) if row is not None else 0


def _next_row(lines: tuple[str, ...], row: int) -> int | None:
    return next((i for i in range(row + 1, len(lines)) if lines[i].strip()), None)


def _previous_row(lines: tuple[str, ...], row: int) -> int | None:
    return next((i for i in range(row - 1, -1, -1) if lines[i].strip()), None)
