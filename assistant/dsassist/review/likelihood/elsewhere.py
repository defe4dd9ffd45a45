"""What else the file names: members of such objects, functions and constants, exceptions. Far weaker than what the
function itself names, for a model and for a reader.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from dsassist.review.grammars import Grammar
from dsassist.review.likelihood import plain_scopes, python_scopes
from dsassist.review.likelihood.names import NEVER, Spelling, is_read, repeats_its_neighbour, spelling, use_of
from dsassist.review.likelihood.roles import is_called, is_target
from dsassist.review.likelihood.scopes import Binding
from dsassist.review.likelihood.site import Candidate, Site, in_turn
from dsassist.review.source import Source, walk

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["FileFacts", "attributes_of_file", "file_facts", "names_of_file", "thrown_types"]

_T = TypeVar("_T", str, tuple[str, bool])

_MOST_OTHERS = 12  # at a place, the most frequent first


def attributes_of_file(site: Site) -> Iterator[Candidate]:
    """Each attribute that is read, replaced by others that the file uses on an object of that name in the same way."""
    places = (
        node
        for node in site.changed_nodes
        if node.type in site.grammar.members and use_of(site, node)[0] and not is_target(site.grammar, node)
    )
    return in_turn(_other_attributes(site, node) for node in places)


def _other_attributes(site: Site, node: Node) -> Iterator[Candidate]:
    name_node = node.child_by_field_name(site.grammar.members[node.type][1])
    if name_node is None:
        return
    owner, called = use_of(site, node)
    written = site.text(name_node)
    before = site.source.data[node.start_byte : name_node.start_byte].decode("utf-8")
    used = file_facts(site.source).members_of(owner, node)
    others = (name for name, is_call in used if is_call == called and name != written)
    for other in islice(others, _MOST_OTHERS):
        if not repeats_its_neighbour(site, node, before + other):
            yield site.candidate("file-attribute", name_node.start_byte, name_node.end_byte, other)


def names_of_file(site: Site) -> Iterator[Candidate]:
    """Each name of a function, a type or a constant, replaced by others that the file uses alike."""
    places = (node for node in site.changed_nodes if node.type == "identifier" and is_read(site, node))
    return in_turn(_other_names(site, node) for node in places)


def _other_names(site: Site, node: Node) -> Iterator[Candidate]:
    written = site.text(node)
    if written in NEVER or site.names.is_bound(written):
        return
    known = file_facts(site.source).names.get((spelling(written), is_called(site.grammar, node)), ())
    others = (name for name in known if name != written and name not in NEVER and not site.names.is_bound(name))
    for other in islice(others, _MOST_OTHERS):
        if not repeats_its_neighbour(site, node, other):
            yield site.candidate("file-name", node.start_byte, node.end_byte, other)


class FileFacts:
    """What a whole file names. Lists are by frequency, then by the alphabet."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._grammar = source.grammar
        nodes = list(walk(source.tree.root_node))
        self._types = [node for node in nodes if node.type in self._grammar.types]
        self._called = {
            called.id
            for node in nodes
            if node.type in self._grammar.calls and (called := node.child_by_field_name(self._grammar.calls[node.type]))
        }
        bindings = list(_bindings(source))
        root_end = source.tree.root_node.end_byte
        self.top_level = frozenset(binding.name for binding in bindings if binding.end == root_end)
        """Names that the module itself binds."""
        self.names = self._names(nodes, frozenset(binding.name for binding in bindings if binding.end != root_end))
        """Functions, types and constants by how they are spelt and whether they are called."""
        self.exceptions = _by_frequency(
            text
            for node in nodes
            if node.type in self._grammar.throws
            for each in thrown_types(self._grammar, node)
            if spelling((text := source.node_text(each)).rpartition(".")[2]) == "class"
        )
        self._members = self._used_members(nodes)

    def members_of(self, owner: str, at: Node) -> list[tuple[str, bool]]:
        """What is used of an object, and whether as a call; of `self` in the same class alone."""
        return self._members.get((owner, self._type_around(owner, at)), [])

    def _type_around(self, owner: str, at: Node) -> int:
        """The innermost type around a node, which makes `self` what it is; for others none is asked."""
        if owner != self._grammar.receiver:
            return -1
        around = [i for i, each in enumerate(self._types) if each.start_byte <= at.start_byte < each.end_byte]
        return around[-1] if around else -1

    def _used_members(self, nodes: list[Node]) -> dict[tuple[str, int], list[tuple[str, bool]]]:
        used: dict[tuple[str, int], list[tuple[str, bool]]] = defaultdict(list)
        for node in nodes:
            if node.type not in self._grammar.members:
                continue
            owner, name = (node.child_by_field_name(field) for field in self._grammar.members[node.type])
            if owner is None or name is None:
                continue
            text = self._source.node_text(owner)
            called = node.id in self._called or node.type in self._grammar.calls
            used[text, self._type_around(text, node)].append((self._source.node_text(name), called))
        return {key: _by_frequency(names) for key, names in used.items()}

    def _names(self, nodes: list[Node], local: frozenset[str]) -> dict[tuple[Spelling, bool], list[str]]:
        none = self._grammar.not_judged | self._grammar.not_expressions
        found: dict[tuple[Spelling, bool], list[str]] = defaultdict(list)
        members = {
            name.id
            for node in nodes
            if node.type in self._grammar.members
            and node.child_by_field_name(self._grammar.members[node.type][0]) is not None
            and (name := node.child_by_field_name(self._grammar.members[node.type][1]))
        }
        for node in walk(self._source.tree.root_node, but=none):
            if node.type != "identifier" or node.id in members:
                continue
            text, called = self._source.node_text(node), node.id in self._called
            if text not in local and (called or spelling(text) != "variable"):
                found[spelling(text), called].append(text)
        return {kind: _by_frequency(names) for kind, names in found.items()}


@lru_cache(maxsize=4)
def file_facts(source: Source) -> FileFacts:
    """The facts of a file, found once for all its functions."""
    return FileFacts(source)


def thrown_types(grammar: Grammar, node: Node) -> Iterator[Node]:
    """The types of exceptions that a statement raises or a clause catches."""
    field = grammar.throws[node.type]
    top = node.child_by_field_name(field) if field else None
    pending = [top] if top is not None else [] if field else list(node.named_children)
    if node.type == "raise_statement":  # without what stands behind `from`
        pending = pending[:1]
    while pending:
        each = pending.pop()
        if each.type in ("as_pattern", "parenthesized_expression"):
            pending.append(each.named_children[0])
        elif each.type in ("tuple", "list"):
            pending.extend(each.named_children)
        elif each.type in grammar.calls:
            called = each.child_by_field_name(grammar.calls[each.type])
            pending += [] if called is None else [called]
        elif each.type == "object_creation_expression":
            created = each.child_by_field_name("type")
            pending += [] if created is None else [created]
        elif each.type in ("identifier", "type_identifier", "attribute"):
            yield each


def _bindings(source: Source) -> Iterator[Binding]:
    root = source.tree.root_node
    return (python_scopes.bindings_in if source.language == "python" else plain_scopes.bindings_of)(source, root)


def _by_frequency(found: Iterable[_T]) -> list[_T]:
    return [each for each, _ in sorted(Counter(found).items(), key=lambda item: (-item[1], item[0]))]
