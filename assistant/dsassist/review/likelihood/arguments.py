"""Swapped arguments: two neighbouring positional arguments of a call, in the other order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.likelihood.site import Candidate, Site

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["swapped"]

_LITERALS = frozenset({"integer", "float", "true", "false", "none", "string"})

# The last names of calls whose value does not depend on the order, or hardly; assertions are such, too.
_COMMUTATIVE = frozenset(
    {"add", "allclose", "eq", "gather", "gcd", "hypot", "intersection", "isclose", "lcm", "logaddexp", "max"}
    | {"maximum", "min", "minimum", "mul", "ne", "print", "product", "samefile", "union", "zip"}
)


def swapped(site: Site) -> Iterator[Candidate]:
    """Two simple arguments that stand side by side, changed over; at least one of them is a name."""
    for node in site.changed_nodes:
        parent = node.parent
        if parent is None or parent.type != "argument_list" or _is_commutative(site, parent):
            continue
        for one, two in ((node, node.next_named_sibling), (node.prev_named_sibling, node)):
            if one is None or two is None or not _is_simple(one) or not _is_simple(two):
                continue
            if one.type in _LITERALS and two.type in _LITERALS:
                continue
            between = site.source.data[one.end_byte : two.start_byte].decode("utf-8")
            yield site.candidate(
                "swapped-arguments", one.start_byte, two.end_byte, site.text(two) + between + site.text(one)
            )


def _is_simple(node: Node) -> bool:
    """A name, a chain of attributes, or a literal; neither `*rest` nor `key=value`."""
    if node.type == "attribute":
        owner = node.child_by_field_name("object")
        return owner is not None and owner.type in ("identifier", "attribute") and _is_simple(owner)
    return node.type == "identifier" or node.type in _LITERALS


def _is_commutative(site: Site, arguments: Node) -> bool:
    call = arguments.parent
    function = None if call is None else call.child_by_field_name("function")
    name = site.text(function).rpartition(".")[2]
    return name in _COMMUTATIVE or name.lower().startswith("assert")
