"""What part a node plays: the name of a member, what is called, a target, a condition.

All are questions to a node and its parents, answered by the tables in `review.grammars`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dsassist.review.grammars import Grammar

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = [
    "called_node",
    "is_called",
    "is_condition",
    "is_keyword",
    "is_label",
    "is_member_name",
    "is_negation",
    "is_target",
    "operator_of",
]

_AROUND_CONDITIONS = ("parenthesized_expression", "condition_clause")
_PYTHON_CONDITIONS = ("assert_statement", "if_clause")  # whose first child is the condition, by no field's name


def is_member_name(grammar: Grammar, node: Node) -> bool:
    """Whether a node is the `b` of `a.b`."""
    parent = node.parent
    if parent is None or parent.type not in grammar.members:
        return False
    owner, name = grammar.members[parent.type]
    return parent.child_by_field_name(name) == node and parent.child_by_field_name(owner) is not None


def is_keyword(node: Node) -> bool:
    """Whether a node is the `a` of `f(a=b)`."""
    parent = node.parent
    return parent is not None and parent.type == "keyword_argument" and parent.child_by_field_name("name") == node


def is_label(grammar: Grammar, node: Node) -> bool:
    """Whether an identifier names a place, a key or a macro, and no value."""
    parent = node.parent
    if parent is None:
        return False
    if parent.type in grammar.labels:
        return True
    above = parent.parent  # Go: the key of an element is wrapped
    return above is not None and above.type in grammar.labels and above.child_by_field_name("key") == parent


def called_node(grammar: Grammar, call: Node) -> Node | None:
    """The `f` of `f(x)`; of a method that Java calls, its name."""
    return call.child_by_field_name(grammar.calls[call.type])


def is_called(grammar: Grammar, node: Node) -> bool:
    """Whether a node is the `f` of `f(x)`, or in Java the whole call of a method."""
    if node.type in grammar.members and node.type in grammar.calls:
        return True
    parent = node.parent
    return parent is not None and parent.type in grammar.calls and called_node(grammar, parent) == node


def is_target(grammar: Grammar, node: Node) -> bool:
    """Whether a node is what an assignment, a loop or `as` binds."""
    child, parent = node, node.parent
    while parent is not None and parent.type in grammar.target_lists:
        child, parent = parent, parent.parent
    if parent is None:
        return False
    field = grammar.assignments.get(parent.type)
    if field is not None:
        return parent.child_by_field_name(field) == child
    return parent.type == "as_pattern_target"


def operator_of(node: Node) -> str:
    """The operator of an expression with two sides or of an assignment; empty when it has none, or several."""
    operator = node.child_by_field_name("operator")
    if operator is not None:
        return operator.type
    return node.children[1].type if node.child_count == 3 else ""


def is_negation(grammar: Grammar, node: Node) -> bool:
    """Whether a node is `not a` or `!a`."""
    return node.type == grammar.negation and node.children[0].type in ("not", "!")


def is_condition(grammar: Grammar, node: Node) -> bool:
    """Whether a node is a whole condition or an operand of one, so that a `not` before it belongs to it alone."""
    parent = node.parent
    while parent is not None and (_is_junction(grammar, parent) or parent.type in _AROUND_CONDITIONS):
        node, parent = parent, parent.parent
    if parent is None or parent.type.startswith("switch"):
        return False
    if parent.type == "conditional_expression" and parent.child_by_field_name("condition") is None:
        return parent.named_child_count == 3 and parent.named_children[1] == node
    if parent.type in _PYTHON_CONDITIONS:
        return parent.named_children[0] == node
    return parent.child_by_field_name("condition") == node


def _is_junction(grammar: Grammar, node: Node) -> bool:
    return node.type in grammar.binary and operator_of(node) in (grammar.conjunction, grammar.disjunction)
