"""A word too few, or one that is taken for another: `self`, `return`; `any` and `all`, `min` and `max`; exceptions."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from dsassist.review.likelihood.elsewhere import file_facts, thrown_types
from dsassist.review.likelihood.names import NEVER, is_read, repeats_its_neighbour, spelling
from dsassist.review.likelihood.roles import called_node, is_called
from dsassist.review.likelihood.site import Candidate, Family, Site
from dsassist.review.source import walk

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["exceptions", "missing_return", "missing_self", "paired_calls"]

_MOST_EXCEPTIONS = 12
# In these languages a name that nobody binds may well be a member.
_IMPLICIT = ("java", "cpp")
# Where the compiler does not ask for a `return`.
_RETURNS = ("python", "javascript", "typescript", "tsx")
_FOR_THEIR_EFFECT = frozenset({"print", "append", "extend", "sort", "reverse", "update", "setdefault", "log", "push"})


def paired_calls(site: Site) -> Iterator[Candidate]:
    """`any` for `all`, `min` for `max` and what goes by such names, where they are called."""
    for call in site.changed_nodes:
        called = called_node(site.grammar, call) if call.type in site.grammar.calls else None
        if called is not None and called.type in site.grammar.members:
            called = called.child_by_field_name(site.grammar.members[called.type][1])
        other = site.grammar.pairs.get(site.text(called))
        if called is not None and other:
            family: Family = "min-max" if other.lower() in ("min", "max") else "any-all"
            yield site.candidate(family, called.start_byte, called.end_byte, other)


def missing_self(site: Site) -> Iterator[Candidate]:
    """`self.` before a name that the class uses as its own member."""
    receiver = site.grammar.receiver
    if not receiver or not _has_receiver(site):
        return
    facts = file_facts(site.source)
    members = facts.members_of(receiver, site.function.node)
    prefix = f"{receiver}->" if site.source.language == "cpp" else f"{receiver}."
    for node in site.changed_nodes:
        name = site.text(node) if node.type == "identifier" else ""
        if not name or name in NEVER or (name, is_called(site.grammar, node)) not in members:
            continue
        if repeats_its_neighbour(site, node, prefix + name):
            continue
        if _is_lone_target(site, node) or (is_read(site, node) and _may_lack_receiver(site, name)):
            yield site.candidate("missing-self", node.start_byte, node.start_byte, prefix, node)


def _may_lack_receiver(site: Site, name: str) -> bool:
    if site.names.is_bound(name):
        return True
    if site.source.language in _IMPLICIT or name in file_facts(site.source).top_level:
        return False
    return site.source.language != "python" or not hasattr(builtins, name)


def _is_lone_target(site: Site, node: Node) -> bool:
    """Whether a name is assigned and never read: what it was meant for must be elsewhere."""
    parent = node.parent
    is_target = parent is not None and parent.type == "assignment" and parent.child_by_field_name("left") == node
    return is_target and site.names.written[site.text(node)] == 1


def _has_receiver(site: Site) -> bool:
    if site.source.language != "python":
        return any(node.type == site.grammar.receiver for node in site.nodes)
    parameters = site.function.node.child_by_field_name("parameters")
    first = parameters.named_children[0] if parameters is not None and parameters.named_children else None
    return first is not None and site.text(first) == site.grammar.receiver


def missing_return(site: Site) -> Iterator[Candidate]:
    """`return` before a call at the end of a block, in a function that returns values or is that call alone."""
    if site.source.language not in _RETURNS:
        return
    for node in site.changed_nodes:
        if node.type != "expression_statement" or not _is_last(node):
            continue
        value = node.named_children[0]
        call = value.named_children[-1] if value.type in ("await", "await_expression") else value
        if call.type in site.grammar.calls and not _is_for_its_effect(site, call) and _may_return(site, node):
            yield site.candidate("missing-return", node.start_byte, node.start_byte, "return ", value)


def _is_last(node: Node) -> bool:
    following = node.next_named_sibling
    while following is not None and following.type == "comment":
        following = following.next_named_sibling
    return following is None


def _is_for_its_effect(site: Site, call: Node) -> bool:
    called = site.text(called_node(site.grammar, call))
    name = called.rpartition(".")[2]
    return name in _FOR_THEIR_EFFECT or name.startswith("assert") or called.startswith("super")


def _may_return(site: Site, statement: Node) -> bool:
    function = statement.parent
    while function is not None and function.type not in site.grammar.functions:
        function = function.parent
    body = None if function is None else function.child_by_field_name("body")
    if function is None or body is None:
        return False
    if site.text(function.child_by_field_name("name")) in ("__init__", "constructor"):
        return False
    own = list(walk(body, but=(*site.grammar.functions, "lambda")))
    if any(node.type in ("yield", "yield_expression") for node in own):
        return False
    if any(node.type == "return_statement" and node.named_child_count for node in own):
        return True
    return [node for node in body.named_children if node.type != "comment" and not _is_docstring(node)] == [statement]


def _is_docstring(node: Node) -> bool:
    return node.type == "expression_statement" and node.named_children[0].type == "string"


def exceptions(site: Site) -> Iterator[Candidate]:
    """Another type of exception, of those that the file raises or catches."""
    if not site.grammar.throws:
        return
    known = file_facts(site.source).exceptions
    for node in site.nodes:
        if node.type not in site.grammar.throws:
            continue
        written = list(thrown_types(site.grammar, node))
        texts = {site.text(each) for each in written}
        for each in written:
            if not site.is_changed(each) or spelling(site.text(each).rpartition(".")[2]) != "class":
                continue
            others = (other for other in known if other not in texts)
            for other in islice(others, _MOST_EXCEPTIONS):
                yield site.candidate("exception", each.start_byte, each.end_byte, other)
