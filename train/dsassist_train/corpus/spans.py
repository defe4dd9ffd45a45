"""Where calls, arguments and blocks stand in a source text, so that a hole can be cut there without a grammar."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from random import Random
from typing import TYPE_CHECKING

from dsassist.syntax.languages import grammar
from dsassist.syntax.parsing import parse_bytes
from dsassist_train.packing.folder import ARGUMENT, BLOCK, CALL, Span

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Query

__all__ = ["spans_of"]

_CALLS = ("argument_list", "arguments", "call_arguments", "value_arguments")
_BLOCK_KINDS = ("block", "statement_block", "compound_statement", "do_block", "body_statement", "code_block")
_LONGEST_CALL = 160  # bytes
_LONGEST_BLOCK = 700
_LEAST_BYTES = 2
_BYTES_PER_SPAN = 400  # of a kind, on average: there are far more than are ever drawn


def spans_of(language: str, data: bytes, draw: Random) -> list[Span]:
    """Some of each kind in UTF-8 `data`, in the order of their starts; which ones `draw` decides."""
    query, tree = _query(language), parse_bytes(language, data)
    if query is None or tree is None:
        return []
    from tree_sitter import QueryCursor

    captures = QueryCursor(query).captures(tree.root_node)
    found: dict[int, set[Span]] = {CALL: set(), ARGUMENT: set(), BLOCK: set()}
    for node in captures.get("call", []):
        found[CALL].update(_inside(node, data))
        found[ARGUMENT].update(_arguments(node, data))
    for node in captures.get("block", []):
        found[BLOCK].update(_whole_lines(node, data))
    most = max(4, len(data) // _BYTES_PER_SPAN)
    chosen = [span for spans in found.values() for span in _some(sorted(spans), most, draw)]
    return sorted(chosen)


def _some(spans: list[Span], most: int, draw: Random) -> list[Span]:
    return spans if len(spans) <= most else draw.sample(spans, most)


def _inside(node: Node, data: bytes) -> Iterator[Span]:
    """What stands between the brackets of a call."""
    start, end = node.start_byte + 1, node.end_byte - 1
    if data[start - 1 : start] == b"(" and data[end : end + 1] == b")" and _is_short(data, start, end):
        yield Span(start, end, CALL)


def _arguments(node: Node, data: bytes) -> Iterator[Span]:
    if node.end_byte - node.start_byte > 4 * _LONGEST_CALL:
        return
    for argument in node.named_children:
        if "comment" not in argument.type and _is_short(data, argument.start_byte, argument.end_byte):
            yield Span(argument.start_byte, argument.end_byte, ARGUMENT)


def _is_short(data: bytes, start: int, end: int) -> bool:
    return _LEAST_BYTES <= end - start <= _LONGEST_CALL and b"\n" not in data[start:end]


def _whole_lines(node: Node, data: bytes) -> Iterator[Span]:
    """The lines of a block's statements, from the first one's start: under a header, and up to its last statement."""
    statements = [child for child in node.named_children if "comment" not in child.type]
    if not statements:
        return
    start, end = statements[0].start_byte, statements[-1].end_byte
    line_start = data.rfind(b"\n", 0, start) + 1
    if not data[line_start:start].isspace() or end - start > _LONGEST_BLOCK:
        return
    line_end = data.find(b"\n", end)
    if line_end < 0 or data[end:line_end].strip(b" \t;,") == b"":
        yield Span(start, len(data) if line_end < 0 else line_end, BLOCK)


@cache
def _query(language: str) -> Query | None:
    from tree_sitter import Query

    loaded = grammar(language)
    if loaded is None:
        return None
    patterns = [f"({kind}) @call" for kind in _CALLS if _has(loaded, kind)]
    patterns += [f"({kind}) @block" for kind in _BLOCK_KINDS if _has(loaded, kind)]
    return Query(loaded, "\n".join(patterns)) if patterns else None


def _has(language: Language, kind: str) -> bool:
    return language.id_for_node_kind(kind, True) is not None
