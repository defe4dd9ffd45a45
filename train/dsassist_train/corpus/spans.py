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
_BLOCK_KINDS = (
    "block",
    "statement_block",
    "compound_statement",
    "do_block",
    "body_statement",
    "code_block",
    "statement_list",  # Go's, inside a `block`; it ends with the line break
    "statements",  # Swift's, in all that has braces
)
_OWN_QUERIES = {
    # The words behind a command's name have no brackets; what `if` and `case` hold are their own children.
    "bash": """
        (command) @command
        (command argument: (_) @argument)
        [(compound_statement) (do_group)] @block
    """,
    # The brackets are the call's own children; only builtin functions have a list of arguments.
    "zig": """
        [(call_expression) (arguments)] @call
        (call_expression function: (_) (_) @argument)
        (arguments (_) @argument)
        (block) @block
    """,
}
"""Of languages whose calls or blocks are no nodes of the kinds above."""
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
    for node in captures.get("command", []):
        found[CALL].update(_behind_name(node, data))
    for node in captures.get("argument", []):
        found[ARGUMENT].update(_argument(node, data))
    for node in captures.get("block", []):
        found[BLOCK].update(_whole_lines(node, data))
    most = max(4, len(data) // _BYTES_PER_SPAN)
    chosen = [span for spans in found.values() for span in _some(sorted(spans), most, draw)]
    return sorted(chosen)


def _some(spans: list[Span], most: int, draw: Random) -> list[Span]:
    return spans if len(spans) <= most else draw.sample(spans, most)


def _inside(node: Node, data: bytes) -> Iterator[Span]:
    """What stands between the brackets of a call."""
    opening = next((child for child in node.children if child.type == "("), None)
    if opening is None or node.children[-1].type != ")":
        return
    start, end = opening.end_byte, node.children[-1].start_byte
    if _is_short(data, start, end):
        yield Span(start, end, CALL)


def _behind_name(node: Node, data: bytes) -> Iterator[Span]:
    """The words of a shell's command, from the first argument to the last."""
    words = node.children_by_field_name("argument")
    if words and _is_short(data, words[0].start_byte, words[-1].end_byte):
        yield Span(words[0].start_byte, words[-1].end_byte, CALL)


def _argument(node: Node, data: bytes) -> Iterator[Span]:
    among = node.parent
    if among is None or among.end_byte - among.start_byte > 4 * _LONGEST_CALL:
        return
    if "comment" not in node.type and _is_short(data, node.start_byte, node.end_byte):
        yield Span(node.start_byte, node.end_byte, ARGUMENT)


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
    patterns = [f"({kind} (_)? @argument) @call" for kind in _CALLS if _has(loaded, kind)]
    patterns += [f"({kind}) @block" for kind in _BLOCK_KINDS if _has(loaded, kind)]
    if language in _OWN_QUERIES:
        patterns = [_OWN_QUERIES[language]]
    return Query(loaded, "\n".join(patterns)) if patterns else None


def _has(language: Language, kind: str) -> bool:
    return language.id_for_node_kind(kind, True) is not None
