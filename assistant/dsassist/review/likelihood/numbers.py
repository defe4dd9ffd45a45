"""Off by one: literals, indices, and the bounds of slices and ranges; flags and default values turned round.

All of it is guesswork without far stronger evidence than a wrong name needs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.likelihood.arguments import last_name
from dsassist.review.likelihood.roles import called_node, is_condition, operator_of
from dsassist.review.likelihood.site import Candidate, Family, Site
from dsassist.review.source import walk

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["defaults", "flags", "off_by_one"]

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,2}")
_FLIPPED = {"True": "False", "False": "True", "true": "false", "false": "true"}
_RANGES = ("slice", "slice_expression", "range_expression")
_CUTS = frozenset({"range", "slice", "substring", "subList", "subarray", "substr"})
_SUMS = ("+", "-")
_NEGATIVE = ("unary_operator", "unary_expression")
_AROUND_INDEX = ("subscript_argument_list",)
# Of other names in brackets nobody knows whether they count anything.
_COUNTS = re.compile(
    r"_*[a-z]|.*(?:index|idx|pos|position|offset|start|end|stop|len|length|count|size|row|col|column|line|low|high|left"
    r"|right|begin|num|limit|first|last|width|height|depth|level|step|page|total)s?",
    re.IGNORECASE,
)
_FLAG_PLACES = ("keyword_argument", "pair", "return_statement", "return_expression", "field_initializer")


def off_by_one(site: Site) -> Iterator[Candidate]:
    """One more or one less: of a literal, an index, a bound."""
    for node in site.changed_nodes:
        if node.type in site.grammar.integers:
            yield from _other_literals(site, node)
        elif node.type in site.grammar.binary:
            yield from _without_one(site, node)
        if _is_counting(site, node):
            yield from _one_more_or_less(site, node)
        if node.type in _RANGES:
            yield from _other_side(site, node)
        elif node.type in site.grammar.calls:
            yield from _other_beginning(site, node)


def flags(site: Site) -> Iterator[Candidate]:
    """True for False, where a value is passed, assigned or returned."""
    for node in site.changed_nodes:
        if (flipped := _flipped(site, node)) and _is_passed(site, node):
            yield site.candidate("flag", node.start_byte, node.end_byte, flipped)


def defaults(site: Site) -> Iterator[Candidate]:
    """Another default value of a parameter: True for False, one more or less, None for what all calls would share."""
    body = site.function.node.child_by_field_name("body")
    for node in walk(site.function.node):
        field = site.grammar.defaults.get(node.type)
        value = None if field is None else node.child_by_field_name(field)
        # In JavaScript destructuring has default values, too, and those of a body are no parameters'.
        if value is None or not site.is_changed(value) or (body is not None and value.start_byte >= body.start_byte):
            continue
        for other in _other_defaults(site, value):
            yield site.candidate("default-argument", value.start_byte, value.end_byte, other)


def _other_defaults(site: Site, value: Node) -> Iterator[str]:
    text = site.text(value)
    if flipped := _flipped(site, value):
        yield flipped
    elif value.type in site.grammar.integers and _DECIMAL.fullmatch(text):
        yield from (str(other) for other in (int(text) + 1, int(text) - 1) if other >= 0)
    elif site.source.language == "python" and text in ("[]", "{}", "set()", "list()", "dict()"):
        yield "None"


def _flipped(site: Site, node: Node) -> str:
    return _FLIPPED.get(site.text(node), "") if node.type in ("true", "false", "boolean_literal") else ""


def _is_passed(site: Site, node: Node) -> bool:
    parent = node.parent
    if parent is None or is_condition(site.grammar, node):
        return False
    if parent.type in site.grammar.arguments or parent.type in _FLAG_PLACES:
        return True
    if parent.type == "expression_list":  # Go: of `return` and of assignments
        return True
    return node in (parent.child_by_field_name("right"), parent.child_by_field_name("value"))


def _family(site: Site, node: Node) -> Family:
    """A bound where the node belongs to a slice or a range, through sums and signs."""
    parent = node.parent
    while parent is not None and (parent.type in site.grammar.binary or parent.type in _NEGATIVE):
        node, parent = parent, parent.parent
    return "bound" if parent is not None and _is_cut(site, parent) else "off-by-one"


def _is_cut(site: Site, node: Node) -> bool:
    if node.type in _RANGES:
        return True
    call = node.parent
    if node.type not in site.grammar.arguments or call is None or call.type not in site.grammar.calls:
        return False
    return last_name(site.text(called_node(site.grammar, call))) in _CUTS


def _other_literals(site: Site, node: Node) -> Iterator[Candidate]:
    text, parent = site.text(node), node.parent
    if parent is None or not _DECIMAL.fullmatch(text):
        return
    if parent.type in site.grammar.binary and operator_of(parent) not in (*_SUMS, *site.grammar.comparisons):
        return  # factors and masks are not counted up
    is_negative = parent.type in _NEGATIVE
    for other in (int(text) + 1, int(text) - 1):
        if other > 0 or (other == 0 and not is_negative):
            yield site.candidate(_family(site, node), node.start_byte, node.end_byte, str(other))


def _without_one(site: Site, node: Node) -> Iterator[Candidate]:
    """`n` for `n + 1` and for `n - 1`."""
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if left is None or right is None or operator_of(node) not in _SUMS or site.text(right) != "1":
        return
    yield site.candidate(_family(site, node), left.end_byte, right.end_byte, "", node)


def _is_counting(site: Site, node: Node) -> bool:
    """Whether a node is a whole index or bound that a number stands for."""
    parent = node.parent
    if parent is None or parent.child_by_field_name("operand") == node:  # Go: what is cut
        return False
    is_length = node.type in site.grammar.calls and re.match(r"len\(|.*\b(?:size|length|len)\(\)$", site.text(node))
    if not is_length and not (node.type == "identifier" and _COUNTS.fullmatch(site.text(node))):
        return False
    if _is_cut(site, parent):
        return True
    if parent.type in _AROUND_INDEX:
        return parent.named_child_count == 1
    return parent.type in site.grammar.subscripts and parent.named_child_count == 2 and parent.named_children[1] == node


def _one_more_or_less(site: Site, node: Node) -> Iterator[Candidate]:
    for added in (" - 1", " + 1"):
        yield site.candidate(_family(site, node), node.end_byte, node.end_byte, added, node)


def _other_side(site: Site, node: Node) -> Iterator[Candidate]:
    """`a[:n]` for `a[n:]`; in Rust a range with its end or without."""
    marks = [child for child in node.children if child.type in (":", "..", "..=")]
    if site.source.language == "rust" and node.named_child_count == 2:
        mark = marks[0]
        other = ".." if mark.type == "..=" else "..="
        yield site.candidate("bound", mark.start_byte, mark.end_byte, other)
    bounds = [child for child in node.named_children if child != node.child_by_field_name("operand")]
    if len(marks) != 1 or len(bounds) != 1 or marks[0].type == "..=":
        return
    mark, bound = marks[0], bounds[0]
    first, last = (mark, bound) if mark.start_byte < bound.start_byte else (bound, mark)
    between = site.source.data[first.end_byte : last.start_byte].decode("utf-8")
    swapped = site.text(last) + between + site.text(first)
    yield site.candidate("bound", first.start_byte, last.end_byte, swapped)


def _other_beginning(site: Site, call: Node) -> Iterator[Candidate]:
    """`range(1, n)` for `range(n)`, and the other way round."""
    arguments = call.child_by_field_name("arguments")
    if site.source.language != "python" or arguments is None or site.text(called_node(site.grammar, call)) != "range":
        return
    given = [child for child in arguments.named_children if child.type != "comment"]
    if len(given) == 1 and given[0].type != "list_splat":
        yield site.candidate("bound", given[0].start_byte, given[0].start_byte, "1, ", arguments)
    elif len(given) == 2 and site.text(given[0]) == "1":
        yield site.candidate("bound", given[0].start_byte, given[1].start_byte, "", arguments)
