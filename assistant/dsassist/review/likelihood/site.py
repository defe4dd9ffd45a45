"""A function as those see it who look for alternatives in it, and the alternative itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from dsassist.review.functions import Function
from dsassist.review.likelihood import plain_scopes, python_scopes
from dsassist.review.likelihood.roles import is_keyword, is_label, is_member_name
from dsassist.review.likelihood.scopes import Names
from dsassist.review.source import Source, walk
from dsassist_runtime.api import Edit

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Candidate", "Family", "Site", "in_turn"]

Family = Literal[
    "name",
    "attribute",
    "comparison",
    "boolean",
    "swapped-arguments",
    "missing-not",
    "missing-await",
    "arithmetic",
    "bitwise",
    "off-by-one",
    "bound",
    "swapped-operands",
    "dropped-operand",
    "identity",
    "any-all",
    "min-max",
    "flag",
    "default-argument",
    "exception",
    "missing-self",
    "missing-return",
    "file-attribute",
    "file-name",
]


@dataclass(frozen=True)
class Candidate:
    """An alternative: `edit` in the function's text, what a reader sees of it, and its place in the file.

    `original` and `alternative` are whole expressions or operators, even where the edit only puts in a word. Lines
    and columns count from 1, columns in code points; the end is exclusive.
    """

    edit: Edit
    family: Family
    original: str
    alternative: str
    line: int
    column: int
    end_line: int
    end_column: int


class Site:
    """A function, and those lines of it on which alternatives are sought."""

    def __init__(self, function: Function, lines: frozenset[int]) -> None:
        self.function = function
        self.source: Source = function.source
        self.grammar = function.source.grammar
        self._lines = lines

    @cached_property
    def names(self) -> Names:
        """What the function binds, and how often each name is written."""
        scopes = python_scopes if self.source.language == "python" else plain_scopes
        written = (
            self.text(node)
            for node in self.nodes
            if node.type == "identifier"
            and not is_member_name(self.grammar, node)
            and not is_keyword(node)
            and not is_label(self.grammar, node)
        )
        return Names(scopes.bindings_of(self.source, self.function.node), Counter(written))

    @cached_property
    def nodes(self) -> list[Node]:
        """All nodes of the function, changed or not."""
        return list(walk(self.function.node))

    @cached_property
    def expression_ids(self) -> frozenset[int]:
        """The nodes, by their `id`, that may be an expression or part of one."""
        none = self.grammar.not_judged | self.grammar.not_expressions
        return frozenset(node.id for node in walk(self.function.node, but=none))

    @cached_property
    def changed_nodes(self) -> list[Node]:
        """The nodes of the body that begin on a changed line, but for annotations, parameters and patterns."""
        body = self.function.node.child_by_field_name("body")
        judged = [] if body is None else walk(body, but=self.grammar.not_judged)
        return [node for node in judged if self.is_changed(node)]

    def is_changed(self, node: Node) -> bool:
        """Whether a node begins on a changed line."""
        return node.start_point.row + 1 in self._lines

    def text(self, node: Node | None) -> str:
        """What is written at a node; nothing when there is none."""
        return "" if node is None else self.source.node_text(node)

    def candidate(self, family: Family, start: int, end: int, replacement: str, shown: Node | None = None) -> Candidate:
        """The alternative with bytes [start, end) of the source replaced; the reader sees the whole of `shown`."""
        text = self.source.text
        first, last = self.source.offset(start), self.source.offset(end)
        begin, stop = (first, last) if shown is None else self.source.span(shown)
        edit = Edit(first - self.function.start, last - self.function.start, replacement)
        alternative = text[begin:first] + replacement + text[last:stop]
        return Candidate(
            edit, family, text[begin:stop], alternative, *self.source.position(begin), *self.source.position(stop)
        )


def in_turn(places: Iterable[Iterator[Candidate]]) -> Iterator[Candidate]:
    """The first alternative of each place, then the second of each, and so on; no more is made than is taken.

    A family that may have hundreds of alternatives at a place gives them so: whoever takes only some leaves out none of
    the places.
    """
    waiting: Iterable[Iterator[Candidate]] = places
    while True:
        begun = []
        for place in waiting:
            if (candidate := next(place, None)) is not None:
                begun.append(place)
                yield candidate
        if not begun:
            return
        waiting = begun
