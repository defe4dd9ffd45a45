"""Swapped arguments: two neighbouring positional arguments of a call, in the other order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.grammars import Grammar, words_of
from dsassist.review.likelihood.roles import called_node
from dsassist.review.likelihood.site import Candidate, Site

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["is_simple", "last_name", "swapped"]

_SIMPLE_LITERALS = words_of(
    "integer float true false none string number null undefined int_literal float_literal rune_literal nil"
    " interpreted_string_literal raw_string_literal integer_literal boolean_literal char_literal string_literal"
    " decimal_integer_literal decimal_floating_point_literal character_literal null_literal number_literal"
)

# The last names of calls whose value does not depend on the order, or hardly; assertions are such, too.
_COMMUTATIVE = frozenset(
    {"add", "allclose", "eq", "gather", "gcd", "hypot", "intersection", "isclose", "lcm", "logaddexp", "max"}
    | {"maximum", "min", "minimum", "mul", "ne", "print", "product", "samefile", "union", "zip", "println", "swap"}
)


def swapped(site: Site) -> Iterator[Candidate]:
    """Two simple arguments that stand side by side, changed over; at least one of them is a name."""
    grammar = site.grammar
    for node in site.changed_nodes:
        parent = node.parent
        if parent is None or parent.type not in grammar.arguments or _is_commutative(site, parent):
            continue
        for one, two in ((node, node.next_named_sibling), (node.prev_named_sibling, node)):
            if one is None or two is None or not is_simple(grammar, one) or not is_simple(grammar, two):
                continue
            if one.type in grammar.literals and two.type in grammar.literals:
                continue
            between = site.source.data[one.end_byte : two.start_byte].decode("utf-8")
            yield site.candidate(
                "swapped-arguments", one.start_byte, two.end_byte, site.text(two) + between + site.text(one)
            )


def is_simple(grammar: Grammar, node: Node) -> bool:
    """A name, a chain of attributes, or a literal; neither `*rest` nor `key=value`."""
    while node.type in grammar.members and node.type not in grammar.calls:
        owner = node.child_by_field_name(grammar.members[node.type][0])
        if owner is None or owner.type in grammar.literals:
            return False
        node = owner
    return node.type in ("identifier", "self", "this") or node.type in _SIMPLE_LITERALS & grammar.literals


def _is_commutative(site: Site, arguments: Node) -> bool:
    call = arguments.parent
    if call is None or call.type not in site.grammar.calls:
        return False
    name = last_name(site.text(called_node(site.grammar, call)))
    return name in _COMMUTATIVE or name.lower().startswith("assert")


def last_name(text: str) -> str:
    """The `c` of `a.b.c`, `a->c` and `a::c`."""
    return re.split(r"\W+", text)[-1]
