"""Alternatives that nobody means: a value assigned to itself, or compared with itself.

A model finds repetition likely. `data['width'] = image['width']` would be found wrong for `image['width'] =
image['width']`, and no line that anybody writes in its place reads so.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dsassist.review.likelihood.roles import operator_of
from dsassist.review.source import Source
from dsassist_runtime.api import Edit

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["is_with_itself"]

_BLANKS = re.compile(r"(?<=\W)\s+|\s+(?=\W)")
_ASSIGNMENTS = ("assignment", "assignment_expression", "assignment_statement", "short_var_declaration")
# Fields of the name and the value; Rust's `let a = a;` may be meant.
_DECLARATORS = {"variable_declarator": ("name", "value"), "init_declarator": ("declarator", "value")}
# `a + a` and `a * a` make sense.
_OPERATORS = frozenset(
    (
        *("=", ":=", "==", "!=", "===", "!==", "<", ">", "<=", ">=", "in", "not in", "is", "is not"),
        *("-", "/", "//", "%", "and", "or", "&&", "||", "&", "|", "^"),
    )
)


def is_with_itself(source: Source, edit: Edit) -> bool:
    """Would an edit within one side of an assignment or an operator, in code points, make both sides the same?"""
    start, end = source.byte(edit.start), source.byte(edit.end)
    node = source.tree.root_node.descendant_for_byte_range(start, end)
    while node is not None and node.type not in source.grammar.blocks:
        sides = _sides(source, node)
        if sides is not None:
            texts = [_text(source, side, edit, (start, end)) for side in sides]
            if texts[0] == texts[1]:
                return True
        node = node.parent
    return False


def _sides(source: Source, node: Node) -> tuple[Node, Node] | None:
    """What stands on either side, where both being the same makes no sense."""
    if node.type in _DECLARATORS:
        name, value = (node.child_by_field_name(field) for field in _DECLARATORS[node.type])
        return None if name is None or value is None else (name, value)
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if node.type == "comparison_operator" and len(node.named_children) == 2:  # Python's, which has no such fields
        left, right = node.named_children
    is_two_sided = node.type in _ASSIGNMENTS or node.type in source.grammar.binary
    if left is None or right is None or not is_two_sided or operator_of(node) not in _OPERATORS:
        return None
    return left, right


def _text(source: Source, side: Node, edit: Edit, place: tuple[int, int]) -> str:
    """A side as it would be; of blanks only those between two words count."""
    start, end = place
    data = source.data[side.start_byte : side.end_byte]
    if side.start_byte <= start and end <= side.end_byte:
        first, last = start - side.start_byte, end - side.start_byte
        data = data[:first] + edit.replacement.encode("utf-8") + data[last:]
    return _BLANKS.sub("", data.decode("utf-8"))
