"""Which files and which of their lines are code that a person wrote, so that writing it anew is a fair question.

Left out are generated, vendored and minified files, files with a syntax error, and in them comments, docstrings and
lines with too little in them; of imports one in ten is kept, since they are seldom written by hand.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from dsassist.bench.handwritten import is_generated, parses
from dsassist.syntax.languages import language_of
from dsassist.syntax.parsing import encode, parse_bytes

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Source", "read_source"]

_LEAST_LINES, _MOST_LINES = 12, 3000
_LONGEST_LINE = 200  # characters; longer ones are data
_LEAST_CHARACTERS, _LEAST_WORD_CHARACTERS = 6, 4
_LINES_ABOVE = 3
_IMPORTS_KEPT = 0.1

_IMPORT_NODES = ("import", "use_declaration", "package", "include", "mod_item", "extern_crate")


@dataclass(frozen=True)
class Source:
    """A file that may have holes. Rows count from 0; only `rows` may be cut out."""

    language: str
    text: str
    lines: tuple[str, ...]
    rows: frozenset[int]
    root: Node


def read_source(path: str, text: str, added: frozenset[int], draw: Random) -> Source | None:
    """The lines of `added` that may be cut out of a file, or None where the whole file is to be left out."""
    language = language_of(path)
    lines = text.split("\n")
    if language is None or not _LEAST_LINES <= len(lines) <= _MOST_LINES or max(map(len, lines)) > _LONGEST_LINE:
        return None
    if is_generated(text) or not parses(language, text):
        return None
    tree = parse_bytes(language, encode(text))
    if tree is None or tree.root_node.has_error:
        return None
    said, imports = frozenset(_rows_of_comments(tree.root_node)), frozenset(_rows_of_imports(tree.root_node))
    first = next((row for row, line in enumerate(lines) if line.strip()), 0) + _LINES_ABOVE
    rows = frozenset(
        row
        for row in sorted(added - said)
        if first <= row < len(lines)
        and _has_words(lines[row])
        and (row not in imports or draw.random() < _IMPORTS_KEPT)
    )
    return Source(language, text, tuple(lines), rows, tree.root_node) if rows else None


def _has_words(line: str) -> bool:
    code = line.strip()
    return len(code) >= _LEAST_CHARACTERS and sum(map(str.isalnum, code)) >= _LEAST_WORD_CHARACTERS


def _rows_of_comments(root: Node) -> Iterator[int]:
    """Lines with a comment, within a text of several lines, or with a text that stands for itself (a docstring)."""
    nodes = [root]
    while nodes:
        node = nodes.pop()
        start, end = node.start_point[0], node.end_point[0]
        is_text = "string" in node.type or "heredoc" in node.type
        is_docstring = node.type == "string" and node.parent is not None and node.parent.type == "expression_statement"
        if "comment" in node.type or is_docstring or (is_text and end > start):
            yield from range(start, end + 1)
        else:
            nodes += node.children


def _rows_of_imports(root: Node) -> Iterator[int]:
    """Lines of statements that import something, at the top of the file."""
    for node in root.children:
        if any(kind in node.type for kind in _IMPORT_NODES) and "body" not in node.type:
            yield from range(node.start_point[0], node.end_point[0] + 1)
