"""What a change did to a file: its hunks, and which single words it put in the place of others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache

__all__ = ["Hunk", "hunks", "line_after", "replaced_words", "tokens_of"]

_TOKEN = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Hunk:
    """Lines `old` that gave way to lines `new`; the first of each stands on line `old_line` or `new_line`, from 1."""

    old_line: int
    old: tuple[str, ...]
    new_line: int
    new: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[int, str, str]]:
        """Lines that stand for each other, where there are as many of both: the new one's number, old and new."""
        if len(self.old) == len(self.new):
            for row, (old, new) in enumerate(zip(self.old, self.new, strict=True)):
                yield self.new_line + row, old, new


@lru_cache(maxsize=64)  # more than one pass asks, each for all files of a change
def hunks(old: str, new: str) -> tuple[Hunk, ...]:
    """The hunks between two texts, in their order and without context."""
    before, after = _lines(old), _lines(new)
    shorter = min(len(before), len(after))
    head = next((i for i in range(shorter) if before[i] != after[i]), shorter)
    shorter -= head
    tail = next((i for i in range(shorter) if before[-1 - i] != after[-1 - i]), shorter)
    middle = SequenceMatcher(None, before[head : len(before) - tail], after[head : len(after) - tail], autojunk=False)
    return tuple(
        Hunk(
            head + start_old + 1,
            tuple(before[head + start_old : head + end_old]),
            head + start_new + 1,
            tuple(after[head + start_new : head + end_new]),
        )
        for operation, start_old, end_old, start_new, end_new in middle.get_opcodes()
        if operation != "equal"
    )


def line_after(found: Sequence[Hunk], line: int) -> int:
    """Where a line of the old text stands in the new one, or would stand."""
    moved = 0
    for hunk in found:
        if hunk.old_line > line:
            break
        if line < hunk.old_line + len(hunk.old):
            return max(1, hunk.new_line + min(line - hunk.old_line, max(len(hunk.new) - 1, 0)))
        moved = hunk.new_line + len(hunk.new) - hunk.old_line - len(hunk.old)
    return line + moved


def tokens_of(line: str) -> list[str]:
    """Words and marks of a line, without the blanks between them."""
    return _TOKEN.findall(line)


def replaced_words(found: Sequence[Hunk]) -> Counter[tuple[str, str]]:
    """How often a word gave way to another in lines that are else the same."""
    counted: Counter[tuple[str, str]] = Counter()
    for hunk in found:
        for _, old, new in hunk.pairs():
            before, after = tokens_of(old), tokens_of(new)
            if len(before) == len(after):
                counted.update(
                    {
                        (a, b)
                        for a, b in zip(before, after, strict=True)
                        if a != b and a.isidentifier() and b.isidentifier()
                    }
                )
    return counted


def _lines(text: str) -> list[str]:
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines[:-1] if lines[-1] == "" else lines
