"""Wrong names and attributes: another one that the same function uses, where what is written stands at least twice.

Both come from the function itself: a name from elsewhere was guesswork when measured on real fixes, and a name of
several tokens that the text has not shown yet made most false alarms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.likelihood.scopes import is_attribute_name, is_called, is_keyword
from dsassist.review.likelihood.site import Candidate, Site, in_turn

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["wrong_attributes", "wrong_names"]

_LEAST_USES = 2
_NEVER = frozenset({"self", "cls", "mcs", "super", "_", "__", "__class__"})
_TARGETS = ("pattern_list", "tuple_pattern", "list_pattern", "list_splat_pattern")
# Of two equal operands one is superfluous: `x < x`, `x or x`, `x - x`, `x = x`.
_OF_TWO_SIDES = ("comparison_operator", "boolean_operator", "binary_operator", "assignment", "named_expression")

_Spelling = str  # "constant", "class" or "variable"


def wrong_names(site: Site) -> Iterator[Candidate]:
    """Each name that is read, replaced by others of its kind that can be read there."""
    globals_used = _globals_used(site)
    places = (node for node in site.changed_nodes if node.type == "identifier" and _is_read(site, node))
    return in_turn(_other_names(site, node, globals_used) for node in places)


def _other_names(site: Site, node: Node, globals_used: dict[tuple[_Spelling, bool], list[str]]) -> Iterator[Candidate]:
    written = site.text(node)
    if written in _NEVER or site.names.written[written] < _LEAST_USES:
        return
    for other in _alternatives(site, node, written, globals_used):
        if other != written and other not in _NEVER and not _repeats_its_neighbour(site, node, other):
            yield site.candidate("name", node.start_byte, node.end_byte, other)


def _alternatives(
    site: Site, node: Node, written: str, globals_used: dict[tuple[_Spelling, bool], list[str]]
) -> list[str]:
    """For a variable other variables, the nearest first; for a function or a global others spelt and used alike."""
    visible = site.names.visible(node.start_byte)
    visible.sort(key=lambda binding: abs(binding.node.start_byte - node.start_byte))
    if site.names.is_bound(written) and not is_called(node):
        return [binding.name for binding in visible if binding.kind == "variable"]
    can_be_read = {binding.name for binding in visible}
    return [
        other
        for other in globals_used.get((_spelling(written), is_called(node)), ())
        if not site.names.is_bound(other) or other in can_be_read
    ]


def _globals_used(site: Site) -> dict[tuple[_Spelling, bool], list[str]]:
    """The names that the function reads, by spelling and by whether they are called; variables only if called."""
    used: dict[tuple[_Spelling, bool], dict[str, None]] = {}
    for node in site.nodes:
        if node.type == "identifier" and _is_read(site, node):
            name = site.text(node)
            if is_called(node) or not site.names.is_bound(name):
                used.setdefault((_spelling(name), is_called(node)), {})[name] = None
    return {kind: list(names) for kind, names in used.items()}


def wrong_attributes(site: Site) -> Iterator[Candidate]:
    """Each attribute that is read, replaced by others that the function uses on such objects in the same way."""
    attributes = [node for node in site.nodes if node.type == "attribute"]
    written_times = Counter(_attribute_of(site, node) for node in attributes)
    used: dict[tuple[str, bool], dict[str, None]] = {}
    for node in attributes:
        used.setdefault(_use_of(site, node), {})[_attribute_of(site, node)] = None
    places = (node for node in site.changed_nodes if node.type == "attribute" and not _is_target(node))
    return in_turn(
        _other_attributes(site, node, used)
        for node in places
        if written_times[_attribute_of(site, node)] >= _LEAST_USES
    )


def _other_attributes(site: Site, node: Node, used: dict[tuple[str, bool], dict[str, None]]) -> Iterator[Candidate]:
    name_node = node.child_by_field_name("attribute")
    if name_node is None:
        return
    written = site.text(name_node)
    owner = site.text(node).removesuffix(written)
    for other in _of_such_objects(used, _use_of(site, node)):
        if other != written and not _repeats_its_neighbour(site, node, owner + other):
            yield site.candidate("attribute", name_node.start_byte, name_node.end_byte, other)


def _of_such_objects(used: dict[tuple[str, bool], dict[str, None]], use: tuple[str, bool]) -> list[str]:
    """The attributes of the object itself, and of others that share one with it."""
    own = used[use]
    alike = (names for (_, called), names in used.items() if called == use[1] and not own.keys().isdisjoint(names))
    return list(dict.fromkeys(name for names in (own, *alike) for name in names))


def _attribute_of(site: Site, node: Node) -> str:
    return site.text(node.child_by_field_name("attribute"))


def _use_of(site: Site, node: Node) -> tuple[str, bool]:
    """The object, as it is written, and whether the attribute is called."""
    return site.text(node.child_by_field_name("object")), is_called(node)


def _spelling(name: str) -> _Spelling:
    bare = name.lstrip("_")
    if bare.isupper() and len(bare) > 1:
        return "constant"
    return "class" if bare[:1].isupper() else "variable"


def _is_read(site: Site, node: Node) -> bool:
    """Whether an identifier is an expression, or part of one."""
    if node.id in site.names.binding_ids or is_attribute_name(node) or is_keyword(node) or _is_target(node):
        return False
    parent = node.parent
    if parent is not None and parent.type in ("function_definition", "class_definition"):
        return False  # the definition's own name
    return node.id in site.expression_ids


def _is_target(node: Node) -> bool:
    """Whether a node is what an assignment, a loop or `as` binds."""
    child, parent = node, node.parent
    while parent is not None and parent.type in _TARGETS:
        child, parent = parent, parent.parent
    if parent is None:
        return False
    if parent.type in ("assignment", "augmented_assignment", "for_statement", "for_in_clause"):
        return parent.child_by_field_name("left") == child
    if parent.type == "named_expression":
        return parent.child_by_field_name("name") == child
    return parent.type == "as_pattern_target"


def _repeats_its_neighbour(site: Site, node: Node, text: str) -> bool:
    parent = node.parent
    if parent is None or parent.type not in _OF_TWO_SIDES:
        return False
    return any(child != node and site.text(child) == text for child in parent.named_children)
