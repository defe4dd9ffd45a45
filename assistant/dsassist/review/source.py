"""A text and its syntax tree, with one conversion between the tree's bytes and our code points."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

from dsassist.review.grammars import GRAMMARS, Grammar
from dsassist.syntax.languages import grammar
from dsassist.syntax.parsing import parse_bytes

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from tree_sitter import Node, Tree

__all__ = ["Source", "is_deeper", "walk"]


class Source:
    """A text that is parsed when first needed; its lines end at line feeds only, as git counts them.

    `language` is `syntax.languages`' name.
    """

    def __init__(self, text: str, language: str = "python") -> None:
        self.text = text
        self.language = language
        self.data = text.encode("utf-8")

    @cached_property
    def tree(self) -> Tree:
        """The syntax tree, which may hold errors; `ValueError` where the language's grammar is not installed."""
        tree = parse_bytes(self.language, self.data)
        if tree is None:
            raise ValueError(f"there is no grammar of {self.language}")
        return tree

    def tree_as(self, language: str | None) -> Tree | None:
        """The text's tree in a language, which is parsed anew only in another one; None without a grammar for it."""
        if language is None:
            return None
        if language == self.language and grammar(language) is not None:
            return self.tree
        return parse_bytes(language, self.data)

    @property
    def grammar(self) -> Grammar:
        """How the tree names things; `KeyError` for a language that is not reviewed."""
        return GRAMMARS[self.language]

    @cached_property
    def _line_bytes(self) -> list[int]:
        return [0, *(i + 1 for i, byte in enumerate(self.data) if byte == 0x0A)]

    @cached_property
    def _line_offsets(self) -> list[int]:
        return [0, *(i + 1 for i, character in enumerate(self.text) if character == "\n")]

    def offset(self, byte: int) -> int:
        """The code point at which `byte`, a character's first, stands."""
        if len(self.data) == len(self.text):
            return byte
        line = bisect_right(self._line_bytes, byte) - 1
        return self._line_offsets[line] + len(self.data[self._line_bytes[line] : byte].decode("utf-8"))

    def byte(self, offset: int) -> int:
        """The byte at which a code point stands; the inverse of `offset`."""
        if len(self.data) == len(self.text):
            return offset
        line = bisect_right(self._line_offsets, offset) - 1
        return self._line_bytes[line] + len(self.text[self._line_offsets[line] : offset].encode("utf-8"))

    def position(self, offset: int) -> tuple[int, int]:
        """Line and column of a code point, both from 1, the column in code points."""
        line = bisect_right(self._line_offsets, offset)
        return line, offset - self._line_offsets[line - 1] + 1

    def line_start(self, line: int) -> int:
        """Where a line, counted from 1, begins in `text`."""
        return self._line_offsets[line - 1]

    def line_text(self, line: int) -> str:
        """A line without its end."""
        start = self._line_offsets[line - 1]
        end = self.text.find("\n", start)
        return self.text[start : len(self.text) if end < 0 else end].rstrip("\r")

    def span(self, node: Node) -> tuple[int, int]:
        """Where a node begins and ends in `text`."""
        return self.offset(node.start_byte), self.offset(node.end_byte)

    def node_text(self, node: Node) -> str:
        """What is written at a node."""
        return self.data[node.start_byte : node.end_byte].decode("utf-8")


def walk(node: Node, but: Collection[str] = ()) -> Iterator[Node]:
    """A node and all below it, in the order of the text; nodes of the types in `but` are left out with all of theirs.

    Never a function that calls itself for each node: a sum of a thousand terms is a tree of a thousand levels.
    """
    pending = [node]
    while pending:
        current = pending.pop()
        if current.type not in but:
            yield current
            pending.extend(reversed(current.children))


def is_deeper(node: Node, limit: int) -> bool:
    """Whether there are more than so many levels below a node."""
    level = [node]
    for _ in range(limit + 1):
        level = [child for parent in level for child in parent.children]
        if not level:
            return False
    return True
