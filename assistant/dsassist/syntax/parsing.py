"""Text to syntax tree. Trees count in UTF-8 bytes; a lone surrogate, which UTF-8 has not, counts as one byte."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

from dsassist.common_length import common_length
from dsassist.syntax.languages import grammar

if TYPE_CHECKING:
    from tree_sitter import Tree

__all__ = ["count_errors", "encode", "parse", "parse_again", "parse_bytes", "parse_edited"]

_MOST_KEPT = 8  # trees of the documents that are worked on
_LEAST_KEPT_BYTES = 8_192  # below that a tree is made as fast as it is found


def encode(text: str) -> bytes:
    """The bytes that a tree of `text` counts in."""
    return text.encode("utf-8", errors="replace")


def parse(language: str, text: str) -> Tree | None:
    """The syntax tree of `text`, which may hold errors; None where the language's grammar is missing."""
    return parse_bytes(language, encode(text))


def parse_bytes(language: str, data: bytes, old: Tree | None = None) -> Tree | None:
    """The tree of UTF-8 `data`. With `old`, the edited tree of the text before, only what has changed is read."""
    from tree_sitter import Parser

    loaded = grammar(language)
    if loaded is None:
        return None
    # A parser of its own for each call: one is not safe from two threads, and making it costs microseconds.
    parser = Parser(loaded)
    return parser.parse(data) if old is None else parser.parse(data, old)


def parse_again(document: str, language: str, data: bytes) -> Tree | None:
    """As `parse`, for UTF-8 `data`; only what has changed in `document` (a name) since the last time is read.

    A file of 30,000 lines takes 140 ms the first time, and 10 ms after a keystroke. For any thread.
    """
    if not document or len(data) < _LEAST_KEPT_BYTES:
        return parse_bytes(language, data)
    with _LOCK:
        last = _KEPT.get((document, language))
    tree = parse_bytes(language, data) if last is None else _parse_changed(language, last, data)
    # Trees are made from one with few errors: beside an error parts of the old tree may be taken that do not belong.
    if tree is not None and (last is None or count_errors(tree) <= last.errors):
        with _LOCK:
            _KEPT[document, language] = _Kept(data, tree, count_errors(tree))
            _KEPT.move_to_end((document, language))
            while len(_KEPT) > _MOST_KEPT:
                _KEPT.popitem(last=False)
    return tree


def parse_edited(language: str, tree: Tree, data: bytes, start: int, end: int, inserted: bytes) -> tuple[Tree, bytes]:
    """The tree of `data` with its bytes from `start` to `end` replaced, and the new bytes; `tree` stays as it is."""
    changed = data[:start] + inserted + data[end:]
    row, column = data.count(b"\n", 0, start), start - data.rfind(b"\n", 0, start) - 1
    old = tree.copy()
    old.edit(
        start,
        end,
        start + len(inserted),
        (row, column),
        _behind(row, column, data[start:end]),
        _behind(row, column, inserted),
    )
    new = parse_bytes(language, changed, old)
    assert new is not None, "the grammar that made the first tree is there"
    return new, changed


def count_errors(tree: Tree | None) -> int:
    """Nodes that are errors or stand for something missing. Only branches that hold an error are walked."""
    if tree is None or not tree.root_node.has_error:
        return 0
    cursor, count = tree.walk(), 0
    while True:
        node = cursor.node
        assert node is not None
        count += node.is_error or node.is_missing
        if node.has_error and cursor.goto_first_child():
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return count


class _Kept(NamedTuple):
    data: bytes
    tree: Tree
    errors: int


_KEPT: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
_LOCK = Lock()


def _parse_changed(language: str, last: _Kept, data: bytes) -> Tree:
    start = common_length(last.data, data)
    if start == len(data) == len(last.data):
        return last.tree
    shorter = min(len(data), len(last.data)) - start
    n_same = common_length(last.data[::-1][:shorter], data[::-1][:shorter])
    end = len(last.data) - n_same
    return parse_edited(language, last.tree, last.data, start, end, data[start : len(data) - n_same])[0]


def _behind(row: int, column: int, data: bytes) -> tuple[int, int]:
    """The point (row, byte column) behind `data` that begins at one."""
    breaks = data.count(b"\n")
    return row + breaks, column + len(data) if not breaks else len(data) - data.rfind(b"\n") - 1
