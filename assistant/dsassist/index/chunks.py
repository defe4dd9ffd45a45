"""Pieces of a file of about twenty lines, cut where a definition starts or a line is blank."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

__all__ = ["Chunk", "chunks_of"]

_LEAST, _WANTED, _MOST = 10, 20, 30  # lines


class Chunk(NamedTuple):
    """Lines of a file, from 1; the end is inside."""

    start_line: int
    end_line: int


def chunks_of(lines: Sequence[str], definition_lines: Collection[int] = ()) -> list[Chunk]:
    """Cut a file's lines; `definition_lines` (from 1) are where its symbols start. Blank pieces are left out."""
    starts = frozenset(definition_lines)
    found, start = [], 0
    while start < len(lines):
        end = len(lines) if len(lines) - start <= _MOST else _cut(lines, start, starts)
        first, last = start, end
        while first < last and not lines[first].strip():
            first += 1
        while first < last and not lines[last - 1].strip():
            last -= 1
        if first < last:
            found.append(Chunk(first + 1, last))
        start = end
    return found


def _cut(lines: Sequence[str], start: int, definition_lines: frozenset[int]) -> int:
    """The index of the next chunk's first line: the best place that is near enough to the wanted length."""

    def cost(at: int) -> int:
        distance = abs(at - start - _WANTED)
        if not lines[at - 1].strip():
            return distance - (10 if at + 1 in definition_lines else 5) + _indent_cost(lines[at])
        return distance + (0 if at + 1 in definition_lines else 12)

    return min(range(start + _LEAST, start + _MOST), key=cost)


def _indent_cost(line: str) -> int:
    return min(4, (len(line) - len(line.lstrip(" \t"))) // 4)
