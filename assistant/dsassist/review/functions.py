"""The unit of review: functions that hold changed lines, found in the syntax tree.

A method is a unit; a function inside another is part of the outer one. Code outside functions is not reviewed in this
version.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.review.source import Source, is_deeper

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Function", "changed_functions", "file_head"]

_HEAD_CHARACTERS = 900
_CLASS_HEADER_CHARACTERS = 200
_MOST_LEVELS = 400
"""A node's parent is looked for from the top of the tree: a condition costs the cube of its depth."""


@dataclass(frozen=True)
class Function:
    """A function with its decorators, as whole lines: `text` begins at `start` of the source, on line `line`.

    `name` is qualified (`Class.method`); `class_header` is the line of the class around it, or empty.
    """

    name: str
    node: Node
    source: Source
    start: int
    text: str
    line: int
    class_header: str

    @property
    def is_broken(self) -> bool:
        """Whether it does not parse."""
        return self.node.has_error

    @property
    def is_too_deep(self) -> bool:
        """Whether expressions or blocks are nested deeper than anybody writes them."""
        return is_deeper(self.node, _MOST_LEVELS)


def changed_functions(source: Source, lines: frozenset[int]) -> list[Function]:
    """The functions that hold at least one of `lines`, in the order of the text."""
    return [function for function in _functions(source) if _touches(function, lines)]


def file_head(source: Source) -> str:
    """The file's first statements (imports, constants), without its docstring, up to the first definition.

    It is the same for all functions of a file, so that the model evaluates it once.
    """
    grammar = source.grammar
    definitions = grammar.functions | grammar.types.keys() | grammar.wrappers
    pieces: list[str] = []
    statements = (child for child in source.tree.root_node.named_children if not child.type.endswith("comment"))
    for place, node in enumerate(statements):
        if node.type in definitions or node.has_error:
            break
        if place == 0 and node.type == "expression_statement" and node.named_children[0].type == "string":
            continue
        piece = source.node_text(node).rstrip("\n")  # C's directives end with their line
        if sum(map(len, pieces)) + len(piece) > _HEAD_CHARACTERS:
            break
        pieces.append(piece)
    return "".join(f"{piece}\n" for piece in pieces) + ("\n\n" if pieces else "")


def _functions(source: Source) -> Iterator[Function]:
    grammar = source.grammar
    pending = [(source.tree.root_node, "", "")]
    while pending:
        node, path, class_header = pending.pop()
        definition = _definition_in(source, node)
        body = definition.child_by_field_name("body")
        if definition.type in grammar.functions and body is not None:
            yield _function(source, node, definition, path, class_header)
            continue
        below = definition  # `if TYPE_CHECKING:`, `try:`, or an error node around whole functions
        if definition.type in grammar.types and body is not None:
            name = definition.child_by_field_name(grammar.types[definition.type])
            below, path = body, f"{path}{'' if name is None else source.node_text(name)}."
            class_header = _class_header(source, definition, body)
        pending.extend((child, path, class_header) for child in reversed(below.named_children))


def _definition_in(source: Source, node: Node) -> Node:
    """What decorators, `export` or `template` stand around; another node itself."""
    grammar = source.grammar
    wanted = grammar.functions | grammar.types.keys() | grammar.wrappers
    while node.type in grammar.wrappers:
        inner = next((child for child in node.named_children if child.type in wanted), None)
        if inner is None:
            break
        node = inner
    return node


def _function(source: Source, outer: Node, node: Node, path: str, class_header: str) -> Function:
    line = outer.start_point.row + 1
    start = source.line_start(line)
    text = source.text[start : source.offset(node.end_byte)]
    return Function(path + _name_of(source, node), node, source, start, text, line, class_header)


def _name_of(source: Source, node: Node) -> str:
    """The function's name; of a function without one, that of what it is assigned to."""
    name = node.child_by_field_name("name")
    if name is None and (declarator := node.child_by_field_name("declarator")) is not None:  # C: `int *(f)(int a)`
        while (inner := declarator.child_by_field_name("declarator")) is not None:
            declarator = inner
        name = declarator
    parent = node.parent
    if name is None and parent is not None:
        name = parent.child_by_field_name("name") or parent.child_by_field_name("key")
    return "" if name is None else source.node_text(name)


def _class_header(source: Source, node: Node, body: Node) -> str:
    header = source.data[node.start_byte : body.start_byte].decode("utf-8").split("\n")[0].rstrip()
    if source.language != "python":
        header += " {"
    indentation = " " * node.start_point.column
    return f"{indentation}{header}\n" if len(header) <= _CLASS_HEADER_CHARACTERS else ""


def _lines_of(function: Function) -> range:
    return range(function.line, function.line + function.text.count("\n") + 1)


def _touches(function: Function, lines: frozenset[int]) -> bool:
    return any(line in lines for line in _lines_of(function))
