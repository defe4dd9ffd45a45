"""A Python file as names: what it defines, and in which role each word stands in it.

Only the places where a word is written are looked at, so a large file costs one parse and little more.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from dsassist.review.source import Source
from dsassist.review.unfinished.tree import words_of
from dsassist.review.unfinished.written import leaves_of
from dsassist.syntax.imports import Import, imports

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Definition", "Occurrence", "PythonFile", "Role"]

Role = Literal["definition", "binding", "store", "load", "attribute", "keyword", "import", "string"]
"""`definition`: of a function or class; `binding`: of any other name; `store`: of an attribute; `attribute`: its use;
`string`: a string that is nothing else."""

_PATTERNS = ("pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern", "dictionary_splat_pattern")
_PARAMETERS = ("parameters", "lambda_parameters")
_BOUND_BY_FIELD = {
    "assignment": "left",
    "for_statement": "left",
    "for_in_clause": "left",
    "named_expression": "name",
    "default_parameter": "name",
    "typed_default_parameter": "name",
    "delete_statement": "",
}
_SUITES = ("if_statement", "try_statement", "with_statement", "block", "else_clause", "elif_clause", "except_clause",
           "finally_clause", "for_statement", "while_statement")  # fmt: skip
_SELF = re.compile(rb"\b(?:self|cls)\.(\w+)\b")


@dataclass(frozen=True)
class Definition:
    """A name that a module or class has. `container` is empty for a module's; `kind` tells what it is written as."""

    name: str
    container: str
    kind: Literal["function", "class", "variable", "attribute"]
    node: Node
    decorators: tuple[str, ...] = ()

    @property
    def line(self) -> int:
        """From 1; of a decorated definition the line of its own name."""
        return self.node.start_point.row + 1


@dataclass(frozen=True)
class Occurrence:
    """A word at a place of a file."""

    node: Node
    role: Role

    @property
    def line(self) -> int:
        """From 1."""
        return self.node.start_point.row + 1


class PythonFile:
    """A file's text with its tree; `has_errors` tells that the tree is not to be trusted."""

    def __init__(self, path: str, source: Source) -> None:
        self.path = path
        self.source = source

    @property
    def has_errors(self) -> bool:
        """Whether it does not parse."""
        return self.source.tree.root_node.has_error

    @cached_property
    def imports(self) -> list[Import]:
        """What it imports, at any depth."""
        return imports("python", self.source.text, self.source.tree)

    @cached_property
    def has_star_import(self) -> bool:
        """Whether names come from elsewhere that it does not say."""
        return any(name.name == "*" for each in self.imports for name in each.names)

    @cached_property
    def definitions(self) -> list[Definition]:
        """Names of the module, of its classes and of their instances, in the order of the text."""
        return list(_definitions(self.source, self.source.tree.root_node, ""))

    @cached_property
    def module_names(self) -> frozenset[str]:
        """Names that can be taken from the module."""
        own = {each.name for each in self.definitions if not each.container}
        return frozenset(own | {name.alias for each in self.imports for name in each.names} | self._modules_imported())

    def _modules_imported(self) -> set[str]:
        return {each.alias or each.module.split(".")[0] for each in self.imports if not each.names}

    @cached_property
    def members(self) -> dict[str, list[Definition]]:
        """The definitions that belong to a class, by name."""
        found: dict[str, list[Definition]] = {}
        for each in self.definitions:
            if each.container:
                found.setdefault(each.name, []).append(each)
        return found

    @cached_property
    def bases(self) -> dict[str, list[str]]:
        """The bases of each class of the module, as they are written and without what is subscripted."""
        found = {}
        for each in self.definitions:
            if each.kind == "class":
                arguments = each.node.child_by_field_name("superclasses")
                bases = [] if arguments is None else arguments.named_children
                found[each.name] = [
                    self.source.node_text(base).split("[")[0]
                    for base in bases
                    if base.type not in ("keyword_argument", "comment")
                ]
        return found

    @cached_property
    def words(self) -> frozenset[str]:
        """Its words, so that it is told quickly whether one stands in it."""
        return words_of(self.source.text)

    def function_around(self, node: Node) -> str:
        """The qualified name of the function that a node stands in, or empty."""
        names: list[str] = []
        around = node.parent
        while around is not None:
            if around.type in ("function_definition", "class_definition"):
                name = around.child_by_field_name("name")
                if name is not None and (names or around.type == "function_definition"):
                    names.insert(0, self.source.node_text(name))
            around = around.parent
        return ".".join(names)

    def occurrences(self, word: str) -> list[Occurrence]:
        """Where a word stands as a name or as a whole string; not in comments, nor within longer strings."""
        return list(_occurrences(self.source, word))

    def statement(self, node: Node) -> str:
        """The line that a node begins on."""
        return self.source.line_text(node.start_point.row + 1)


def _definitions(source: Source, node: Node, container: str) -> Iterator[Definition]:
    for child in node.named_children:
        if child.type == "decorated_definition":
            decorators = tuple(
                source.node_text(each)[1:].strip() for each in child.named_children if each.type == "decorator"
            )
            inner = child.child_by_field_name("definition")
        else:
            decorators, inner = (), child
        if inner is None:
            continue
        if inner.type in ("function_definition", "class_definition"):
            yield from _defined(source, inner, container, decorators)
        elif inner.type in _SUITES:
            yield from _definitions(source, inner, container)
        elif inner.type == "expression_statement":
            yield from _assigned(source, inner, container)
        elif inner.type == "type_alias_statement" and inner.named_children:
            yield Definition(source.node_text(inner.named_children[0]).split("[")[0], container, "variable", inner)


def _defined(source: Source, node: Node, container: str, decorators: tuple[str, ...]) -> Iterator[Definition]:
    name, body = node.child_by_field_name("name"), node.child_by_field_name("body")
    if name is None or body is None:
        return
    written = source.node_text(name)
    if node.type == "class_definition":
        yield Definition(written, container, "class", node, decorators)
        yield from _definitions(source, body, f"{container}.{written}".lstrip("."))
    else:
        yield Definition(written, container, "function", node, decorators)
        if container:
            yield from _of_instances(source, body, container)


def _assigned(source: Source, statement: Node, container: str) -> Iterator[Definition]:
    pending = [node for node in statement.named_children if node.type == "assignment"]
    for node in pending:
        target, value = node.child_by_field_name("left"), node.child_by_field_name("right")
        if target is not None:
            for each in target.named_children if target.type in _PATTERNS else [target]:
                if each.type == "identifier":
                    yield Definition(source.node_text(each), container, "variable", node)
        if value is not None and value.type == "assignment":  # a = b = 1
            pending.append(value)


def _of_instances(source: Source, body: Node, container: str) -> Iterator[Definition]:
    """Attributes that a method gives to `self` or `cls`."""
    for found in _SELF.finditer(source.data, body.start_byte, body.end_byte):
        leaf = body.descendant_for_byte_range(*found.span(1))
        if leaf is not None and leaf.type == "identifier" and _role(leaf) == "store":
            yield Definition(source.node_text(leaf), container, "attribute", leaf)


def _occurrences(source: Source, word: str) -> Iterator[Occurrence]:
    for leaf in leaves_of(source, word):
        if leaf.type == "string_content":
            yield Occurrence(leaf, "string")
        elif leaf.type == "identifier":
            yield Occurrence(leaf, _role(leaf))


def _role(leaf: Node) -> Role:
    parent = leaf.parent
    if parent is None:
        return "load"
    if parent.type in ("function_definition", "class_definition"):
        return "definition" if parent.child_by_field_name("name") == leaf else "load"
    if parent.type == "keyword_argument":
        return "keyword" if parent.child_by_field_name("name") == leaf else "load"
    if parent.type in ("global_statement", "nonlocal_statement", "keyword_pattern"):
        return "binding" if parent.type != "keyword_pattern" else "attribute"
    if parent.type == "aliased_import" or _is_type_parameter(parent):
        return "binding"
    if parent.type == "dotted_name":
        return _role_in_dotted(leaf, parent)
    if parent.type == "attribute":
        if parent.child_by_field_name("attribute") != leaf:
            return "load"
        return "store" if _is_target(parent) else "attribute"
    return "binding" if _is_target(leaf) else "load"


def _role_in_dotted(leaf: Node, dotted: Node) -> Role:
    around = dotted.parent
    if around is None:
        return "load"
    if around.type == "case_pattern":
        return (
            "binding" if dotted.named_child_count == 1 else "attribute" if dotted.named_children[0] != leaf else "load"
        )
    if around.type == "class_pattern":
        return "load"
    return "import"


def _is_target(node: Node) -> bool:
    """Is a name, or an attribute, given a value here?"""
    parent = node.parent
    while parent is not None and (
        parent.type in _PATTERNS or parent.type in ("as_pattern_target", "parenthesized_expression")
    ):
        if parent.type == "as_pattern_target":
            return True
        if parent.type.endswith("_splat_pattern") and _is_parameter(parent):
            return True
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in _PARAMETERS:
        return True
    if parent.type == "typed_parameter":
        return parent.named_children[0] == node
    field = _BOUND_BY_FIELD.get(parent.type)
    return field is not None and (not field or parent.child_by_field_name(field) == node)


def _is_parameter(pattern: Node) -> bool:
    return pattern.parent is not None and pattern.parent.type in (*_PARAMETERS, "typed_parameter")


def _is_type_parameter(node: Node) -> bool:
    """Is it what stands in `def f[T](...)`, or the name of `type T = ...`?"""
    around = node.parent if node.type == "type" else None
    if around is None:
        return False
    return around.type == "type_parameter" or (
        around.type == "type_alias_statement" and around.named_children[0] == node
    )
