"""Wrong operators: comparison, boolean, arithmetic, bits, identity; and conditions or calls that lack a word.

The operands of a comparison are never swapped, `not a == b` is `a != b`, and only simple conditions are turned round.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.grammars import Alternatives
from dsassist.review.likelihood.arguments import last_name
from dsassist.review.likelihood.roles import called_node, is_condition, is_negation
from dsassist.review.likelihood.site import Candidate, Family, Site

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["arithmetic", "bitwise", "booleans", "comparisons", "identity", "is_textual", "missing_await", "missing_not"]

_STRICT = {"===": "==", "!==": "!=", "==": "===", "!=": "!=="}
_ASSIGNED = ("assignment", "variable_declarator", "assignment_expression", "let_declaration")
_STATEMENTS = ("expression_statement", "return_statement", "return_expression")


def comparisons(site: Site) -> Iterator[Candidate]:
    """Other orderings, equality turned round, and `is` and `in` with their `not` put in or taken out."""
    for node in _operators(site):
        for other in site.grammar.comparisons.get(node.type, ()):
            yield site.candidate("comparison", node.start_byte, node.end_byte, other)
        if site.source.language != "python":
            continue
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
    words = {site.grammar.conjunction: site.grammar.disjunction, site.grammar.disjunction: site.grammar.conjunction}
    for node in _operators(site):
        # `if let` and `a || b` do not go together.
        if node.type in words and node.parent is not None and node.parent.type != "let_chain":
            yield site.candidate("boolean", node.start_byte, node.end_byte, words[node.type])


def arithmetic(site: Site) -> Iterator[Candidate]:
    """Another arithmetic operator between numbers; what joins, repeats or fills in texts is left alone."""
    return _other_operators(site, "arithmetic", site.grammar.arithmetic)


def bitwise(site: Site) -> Iterator[Candidate]:
    """Another operator on bits, or the boolean one that looks like it."""
    return _other_operators(site, "bitwise", site.grammar.bitwise)


def _other_operators(site: Site, family: Family, alternatives: Alternatives) -> Iterator[Candidate]:
    for node in site.changed_nodes:
        parent = node.parent
        if parent is None or node.is_named or is_textual(site, parent):
            continue
        if parent.type in site.grammar.binary:
            for other in alternatives.get(node.type, ()):
                yield site.candidate(family, node.start_byte, node.end_byte, other)
        elif parent.type in site.grammar.augmented and node.type.endswith("="):
            for other in alternatives.get(node.type[:-1], ()):
                if other not in ("&&", "||"):
                    yield site.candidate(family, node.start_byte, node.end_byte, f"{other}=")


def is_textual(site: Site, node: Node) -> bool:
    """Whether an operand, however far to the left, is a text or a collection."""
    current: Node | None = node
    while current is not None and current.type in (*site.grammar.binary, *site.grammar.augmented):
        if any(child.type in site.grammar.texts for child in current.named_children):
            return True
        current = current.named_children[0] if current.named_children else None
    return False


def identity(site: Site) -> Iterator[Candidate]:
    """`is` for `==`, `===` for `==`, and the other way round, where neither side is a constant."""
    python = {"is": "==", "is not": "!=", "==": "is", "!=": "is not"}
    words = python if site.source.language == "python" else _STRICT if "===" in site.grammar.comparisons else {}
    for node in _operators(site):
        parent = node.parent
        if node.type not in words or parent is None:
            continue
        if all(_is_simple(site, child) for child in parent.named_children if child != node):
            yield site.candidate("identity", node.start_byte, node.end_byte, words[node.type])


def missing_not(site: Site) -> Iterator[Candidate]:
    """A simple condition turned round, by a `not` put in or taken out."""
    for node in site.changed_nodes:
        if is_negation(site.grammar, node):
            argument = node.named_children[-1]
            if _is_simple(site, argument) and is_condition(site.grammar, node):
                yield site.candidate("missing-not", node.start_byte, argument.start_byte, "", node)
        elif _is_simple(site, node) and is_condition(site.grammar, node):
            word = "not " if site.source.language == "python" else "!"
            yield site.candidate("missing-not", node.start_byte, node.start_byte, word, node)


def _is_simple(site: Site, node: Node) -> bool:
    """A name, a member, a call or an element: nothing that a `not` before it would tear apart."""
    grammar = site.grammar
    return (
        node.type == "identifier"
        or node.type in grammar.members
        or node.type in grammar.calls
        or node.type in grammar.subscripts
    )


def missing_await(site: Site) -> Iterator[Candidate]:
    """A call in an async function whose result is used or dropped at once, without `await`."""
    if not site.grammar.awaits:
        return
    for node in site.changed_nodes:
        if node.type in site.grammar.calls and _may_be_awaited(site, node) and _is_in_async_function(site, node):
            if site.grammar.awaits == "prefix":
                yield site.candidate("missing-await", node.start_byte, node.start_byte, "await ", node)
            else:
                yield site.candidate("missing-await", node.end_byte, node.end_byte, ".await", node)


def _may_be_awaited(site: Site, node: Node) -> bool:
    """Calls whose value a statement takes as it is; an argument may be a coroutine that another function awaits."""
    parent, function = node.parent, called_node(site.grammar, node)
    if parent is None or function is None or node.type == "new_expression":
        return False
    if function.type != "identifier" and function.type not in site.grammar.members:
        return False
    name = last_name(site.text(function))
    if name.lstrip("_")[:1].isupper() or (function.type == "identifier" and hasattr(builtins, name)):
        return False
    if parent.type in _ASSIGNED:
        return node in (parent.child_by_field_name("right"), parent.child_by_field_name("value"))
    return parent.type in _STATEMENTS


def _is_in_async_function(site: Site, node: Node) -> bool:
    inner = (*site.grammar.functions, "lambda", "closure_expression", "async_block")
    parent = node.parent
    while parent is not None and parent.type not in inner:
        parent = parent.parent
    if parent is None or parent.type == "lambda":
        return False
    return any(
        child.type == "async" or (child.type == "function_modifiers" and "async" in site.text(child).split())
        for child in parent.children
    )


def _operators(site: Site) -> Iterator[Node]:
    """The operators between two sides, as nodes."""
    for node in site.changed_nodes:
        parent = node.parent
        if parent is not None and parent.type in site.grammar.binary and not _is_operand(node):
            yield node


def _is_operand(node: Node) -> bool:
    return node.is_named and node.type not in ("is not", "not in")
