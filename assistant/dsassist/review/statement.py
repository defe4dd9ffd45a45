"""Which statement stands at a place: its tokens, lines and the definition around it, in any language with a grammar.

A statement is a node that stands directly in a block. What is inside its own blocks belongs to other statements: of an
`if` it is the condition, of a function the signature.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.syntax.parsing import encode, parse_bytes

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

__all__ = ["Statement", "Statements", "is_comment"]

_BLOCK_TYPES = """
    module program source_file translation_unit compilation_unit document stream chunk stylesheet config_file
    body block statement_block compound_statement declaration_list field_declaration_list statement_list
    statements class_body interface_body enum_body enum_body_declarations constructor_body function_body
    template_body body_statement then else begin switch_body switch_case switch_default switch_block
    switch_block_statement_group match_block do_group block_body preproc_ifdef preproc_if preproc_else
    block_mapping block_sequence table
"""
_BLOCKS = frozenset(_BLOCK_TYPES.split())
_DATA_BLOCKS = {"json": _BLOCKS | {"object", "array"}}
_DEFINITION = re.compile(
    r"function|method|class|module|impl|trait|interface|struct|enum|constructor|object_def|namespace"
)
_FUNCTION_VALUES = ("arrow_function", "function_expression", "generator_function")


@dataclass(frozen=True)
class Statement:
    """One statement. `function` is the qualified name of the definition around it, empty at the top of a file.

    `tokens` leave out comments and blanks. Lines count from 1; `last_line` is the last one before its blocks.
    """

    function: str
    tokens: tuple[str, ...]
    first_line: int
    last_line: int


class Statements:
    """The statements of one text, looked up by place. Without a grammar, or above a place, there is none.

    `tree` is the text's, where it was parsed already.
    """

    def __init__(self, language: str | None, text: str, tree: Tree | None = None) -> None:
        self._text_lines = text.split("\n")
        self._data = encode(text)
        self._tree = parse_bytes(language, self._data) if tree is None and language is not None else tree
        self._blocks = _DATA_BLOCKS.get(language or "", _BLOCKS)
        self._known: dict[int, list[tuple[int, tuple[str, ...]]]] = {}
        self._found: dict[int, Statement] = {}

    def at(self, line: int, column: int) -> Statement | None:
        """The statement at a line and column, both from 1, the column in code points."""
        node = self._statement_node(line, column)
        if node is None:
            return None
        if node.id not in self._found:
            self._found[node.id] = self._statement(node)
        return self._found[node.id]

    def number_at(self, line: int, column: int) -> int:
        """How many statements of the same tokens stand before the one at a place, in the same definition."""
        node, statement = self._statement_node(line, column), self.at(line, column)
        if node is None or statement is None:
            return 0
        around = self._definitions_around(node)
        return self._number(around[0] if around else None, node, statement.tokens)

    def comments(self) -> Iterator[tuple[int, int, str]] | None:
        """Each comment's line and last line, from 1, and its text; None where the language has no grammar."""
        return None if self._tree is None else self._comments(self._tree.root_node)

    def _comments(self, root: Node) -> Iterator[tuple[int, int, str]]:
        for node in _walk(root):
            if is_comment(node):
                yield node.start_point.row + 1, node.end_point.row + 1, _text(node)

    def _statement_node(self, line: int, column: int) -> Node | None:
        if self._tree is None or line > len(self._text_lines):
            return None
        point = (line - 1, len(encode(self._text_lines[line - 1][: column - 1])))
        node = self._tree.root_node.descendant_for_point_range(point, point)
        while node is not None and (node.parent is None or node.parent.type not in self._blocks or is_comment(node)):
            node = node.parent
        if node is not None and node.type in self._blocks and node.parent is not None:
            return self._owner(node)
        return node

    def _statement(self, node: Node) -> Statement:
        around = self._definitions_around(node)
        tokens, last_row = self._read(node)
        return Statement(
            function=".".join(name for each in reversed(around) if (name := _name_of(each))),
            tokens=tokens,
            first_line=node.start_point.row + 1,
            last_line=last_row + 1,
        )

    def _owner(self, block: Node) -> Node | None:
        """A place between a block's statements is its owner's."""
        node: Node | None = block
        while node is not None and (
            node.type in self._blocks or node.parent is None or node.parent.type not in self._blocks
        ):
            node = node.parent
        return node

    def _definitions_around(self, node: Node) -> list[Node]:
        """From the inside outwards."""
        found = []
        around = node.parent
        while around is not None:
            if _is_definition(around):
                found.append(around)
            around = around.parent
        return found

    def _read(self, statement: Node) -> tuple[tuple[str, ...], int]:
        """The tokens of a statement without its blocks, and the row of the last one before these.

        What stands between leaves (in strings, where a grammar marks the escapes alone) counts as well.
        """
        tokens: list[str] = []
        end, last_row, is_head = statement.start_byte, statement.start_point.row, True
        pending = [statement]
        while pending:
            node = pending.pop()
            if node is not statement and (is_comment(node) or node.type in self._blocks):
                self._keep(tokens, end, node.start_byte)
                end = node.end_byte
                is_head = is_head and is_comment(node)
            elif node.child_count:
                pending.extend(reversed(node.children))
            else:
                self._keep(tokens, end, node.start_byte)
                self._keep(tokens, node.start_byte, node.end_byte)
                end = node.end_byte
                last_row = node.end_point.row if is_head else last_row
        self._keep(tokens, end, statement.end_byte)
        return tuple(tokens), last_row

    def _keep(self, tokens: list[str], start: int, end: int) -> None:
        if text := self._data[start:end].decode("utf-8", "replace").strip():
            tokens.append(text)

    def _number(self, definition: Node | None, statement: Node, tokens: tuple[str, ...]) -> int:
        assert self._tree is not None, "a node came from it"
        scope = self._tree.root_node if definition is None else definition
        if scope.id not in self._known:
            self._known[scope.id] = [(each.start_byte, self._read(each)[0]) for each in self._statements_in(scope)]
        return sum(at < statement.start_byte and each == tokens for at, each in self._known[scope.id])

    def _statements_in(self, scope: Node) -> Iterator[Node]:
        """The statements of a definition that belong to no definition inside it."""
        pending = [(scope, False)]
        while pending:
            node, is_in_block = pending.pop()
            if is_in_block:
                yield node
            if node.id == scope.id or not _is_definition(node):
                inside = node.type in self._blocks
                pending.extend((child, inside) for child in reversed(node.named_children) if not is_comment(child))


def is_comment(node: Node) -> bool:
    """Whether a node is a comment, by the name that grammars give it."""
    return "comment" in node.type and node.is_named


def _walk(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        yield node
        pending.extend(reversed(node.children))


def _is_definition(node: Node) -> bool:
    if node.type == "variable_declarator":
        value = node.child_by_field_name("value")
        return value is not None and value.type in _FUNCTION_VALUES
    return node.is_named and _DEFINITION.search(node.type) is not None and _name_of(node) != ""


def _name_of(node: Node) -> str:
    """What a definition is called; in C the name stands within declarators, in Rust an `impl` has its type's."""
    for field in ("name", "type") if node.type == "impl_item" else ("name",):
        if (name := node.child_by_field_name(field)) is not None:
            return _text(name)
    named = node.child_by_field_name("declarator") if node.type.startswith("function_def") else None
    while named is not None and (inner := named.child_by_field_name("declarator")) is not None:
        named = inner
    return "" if named is None else _text(named)


def _text(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace")
