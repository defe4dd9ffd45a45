"""Wrong names and attributes: another one that the same function uses, where what is written stands at least twice.

Both come from the function itself: a name from elsewhere was guesswork when measured on real fixes, and a name of
several tokens that the text has not shown yet made most false alarms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from dsassist.review.likelihood.roles import is_called, is_keyword, is_label, is_member_name, is_target
from dsassist.review.likelihood.site import Candidate, Site, in_turn

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "NEVER",
    "Spelling",
    "is_read",
    "repeats_its_neighbour",
    "spelling",
    "use_of",
    "wrong_attributes",
    "wrong_names",
]

_LEAST_USES = 2
NEVER = frozenset({"self", "cls", "mcs", "super", "this", "_", "__", "__class__", "undefined"})
"""Names that are no choice."""

Spelling = Literal["constant", "class", "variable"]


def wrong_names(site: Site) -> Iterator[Candidate]:
    """Each name that is read, replaced by others of its kind that can be read there."""
    globals_used = _globals_used(site)
    places = (node for node in site.changed_nodes if node.type == "identifier" and is_read(site, node))
    return in_turn(_other_names(site, node, globals_used) for node in places)


def _other_names(site: Site, node: Node, globals_used: dict[tuple[Spelling, bool], list[str]]) -> Iterator[Candidate]:
    written = site.text(node)
    if written in NEVER or site.names.written[written] < _LEAST_USES or _is_module(site, node):
        return
    for other in _alternatives(site, node, written, globals_used):
        if other != written and other not in NEVER and not repeats_its_neighbour(site, node, other):
            yield site.candidate("name", node.start_byte, node.end_byte, other)


def _alternatives(
    site: Site, node: Node, written: str, globals_used: dict[tuple[Spelling, bool], list[str]]
) -> list[str]:
    """For a variable other variables, the nearest first; for a function or a global others spelt and used alike."""
    visible = site.names.visible(node.start_byte)
    visible.sort(key=lambda binding: abs(binding.node.start_byte - node.start_byte))
    if site.names.is_bound(written) and not is_called(site.grammar, node):
        return [binding.name for binding in visible if binding.kind == "variable"]
    can_be_read = {binding.name for binding in visible}
    return [
        other
        for other in globals_used.get((spelling(written), is_called(site.grammar, node)), ())
        if not site.names.is_bound(other) or other in can_be_read
    ]


def _globals_used(site: Site) -> dict[tuple[Spelling, bool], list[str]]:
    """The names that the function reads, by spelling and by whether they are called; variables only if called."""
    used: dict[tuple[Spelling, bool], dict[str, None]] = {}
    for node in site.nodes:
        if node.type == "identifier" and is_read(site, node) and not _is_module(site, node):
            name = site.text(node)
            if is_called(site.grammar, node) or not site.names.is_bound(name):
                used.setdefault((spelling(name), is_called(site.grammar, node)), {})[name] = None
    return {kind: list(names) for kind, names in used.items()}


def _is_module(site: Site, node: Node) -> bool:
    """Whether a name may stand for a package or a type: `fmt` in `fmt.Println`. Of Python's the model judges."""
    parent = node.parent
    return (
        site.source.language != "python"
        and parent is not None
        and parent.type in site.grammar.members
        and not site.names.is_bound(site.text(node))
    )


def wrong_attributes(site: Site) -> Iterator[Candidate]:
    """Each attribute that is read, replaced by others that the function uses on such objects in the same way."""
    members = [node for node in site.nodes if node.type in site.grammar.members and use_of(site, node)[0]]
    written_times = Counter(_attribute_of(site, node) for node in members)
    used: dict[tuple[str, bool], dict[str, None]] = {}
    for node in members:
        used.setdefault(use_of(site, node), {})[_attribute_of(site, node)] = None
    places = (
        node
        for node in site.changed_nodes
        if node.type in site.grammar.members and use_of(site, node)[0] and not is_target(site.grammar, node)
    )
    return in_turn(
        _other_attributes(site, node, used)
        for node in places
        if written_times[_attribute_of(site, node)] >= _LEAST_USES
    )


def _other_attributes(site: Site, node: Node, used: dict[tuple[str, bool], dict[str, None]]) -> Iterator[Candidate]:
    name_node = node.child_by_field_name(site.grammar.members[node.type][1])
    if name_node is None:
        return
    written = site.text(name_node)
    before = site.source.data[node.start_byte : name_node.start_byte].decode("utf-8")
    for other in _of_such_objects(used, use_of(site, node)):
        if other != written and not repeats_its_neighbour(site, node, before + other):
            yield site.candidate("attribute", name_node.start_byte, name_node.end_byte, other)


def _of_such_objects(used: dict[tuple[str, bool], dict[str, None]], use: tuple[str, bool]) -> list[str]:
    """The attributes of the object itself, and of others that share one with it."""
    own = used[use]
    alike = (names for (_, called), names in used.items() if called == use[1] and not own.keys().isdisjoint(names))
    return list(dict.fromkeys(name for names in (own, *alike) for name in names))


def _attribute_of(site: Site, node: Node) -> str:
    return site.text(node.child_by_field_name(site.grammar.members[node.type][1]))


def use_of(site: Site, node: Node) -> tuple[str, bool]:
    """The object of a member, as it is written, and whether the member is called; no object where Java has none."""
    owner = node.child_by_field_name(site.grammar.members[node.type][0])
    return site.text(owner), is_called(site.grammar, node)


def spelling(name: str) -> Spelling:
    """What a name looks like: `LIMIT`, `Limit` or `limit`."""
    bare = name.lstrip("_")
    if bare.isupper() and len(bare) > 1:
        return "constant"
    return "class" if bare[:1].isupper() else "variable"


def is_read(site: Site, node: Node) -> bool:
    """Whether an identifier is an expression, or part of one."""
    grammar = site.grammar
    if node.id in site.names.binding_ids or is_member_name(grammar, node) or is_keyword(node):
        return False
    parent = node.parent
    if parent is not None and (parent.type in grammar.functions or parent.type in grammar.types):
        # The definition's own name; a short function has its value there, too.
        return parent.child_by_field_name("body") == node and node.id in site.expression_ids
    return node.id in site.expression_ids and not is_label(grammar, node) and not is_target(grammar, node)


def repeats_its_neighbour(site: Site, node: Node, text: str) -> bool:
    """Whether `text` at `node` would make two equal operands: `x < x`, `x or x`, `x - x`, `x = x`."""
    parent = node.parent
    if parent is None or (parent.type not in site.grammar.binary and parent.type not in site.grammar.assignments):
        return False
    return any(child != node and site.text(child) == text for child in parent.named_children)
