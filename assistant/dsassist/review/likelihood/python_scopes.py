"""The bindings of a Python function: parameters, assignments, loops, `with`, `except`, patterns, comprehensions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.likelihood.scopes import Binding, Kind
from dsassist.review.source import Source, walk

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["bindings_in", "bindings_of"]

_COMPREHENSIONS = ("list_comprehension", "set_comprehension", "dictionary_comprehension", "generator_expression")
_NO_TARGETS = ("attribute", "subscript", "call", "type")


def bindings_of(source: Source, function: Node) -> Iterator[Binding]:
    """What a function binds, its parameters first."""
    binder = _Binder(source)
    scope = function.child_by_field_name("body") or function
    yield from binder.parameters(function, scope)
    yield from binder.below(scope)


def bindings_in(source: Source, block: Node) -> Iterator[Binding]:
    """What a block and everything below it binds."""
    return _Binder(source).below(block)


class _Binder:
    """Finds what binds a name, and how far that can be read."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def below(self, top: Node) -> Iterator[Binding]:
        """Bindings by a block and what lies below it, in the order of the text."""
        pending = [(top, top)]
        while pending:
            node, scope = pending.pop()  # `scope` is the innermost block around `node` that keeps names
            yield from self._bound_by(node, scope)
            inner = _scope_inside(node) or scope
            pending.extend((child, inner) for child in reversed(node.named_children))

    def _bound_by(self, node: Node, scope: Node) -> Iterator[Binding]:
        """Bindings by a node itself."""
        if node.type in ("function_definition", "class_definition"):
            yield from self._targets(node.child_by_field_name("name"), node.end_byte, scope, "definition")
        if node.type in ("function_definition", "lambda"):
            yield from self.parameters(node, _scope_inside(node) or node)
        elif node.type in _COMPREHENSIONS:
            yield from self._comprehension(node)
        else:
            yield from self._statement(node, scope)

    def _statement(self, node: Node, scope: Node) -> Iterator[Binding]:
        """Bindings that a statement or an expression makes in the scope around it, readable once it is done."""
        if node.type == "assignment":
            yield from self._targets(node.child_by_field_name("left"), node.end_byte, scope)
        elif node.type == "named_expression":
            yield from self._targets(node.child_by_field_name("name"), node.end_byte, scope)
        elif node.type == "for_statement":
            iterable = node.child_by_field_name("right")
            yield from self._targets(node.child_by_field_name("left"), (iterable or node).end_byte, scope)
        elif node.type == "as_pattern":
            clause = node.parent
            inner = clause if clause is not None and clause.type.startswith("except") else scope
            yield from self._targets(node.child_by_field_name("alias"), node.end_byte, inner)
        elif node.type == "case_clause":
            for pattern in node.named_children:
                if pattern.type == "case_pattern":
                    yield from self._targets(pattern, pattern.end_byte, node)
        elif node.type in ("import_statement", "import_from_statement"):
            yield from self._targets(node, node.end_byte, scope, "import")

    def parameters(self, node: Node, scope: Node) -> Iterator[Binding]:
        """The parameters of a function or a lambda, without their defaults and annotations."""
        parameters = node.child_by_field_name("parameters")
        for parameter in [] if parameters is None else parameters.named_children:
            target = parameter.child_by_field_name("name")
            if target is None:  # plain, starred, or typed (whose name is its first child)
                target = parameter.named_children[0] if parameter.type == "typed_parameter" else parameter
            yield from self._targets(target, scope.start_byte, scope)

    def _comprehension(self, node: Node) -> Iterator[Binding]:
        """Its loop variables: readable all over it, but for the first iterable, which is evaluated outside."""
        clauses = [child for child in node.named_children if child.type == "for_in_clause"]
        first = clauses[0].child_by_field_name("right") if clauses else None
        hidden = (0, 0) if first is None else (first.start_byte, first.end_byte)
        for clause in clauses:
            yield from self._targets(clause.child_by_field_name("left"), node.start_byte, node, hidden=hidden)

    def _targets(
        self, node: Node | None, start: int, scope: Node, kind: Kind = "variable", hidden: tuple[int, int] = (0, 0)
    ) -> Iterator[Binding]:
        """Every plain name in a target; `a.b` and `a[b]` bind none."""
        for each in () if node is None else walk(node, but=_NO_TARGETS):
            if each.type == "identifier":
                yield Binding(self._source.node_text(each), each, kind, start, scope.end_byte, hidden)


def _scope_inside(node: Node) -> Node | None:
    """The part of a node that keeps the names bound in it; None when the names go to the scope around it."""
    if node.type in ("function_definition", "class_definition", "lambda"):
        return node.child_by_field_name("body") or node
    return node if node.type in _COMPREHENSIONS else None
