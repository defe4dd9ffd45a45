"""Operands that are changed over, or of which one is too many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.likelihood.arguments import is_simple
from dsassist.review.likelihood.operators import is_textual
from dsassist.review.likelihood.roles import operator_of
from dsassist.review.likelihood.site import Candidate, Site

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["dropped_operands", "swapped_operands"]

_ORDERED = frozenset({"-", "/", "//", "%", "**", "<<", ">>", ">>>", "&^"})
_EITHER_MAY_GO = frozenset({"+", "*"})


def swapped_operands(site: Site) -> Iterator[Candidate]:
    """Simple operands, changed over, of an operator whose result depends on their order."""
    for node in site.changed_nodes:
        if (sides := _sides(site, node)) is None or not _depends_on_order(site, node):
            continue
        left, right = sides
        simple = is_simple(site.grammar, left) and is_simple(site.grammar, right)
        if not simple or {left.type, right.type} <= site.grammar.literals or site.text(left) == site.text(right):
            continue
        between = site.source.data[left.end_byte : right.start_byte].decode("utf-8")
        swapped = site.text(right) + between + site.text(left)
        yield site.candidate("swapped-operands", left.start_byte, right.end_byte, swapped)


def _depends_on_order(site: Site, node: Node) -> bool:
    operator = operator_of(node)
    if operator == "+":  # which joins texts
        return is_textual(site, node)
    if site.source.language == "python" and operator in ("in", "not in"):
        return True
    known = operator in site.grammar.arithmetic or operator in site.grammar.bitwise
    return known and operator in _ORDERED and not is_textual(site, node)


def dropped_operands(site: Site) -> Iterator[Candidate]:
    """A condition or a sum without one of its operands."""
    junctions = (site.grammar.conjunction, site.grammar.disjunction)
    for node in site.changed_nodes:
        if (sides := _sides(site, node)) is None:
            continue
        left, right = sides
        operator = operator_of(node)
        if operator not in junctions and (operator not in site.grammar.arithmetic or is_textual(site, node)):
            continue
        yield site.candidate("dropped-operand", left.end_byte, right.end_byte, "", node)
        is_chain = left.type in site.grammar.binary and operator_of(left) == operator
        if (operator in junctions or operator in _EITHER_MAY_GO) and not is_chain:
            yield site.candidate("dropped-operand", left.start_byte, right.start_byte, "", node)


def _sides(site: Site, node: Node) -> tuple[Node, Node] | None:
    if node.type not in site.grammar.binary or node.type == "let_chain":
        return None
    named = [child for child in node.named_children if not child.type.endswith("comment")]
    return (named[0], named[1]) if len(named) == 2 else None
