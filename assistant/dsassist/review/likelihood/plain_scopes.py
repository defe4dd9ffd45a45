"""The bindings of a function in languages other than Python, by a table of what declares a name and what keeps it.

Simpler than the languages: a name can be read behind its declaration in the block around it, and nowhere else. `var`
that is hoisted, and patterns that bind behind a negated condition, are not known.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.grammars import words_of
from dsassist.review.likelihood.scopes import Binding, Kind
from dsassist.review.source import Source

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["bindings_of"]

_IDENTIFIERS = ("identifier", "shorthand_property_identifier_pattern", "shorthand_field_identifier")
_NO_TARGETS = words_of(
    "member_expression selector_expression field_expression field_access subscript_expression index_expression"
    " array_access call_expression type_annotation init_declarator function_declarator scoped_identifier"
    " qualified_identifier type_identifier generic_type"
)
_NO_TARGET_FIELDS = frozenset({"right", "type", "size", "default_value", "key", "path"})
_PARAMETERS = ("required_parameter", "optional_parameter", "variable_declarator")  # with a value
_DEFINITIONS = ("function_declaration", "class_declaration")
# What such a condition binds can be read where it holds.
_CONDITIONS = ("let_condition", "instanceof_expression", "type_pattern", "record_pattern_component")


def bindings_of(source: Source, function: Node) -> Iterator[Binding]:
    """What a function binds, in the order of the text."""
    grammar = source.grammar
    pending = [(function, function)]
    while pending:
        node, scope = pending.pop()  # `scope` is the innermost node around `node` that keeps names
        if node.type in grammar.scopes:
            around, scope = scope, node
        else:
            around = scope
        if node.type in grammar.declarations and node != function:
            yield from _declared(source, node, around if node.type in _DEFINITIONS else scope)
        pending.extend((child, scope) for child in reversed(node.named_children))


def _declared(source: Source, node: Node, scope: Node) -> Iterator[Binding]:
    fields = source.grammar.declarations[node.type]
    targets = [child for field in fields for child in node.children_by_field_name(field)]
    end = _holds(scope).end_byte if node.type in _CONDITIONS else scope.end_byte
    for target in targets if fields else node.named_children:
        for each in _names_in(target):
            name = source.node_text(each)
            if source.language == "rust" and name[:1].isupper():  # a constant or a variant, which is compared with
                continue
            kind: Kind = "definition" if node.type in _DEFINITIONS else "variable"
            yield Binding(name, each, kind, _start(node, target), end)


def _start(node: Node, target: Node) -> int:
    """Where what `node` binds can be read from: in a loop or a function in its body, else behind the declaration."""
    if node.type in _DEFINITIONS:
        return node.end_byte
    body = node.child_by_field_name("body")
    if body is not None:
        return body.start_byte
    return target.end_byte if node.type == "match_arm" else node.end_byte


def _holds(scope: Node) -> Node:
    return scope.child_by_field_name("consequence") or scope.child_by_field_name("body") or scope


def _names_in(target: Node) -> Iterator[Node]:
    """Every plain name in a target, without types, default values and sizes."""
    pending = [target]
    while pending:
        node = pending.pop()
        if node.type in _IDENTIFIERS:
            yield node
        if node.type in _NO_TARGETS:
            continue
        for index in reversed(range(node.child_count)):
            field = node.field_name_for_child(index)
            if field in _NO_TARGET_FIELDS or (field == "value" and node.type in _PARAMETERS):
                continue
            child = node.child(index)
            if child is not None and child.is_named:
                pending.append(child)
