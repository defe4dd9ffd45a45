"""Which parts of a function's changed lines may be hidden and written anew.

Conditions, what stands between the brackets of a call, calls, other expressions, and statements without their blocks.
Left out are single literals, names that are bound or only name a member, and what is longer than anybody could guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dsassist.review.grammars import Grammar, words_of
from dsassist.review.likelihood.roles import (
    is_called,
    is_condition,
    is_keyword,
    is_label,
    is_target,
    operator_of,
)
from dsassist.review.likelihood.site import Site
from dsassist.review.statement import is_comment

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Kind", "Span", "spans_of"]

Kind = Literal["condition", "call", "arguments", "expression", "line"]

_LONGEST = 160  # characters
_MOST_BREAKS = 2  # of lines
_PARENTHESES = ("parenthesized_expression", "condition_clause")
_EXPRESSIONS = words_of(
    "identifier conditional_expression ternary_expression await await_expression unary_operator unary_expression"
    " list_comprehension set_comprehension dictionary_comprehension generator_expression list tuple dictionary set"
    " array object"
)


@dataclass(frozen=True)
class Span:
    """Code points [start, end) of a function's text, which stand on `line` of the file, in `column`, both from 1.

    `margin` characters on either side are shown with it: the brackets of a call that may have no arguments.
    """

    start: int
    end: int
    kind: Kind
    line: int
    column: int
    margin: int = 0


def spans_of(site: Site) -> list[Span]:
    """The spans that begin on a changed line, in the order of the text; of equal ones that of the first kind."""
    found: dict[tuple[int, int], Span] = {}
    for kind, start, end in sorted(_ranges(site), key=lambda each: (each[1], -each[2], _RANK[each[0]])):
        span = _span(site, kind, start, end)
        if span is not None:
            found.setdefault((span.start, span.end), span)
    return list(found.values())


_RANK: dict[Kind, int] = {"condition": 0, "call": 1, "arguments": 2, "expression": 3, "line": 4}


def _ranges(site: Site) -> Iterator[tuple[Kind, int, int]]:
    """Each span's kind and bytes."""
    for node in site.changed_nodes:
        if not node.is_named or is_comment(node):
            continue
        if node.type in site.grammar.arguments:
            yield "arguments", node.start_byte + 1, node.end_byte - 1
        if _is_expression(site, node):
            yield _kind_of(site, node), node.start_byte, node.end_byte
        if node.parent is not None and node.parent.type in site.grammar.blocks:
            head = _head_of(site, node)
            if head is not None:
                yield "line", *head


def _span(site: Site, kind: Kind, start: int, end: int) -> Span | None:
    source = site.source
    first, last = source.offset(start), source.offset(end)
    text = source.text[first:last]
    if len(text) > _LONGEST or text.count("\n") > _MOST_BREAKS or (not text.strip() and kind != "arguments"):
        return None
    line, column = source.position(first)
    around = site.function.start
    return Span(first - around, last - around, kind, line, column, int(kind == "arguments"))


def _is_expression(site: Site, node: Node) -> bool:
    grammar = site.grammar
    known = _EXPRESSIONS | grammar.binary | grammar.calls.keys() | grammar.members.keys() | grammar.subscripts
    if node.type not in known | {grammar.negation} or node.id not in site.expression_ids:
        return False
    if node.type == "identifier" and not _is_value(grammar, node):
        return False
    return not is_target(grammar, node) and (node.type in grammar.calls or not is_called(grammar, node))


def _is_value(grammar: Grammar, node: Node) -> bool:
    """Whether a name stands for itself: it is no keyword, label, part of `a.b` or target, and nothing is declared."""
    parent = node.parent
    if parent is None or is_keyword(node) or is_label(grammar, node) or parent.type in grammar.members:
        return False
    if parent.type in grammar.subscripts and is_target(grammar, parent):
        return parent.children[0] != node
    named = ("name",) if parent.type in grammar.functions | grammar.types.keys() else ()
    fields = grammar.declarations.get(parent.type, named)
    return all(parent.child_by_field_name(field) != node for field in (*fields, *named))


def _kind_of(site: Site, node: Node) -> Kind:
    if _is_whole_condition(site, node):
        return "condition"
    return "call" if node.type in site.grammar.calls else "expression"


def _is_whole_condition(site: Site, node: Node) -> bool:
    grammar, parent = site.grammar, node.parent
    if parent is None or node.type in _PARENTHESES or not is_condition(grammar, node):
        return False
    joins = (grammar.conjunction, grammar.disjunction)
    return not (parent.type in grammar.binary and operator_of(parent) in joins)


def _head_of(site: Site, node: Node) -> tuple[int, int] | None:
    """A statement up to its first block; None for definitions, docstrings and what says nothing (`pass`, `...`)."""
    grammar = site.grammar
    if node.type in grammar.functions | grammar.types.keys() | grammar.wrappers | grammar.not_expressions:
        return None
    parts: list[Node] = []
    for child in node.children:
        if child.type in grammar.blocks:
            break
        if not is_comment(child):
            parts.append(child)
    named = [part for part in parts if part.is_named]
    if not named or all("string" in part.type or part.type == "ellipsis" for part in named):
        return None
    return node.start_byte, parts[-1].end_byte
