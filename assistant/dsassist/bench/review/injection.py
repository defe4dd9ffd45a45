"""One bug put into a function: an alternative that the reviewer itself could propose, in the place of what is written.

Families whose bug is that a word is missing need it the other way round: the reviewer proposes to put the word in, so
the bug is a word taken out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from dsassist.bench.handwritten import parses
from dsassist.bench.review.sources import Alternatives, measured
from dsassist.bench.review.young import YoungFunction
from dsassist.common_length import common_length
from dsassist.review.functions import Function
from dsassist.review.likelihood.evidence import MEASURED
from dsassist.review.source import walk
from dsassist_runtime.api import Edit

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Bug", "draw_bug", "draw_bugs"]


@dataclass(frozen=True)
class Bug:
    """`edit`, in code points of the function's text, puts it in and `repair` takes it out of the text with the bug.

    `lines` are those of the file, counted from 1, on which it stands. `only` tells that it only puts text in or takes
    some out, and so does the alternative that repairs it (`likelihood.evidence`).
    """

    family: str
    edit: Edit
    repair: Edit
    lines: frozenset[int]
    source_text: str
    only: bool


def draw_bug(young: YoungFunction, draw: Random, alternatives: Alternatives = measured) -> Bug | None:
    """A bug of a family that is drawn among those that the function can have; None where it can have none.

    The families are those that `alternatives` are of.
    """
    by_family = _by_family(young, alternatives)
    families = sorted(by_family)
    draw.shuffle(families)
    for family in families:
        edits = by_family[family]
        draw.shuffle(edits)
        for edit in edits:
            bug = _bug(young.function, family, edit)
            if parses("python", bug.source_text):
                return bug
    return None


def draw_bugs(young: YoungFunction, draw: Random, most: int) -> list[Bug]:
    """So many different bugs at most, of families drawn alike, whatever the number of places for each."""
    by_family = _by_family(young, measured)
    for edits in by_family.values():
        draw.shuffle(edits)
    found: dict[Edit, Bug] = {}
    while by_family and len(found) < most:
        family = draw.choice(sorted(by_family))
        bug = _bug(young.function, family, by_family[family].pop())
        if not by_family[family]:
            del by_family[family]
        if bug.edit not in found and parses("python", bug.source_text):
            found[bug.edit] = bug
    return list(found.values())


def _by_family(young: YoungFunction, alternatives: Alternatives) -> dict[str, list[Edit]]:
    found: dict[str, list[Edit]] = {}
    for family, edit in _possible(young, alternatives):
        found.setdefault(family, []).append(edit)
    return found


def _possible(young: YoungFunction, alternatives: Alternatives) -> Iterator[tuple[str, Edit]]:
    omissions = dict(_OMISSIONS)
    for candidate in alternatives(young.task):
        if candidate.family not in omissions:
            yield candidate.family, candidate.edit
    for node in walk(young.function.node):
        for family, omit in _OMISSIONS:
            is_asked_about = (family in MEASURED) == (alternatives is measured)
            if is_asked_about and (span := omit(node)) is not None:
                yield family, _omission(young.function, *span)


def _await_of(node: Node) -> tuple[int, int] | None:
    """The bytes of `await ` before a call; the keyword by itself is a node of the same type."""
    if node.type != "await" or not node.named_children or node.named_children[0].type != "call":
        return None
    return node.start_byte, node.named_children[0].start_byte


def _self_of(node: Node) -> tuple[int, int] | None:
    """The bytes of `self.`."""
    attribute = node.child_by_field_name("attribute") if node.type == "attribute" else None
    if attribute is None or node.children[0].text != b"self":
        return None
    return node.start_byte, attribute.start_byte


def _return_of(node: Node) -> tuple[int, int] | None:
    """The bytes of `return ` before a call, which is a statement without it too."""
    if node.type != "return_statement" or not node.named_children or node.named_children[0].type != "call":
        return None
    return node.start_byte, node.named_children[0].start_byte


_OMISSIONS = (("missing-await", _await_of), ("missing-self", _self_of), ("missing-return", _return_of))


def _omission(function: Function, start: int, end: int) -> Edit:
    source = function.source
    return Edit(source.offset(start) - function.start, source.offset(end) - function.start, "")


def _bug(function: Function, family: str, edit: Edit) -> Bug:
    text, source = function.text, function.source
    written = text[edit.start : edit.end]
    head = common_length(written, edit.replacement)
    tail = common_length(written[head:][::-1], edit.replacement[head:][::-1])
    put_in = edit.replacement[head : len(edit.replacement) - tail]
    smallest = Edit(edit.start + head, edit.end - tail, put_in)
    start = function.start + smallest.start
    whole = source.text[:start] + put_in + source.text[function.start + smallest.end :]
    first = source.position(start)[0]
    repair = Edit(smallest.start, smallest.start + len(put_in), text[smallest.start : smallest.end])
    lines = frozenset(range(first, first + put_in.count("\n") + 1))
    return Bug(family, smallest, repair, lines, whole, edit.start == edit.end or not edit.replacement)
