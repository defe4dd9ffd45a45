"""Wrong comparison and boolean operators, and conditions or calls that lack a word: `not`, `await`.

Alternatives that mean the same as another one are not proposed: the operands of a comparison are never swapped, `not
a == b` is `a != b`, and only simple conditions are turned round.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.likelihood.site import Candidate, Site

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["booleans", "comparisons", "missing_await", "missing_not"]

_COMPARISONS = {
    "<": ("<=", ">", ">="),
    "<=": ("<", ">=", ">"),
    ">": (">=", "<", "<="),
    ">=": (">", "<=", "<"),
    "==": ("!=",),
    "!=": ("==",),
}
_SIMPLE = ("identifier", "attribute", "call", "subscript")
_CONDITION_OF = ("if_statement", "elif_clause", "while_statement", "assert_statement", "if_clause")


def comparisons(site: Site) -> Iterator[Candidate]:
    """Other orderings, equality turned round, and `is` and `in` with their `not` put in or taken out."""
    for node in site.changed_nodes:
        if node.parent is None or node.parent.type != "comparison_operator":
            continue
        for other in _COMPARISONS.get(node.type, ()):
            yield site.candidate("comparison", node.start_byte, node.end_byte, other)
        if node.type == "is":
            yield site.candidate("comparison", node.end_byte, node.end_byte, " not", node)
        elif node.type == "in":
            yield site.candidate("comparison", node.start_byte, node.start_byte, "not ", node)
        elif node.type == "is not":
            yield site.candidate("comparison", node.children[0].end_byte, node.end_byte, "", node)
        elif node.type == "not in":
            yield site.candidate("comparison", node.start_byte, node.children[-1].start_byte, "", node)


def booleans(site: Site) -> Iterator[Candidate]:
    """`and` for `or`, and the other way round."""
    for node in site.changed_nodes:
        if node.type in ("and", "or") and node.parent is not None and node.parent.type == "boolean_operator":
            yield site.candidate("boolean", node.start_byte, node.end_byte, "or" if node.type == "and" else "and")


def missing_not(site: Site) -> Iterator[Candidate]:
    """A simple condition turned round, by a `not` put in or taken out."""
    for node in site.changed_nodes:
        if node.type == "not_operator":
            argument = node.child_by_field_name("argument")
            if argument is not None and argument.type in _SIMPLE and _is_condition(node):
                yield site.candidate("missing-not", node.start_byte, argument.start_byte, "", node)
        elif node.type in _SIMPLE and _is_condition(node):
            yield site.candidate("missing-not", node.start_byte, node.start_byte, "not ", node)


def _is_condition(node: Node) -> bool:
    """Whether a node is a whole condition or an operand of one, so that a `not` before it belongs to it alone."""
    parent = node.parent
    while parent is not None and parent.type == "boolean_operator":
        node, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type == "conditional_expression":
        return parent.named_child_count == 3 and parent.named_children[1] == node
    return parent.type in _CONDITION_OF and parent.named_children[0] == node


def missing_await(site: Site) -> Iterator[Candidate]:
    """A call in an async function whose result is used or dropped at once, without `await`."""
    for node in site.changed_nodes:
        if node.type == "call" and _may_be_awaited(site, node) and _is_in_async_function(node):
            yield site.candidate("missing-await", node.start_byte, node.start_byte, "await ", node)


def _may_be_awaited(site: Site, node: Node) -> bool:
    """Calls whose value a statement takes as it is; an argument may be a coroutine that another function awaits."""
    parent, function = node.parent, node.child_by_field_name("function")
    if parent is None or function is None or function.type not in ("identifier", "attribute"):
        return False
    name = site.text(function).rpartition(".")[2]
    if name.lstrip("_")[:1].isupper() or (function.type == "identifier" and hasattr(builtins, name)):
        return False
    if parent.type == "assignment":
        return parent.child_by_field_name("right") == node
    return parent.type in ("expression_statement", "return_statement")


def _is_in_async_function(node: Node) -> bool:
    parent = node.parent
    while parent is not None and parent.type not in ("function_definition", "lambda"):
        parent = parent.parent
    return parent is not None and parent.type == "function_definition" and parent.children[0].type == "async"
