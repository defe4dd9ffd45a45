"""A document as text and syntax tree: the function around a place, its name and parameters, the statement.

Trees count in bytes, everything that leaves this module in code points.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dsassist.chat_actions.forms import FORMS, Form
from dsassist.syntax.languages import language_of
from dsassist.syntax.parsing import encode, parse_bytes

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Code", "Definition", "adds_errors", "newline_of"]

_STATEMENT = re.compile(r"(?:\w+_)?(?:statement|declaration|definition|item|assignment|directive)")
_BLOCK = re.compile(r"block|body|suite|compound_statement|statement_list|declaration_list")
_IDENTIFIERS = ("identifier", "property_identifier", "variable_name", "simple_identifier", "field_identifier")
_NAMELESS = frozenset({"self", "cls", "this", "$this"})


def newline_of(text: str) -> str:
    """The line end that a text has."""
    return "\r\n" if "\r\n" in text else "\n"


@dataclass(frozen=True)
class Definition:
    """A function, method or class. `start` to `end` is the definition itself, `outer_start` has decorators, too."""

    node: Node
    name: str
    is_class: bool
    outer_start: int
    start: int
    end: int
    class_name: str = ""


class Code:
    """A text in a language. `Code.of` knows whether there is one that we can read."""

    def __init__(self, text: str, language: str) -> None:
        self.text = text
        self.language = language
        self.data = encode(text)
        tree = parse_bytes(language, self.data)
        self.root: Node | None = None if tree is None else tree.root_node
        self._tree = tree  # nodes are views into it

    @classmethod
    def of(cls, text: str, path: str, language_id: str) -> Code | None:
        """The code of a document, or None where its language has no form or no grammar."""
        language = language_of(path, language_id)
        if language is None or language not in FORMS:
            return None
        code = cls(text, language)
        return None if code.root is None else code

    @property
    def form(self) -> Form:
        """What is known of the language."""
        return FORMS[self.language]

    @cached_property
    def definitions(self) -> list[Definition]:
        """All functions and classes, outer ones first."""
        return list(self._definitions())

    def definition_at(self, start: int, end: int) -> Definition | None:
        """The innermost function or class that holds the range, whole lines counted."""
        first = self.text.rfind("\n", 0, start) + 1
        start = min(max(start, first + len(self._blanks_at(first))), max(end, start))
        holding = [each for each in self.definitions if each.outer_start <= start and end <= each.end]
        return max(holding, key=lambda each: each.outer_start, default=None)

    def statement_at(self, start: int, end: int) -> tuple[int, int] | None:
        """The smallest statement that holds the range; None where that is a block with statements of its own."""
        if self.root is None:
            return None
        node = self.root.descendant_for_byte_range(self._byte(start), self._byte(end))
        while node is not None and not _STATEMENT.fullmatch(node.type):
            node = node.parent
        return None if node is None or node.parent is None or _has_block(node) else self.range_of(node)

    def range_of(self, node: Node) -> tuple[int, int]:
        """The code points of a node."""
        start = self.offset(node.start_byte)
        return start, start + len(self.data[node.start_byte : node.end_byte].decode())

    def source(self, node: Node) -> str:
        """The text of a node."""
        return self.data[node.start_byte : node.end_byte].decode()

    def offset(self, byte: int) -> int:
        """The code point at a byte."""
        return byte if self._is_ascii else len(self.data[:byte].decode())

    def indentation_at(self, offset: int) -> str:
        """The blanks that the line of a place begins with."""
        return self._blanks_at(self.text.rfind("\n", 0, offset) + 1)

    def parameters(self, definition: Definition) -> list[str]:
        """The names of a function's parameters, without the object itself."""
        found = _first_field(definition.node, "parameters")
        if found is None:
            return []
        names = (self._parameter_name(child) for child in found.named_children if child.type != "comment")
        return [name for name in dict.fromkeys(names) if name and name not in _NAMELESS]

    @cached_property
    def _is_ascii(self) -> bool:
        return self.text.isascii()

    def _byte(self, offset: int) -> int:
        return offset if self._is_ascii else len(encode(self.text[:offset]))

    def _blanks_at(self, line_start: int) -> str:
        found = re.compile(r"[ \t]*").match(self.text, line_start)
        return found.group() if found else ""

    def _definitions(self) -> Iterator[Definition]:
        assert self.root is not None
        form = self.form
        pending: list[tuple[Node, Node | None, str]] = [(self.root, None, "")]
        while pending:
            node, outer, class_name = pending.pop()
            is_class = node.type in form.classes
            if is_class or node.type in form.functions:
                name = self._name_of(node)
                if name:
                    start, end = self.range_of(node)
                    outer_node = outer or node
                    outer_start = self.offset(self._before_attributes(outer_node).start_byte)
                    yield Definition(node, name, is_class, outer_start, start, end, class_name)
                class_name, outer = (name if is_class else class_name), None
            elif node.type in form.wrappers:
                outer = outer or node
            elif node.type == "impl_item":
                kind = node.child_by_field_name("type")
                class_name, outer = ("" if kind is None else self.source(kind)), None
            else:
                outer = None
            pending.extend((child, outer, class_name) for child in reversed(node.named_children))

    def _before_attributes(self, node: Node) -> Node:
        while (before := node.prev_named_sibling) is not None and before.type == "attribute_item":
            node = before
        return node

    def _name_of(self, node: Node) -> str:
        named: Node | None = node
        if node.type in ("arrow_function", "function_expression"):
            named = node.parent if node.parent is not None and node.parent.type == "variable_declarator" else None
        if named is None:
            return ""
        name = named.child_by_field_name("name")
        if name is None:  # C: the name stands in the innermost declarator
            inner = node.child_by_field_name("declarator")
            while inner is not None:
                name, inner = inner, inner.child_by_field_name("declarator")
        if name is None:
            name = next((child for child in node.named_children if child.type in _IDENTIFIERS), None)
        return "" if name is None else self.source(name)

    def _parameter_name(self, node: Node) -> str:
        while node.type not in _IDENTIFIERS:
            inner = next(
                (found for field in ("name", "pattern", "declarator") if (found := node.child_by_field_name(field))),
                None,
            )
            inner = inner or next((child for child in node.named_children if child.type in _IDENTIFIERS), None)
            if inner is None:
                return ""
            node = inner
        return self.source(node)


def adds_errors(language: str, before: str, after: str) -> bool:
    """Whether the change leaves more that does not parse; for Python its own parser is asked as well."""
    if _n_errors(language, after) > _n_errors(language, before):
        return True
    return language == "python" and _is_python(before) and not _is_python(after)


def _is_python(text: str) -> bool:
    import ast
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an invalid escape in somebody's string is not our news
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _n_errors(language: str, text: str) -> int:
    tree = parse_bytes(language, encode(text))
    if tree is None or not tree.root_node.has_error:
        return 0
    count, pending = 0, [tree.root_node]
    while pending:
        node = pending.pop()
        count += node.is_error or node.is_missing
        pending.extend(child for child in node.children if child.has_error)
    return count


def _has_block(node: Node) -> bool:
    pending = list(node.named_children)
    while pending:
        child = pending.pop()
        if _BLOCK.search(child.type):
            return True
        pending.extend(child.named_children)
    return False


def _first_field(node: Node, name: str) -> Node | None:
    """A field of the node or of the declarators that it is wrapped in."""
    inner: Node | None = node
    while inner is not None:
        if (found := inner.child_by_field_name(name)) is not None:
            return found
        inner = inner.child_by_field_name("declarator")
    return None
