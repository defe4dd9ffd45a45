"""Does an alternative parse, and does it mean something else than what is written and than the others?

As far as can be told without types. A statement is brought into a normal form, which has no parentheses, one direction
of comparison, no double negation, the operands of `and`, `==` or `*` in an order of their own, and neither `+ 0` nor
`* 1`; equal forms mean the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dsassist.review.grammars import Grammar
from dsassist.review.likelihood.roles import is_negation, operator_of
from dsassist.review.source import Source, walk
from dsassist.syntax.parsing import count_errors, parse_edited
from dsassist_runtime.api import Edit

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

__all__ = ["Meanings"]

_Form = int
"""A number for each distinct shape, so that forms of deep trees are compared at once."""

_MIRRORED = {">": "<", ">=": "<="}
_OPPOSITES = {"<": ">=", "<=": ">", "==": "!=", "!=": "==", "===": "!==", "!==": "==="} | {
    "is": "is not",
    "is not": "is",
    "in": "not in",
    "not in": "in",
}
_SYMMETRIC = frozenset({"==", "!=", "===", "!==", "is", "is not"})
_CHAINS = frozenset({"and", "or", "&&", "||", "&", "|", "^", "*", "+"})
_DUALS = {"and": "or", "or": "and", "&&": "||", "||": "&&"}
# On the right they change nothing.
_NEUTRAL = {"+": "0", "-": "0", "|": "0", "^": "0", "<<": "0", ">>": "0", "*": "1", "**": "1"}
_AROUND = ("parenthesized_expression", "condition_clause")


class _Shape(NamedTuple):
    """What a form is made of: a leaf with its text, or a node with its operator and its parts."""

    kind: str
    word: str
    parts: tuple[_Form, ...] = ()


_ZERO = _Shape("", "0")


class Meanings:
    """The forms of one source's statements and of their alternatives."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._grammar: Grammar = source.grammar
        self._numbers: dict[_Shape, _Form] = {}
        self._shapes: list[_Shape] = []
        self._errors = count_errors(source.tree)
        self._seen: dict[tuple[int, int], set[_Form]] = {}

    def parses(self, edit: Edit) -> bool:
        """Whether an edit of the source, in its code points, brings no syntax error."""
        tree, _ = self._edited(edit)
        return count_errors(tree) <= self._errors

    def is_new(self, edit: Edit) -> bool:
        """Whether an edit, in code points, parses and means something that was not there yet; from then on it is."""
        tree, data = self._edited(edit)
        if count_errors(tree) > self._errors:
            return False
        start, end = self._source.byte(edit.start), self._source.byte(edit.end)
        node = self._source.tree.root_node.descendant_for_byte_range(start, end)
        if node is None:
            return True
        top = _statement_around(self._grammar, node)
        end_after = top.end_byte + len(data) - len(self._source.data)
        after = _spanning(self._grammar, tree.root_node, top.start_byte, end_after)
        if after is None:  # it ends another way, and so is another statement
            return True
        seen = self._seen.setdefault((top.start_byte, top.end_byte), set())
        if not seen:
            seen.add(self._form(top, self._source.data))
        form = self._form(after, data)
        is_new = form not in seen
        seen.add(form)
        return is_new

    def _edited(self, edit: Edit) -> tuple[Tree, bytes]:
        start, end = self._source.byte(edit.start), self._source.byte(edit.end)
        inserted = edit.replacement.encode("utf-8")
        return parse_edited(self._source.language, self._source.tree, self._source.data, start, end, inserted)

    def _form(self, top: Node, data: bytes) -> _Form:
        """The form of a node, from the leaves upward: a sum of a thousand terms is a tree of a thousand levels."""
        forms: dict[int, _Form] = {}
        for node in reversed(list(walk(top))):
            children = [child for child in node.children if not child.type.endswith("comment")]
            if children:
                forms[node.id] = self._of_parts(node, [forms[child.id] for child in children])
            else:
                forms[node.id] = self._number("", data[node.start_byte : node.end_byte].decode("utf-8"))
        return forms[top.id]

    def _of_parts(self, node: Node, parts: list[_Form]) -> _Form:
        if node.type in _AROUND and len(parts) == 3:
            return parts[1]
        if is_negation(self._grammar, node) and len(parts) == 2:
            return self._negated(parts[1])
        if node.type in self._grammar.binary and len(parts) == 3:
            is_textual = any(child.type in self._grammar.texts for child in node.named_children)
            return self._two_sided(operator_of(node), parts[0], parts[2], is_textual)
        if node.type == "slice" and self._shapes[parts[0]] == _ZERO:  # `a[0:n]` is `a[:n]`
            parts = parts[1:]
        elif node.type == "call" and self._shapes[parts[0]] == ("", "range", ()):
            parts = [parts[0], self._from_zero(parts[1])]
        return self._number(node.type, "", *parts)

    def _from_zero(self, arguments: _Form) -> _Form:
        """`range(0, n)` is `range(n)`."""
        kind, _, parts = self._shapes[arguments]
        if len(parts) == 5 and self._shapes[parts[1]] == _ZERO:
            return self._number(kind, "", parts[0], *parts[3:])
        return arguments

    def _two_sided(self, operator: str, left: _Form, right: _Form, is_textual: bool = False) -> _Form:
        if operator in _MIRRORED:
            operator, left, right = _MIRRORED[operator], right, left
        if operator in _NEUTRAL and self._shapes[right] == ("", _NEUTRAL[operator], ()):
            return left
        if operator in _SYMMETRIC:
            return self._number("two", operator, *sorted((left, right)))
        if operator in _CHAINS and not is_textual:
            return self._chain(operator, (left, right))
        return self._number("two", operator, left, right)

    def _chain(self, operator: str, forms: tuple[_Form, ...]) -> _Form:
        links: list[_Form] = []
        for form in forms:
            shape = self._shapes[form]
            links += shape.parts if shape[:2] == ("chain", operator) else [form]
        if operator in _DUALS:
            links = list(set(links))  # `a and a`
        return self._number("chain", operator, *sorted(links)) if len(links) > 1 else links[0]

    def _negated(self, form: _Form) -> _Form:
        shape = self._shapes[form]
        if shape.kind == "not":
            return shape.parts[0]
        if shape.kind == "two" and shape.word in _OPPOSITES:
            return self._two_sided(_OPPOSITES[shape.word], shape.parts[0], shape.parts[1])
        if shape.kind == "chain" and shape.word in _DUALS:
            return self._chain(_DUALS[shape.word], tuple(self._negated(part) for part in shape.parts))
        return self._number("not", "", form)

    def _number(self, kind: str, word: str, *parts: _Form) -> _Form:
        shape = _Shape(kind, word, parts)
        if shape not in self._numbers:
            self._numbers[shape] = len(self._shapes)
            self._shapes.append(shape)
        return self._numbers[shape]


def _statement_around(grammar: Grammar, node: Node) -> Node:
    """The innermost statement around a node; of one with a block of its own only the part that the node belongs to."""
    while (parent := node.parent) is not None and parent.type not in grammar.blocks:
        if any(child.type in grammar.blocks for child in parent.children):
            break
        node = parent
    return node


def _spanning(grammar: Grammar, root: Node, start: int, end: int) -> Node | None:
    """The outermost node below a block that stands at exactly these bytes."""
    node = root.descendant_for_byte_range(start, end)
    if node is None or (node.start_byte, node.end_byte) != (start, end):
        return None
    while (parent := node.parent) is not None and parent.type not in grammar.blocks:
        if (parent.start_byte, parent.end_byte) != (start, end):
            break
        node = parent
    return node
