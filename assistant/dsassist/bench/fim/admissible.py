"""Which files and which of their lines are code that a person wrote, so that writing it anew is a fair question.

Left out are generated, vendored and minified files, files with a syntax error, and in them comments, docstrings and
lines with too little in them; of imports one in ten is kept, since they are seldom written by hand.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from random import Random
from typing import TYPE_CHECKING

from dsassist.syntax.languages import language_of
from dsassist.syntax.parsing import encode, parse_bytes

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Source", "is_named_like_code", "parses", "read_source"]

_DATA = ("json", "yaml", "toml", "html", "css", "hcl")
_FOREIGN_FOLDERS = {"vendor", "vendored", "third_party", "third-party", "node_modules", "site-packages", ".venv"}
_MADE_FOLDERS = {
    "dist",
    "build",
    "generated",
    "gen",
    "__generated__",
    "__snapshots__",
    "snapshots",
    "testdata",
    "fixtures",
}
_GENERATED_NAME = re.compile(r"(_pb2(_grpc)?\.pyi?|\.pb\.go|_generated\.\w+|\.gen\.\w+|\.min\.js|\.d\.ts|_string\.go)$")
_GENERATED_MARK = re.compile(r"@generated|do not edit|code generated|auto-?generated", re.IGNORECASE)
_MARK_WITHIN = 600  # characters at the start of a file

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


def is_named_like_code(path: str) -> bool:
    """Does the path speak for hand-written code in a programming language?"""
    language = language_of(path)
    if language is None or language in _DATA:
        return False
    return not (
        (_FOREIGN_FOLDERS | _MADE_FOLDERS) & set(PurePosixPath(path).parts[:-1])
    ) and not _GENERATED_NAME.search(path)


def read_source(path: str, text: str, added: frozenset[int], draw: Random) -> Source | None:
    """The lines of `added` that may be cut out of a file, or None where the whole file is to be left out."""
    language = language_of(path)
    lines = text.split("\n")
    if language is None or not _LEAST_LINES <= len(lines) <= _MOST_LINES or max(map(len, lines)) > _LONGEST_LINE:
        return None
    if _GENERATED_MARK.search(text[:_MARK_WITHIN]) or not parses(language, text):
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


def parses(language: str, text: str) -> bool:
    """Has the whole file no syntax error? By Python's own compiler for Python, else by the language's grammar."""
    if language == "python":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            try:
                compile(text, "<file>", "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return False
        return True
    tree = parse_bytes(language, encode(text))
    return tree is not None and not tree.root_node.has_error


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
