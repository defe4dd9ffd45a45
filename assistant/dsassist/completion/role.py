"""What the text at a cursor is to its language: code, or the inside of a string, a docstring or a comment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from dsassist.completion.brackets import Brackets
from dsassist.syntax.parsing import encode

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

    from dsassist.completion.place import Place

__all__ = ["Role", "role_at"]

# "docstring" is prose over several lines, "text" any other string that may span them.
Role = Literal["code", "string", "text", "docstring", "comment"]

_INTERPOLATIONS = frozenset(
    ("interpolation", "template_substitution", "command_substitution", "expansion", "interpolated_expression")
)
_NO_STRINGS = frozenset(("string_scalar", "string_interpolation"))
_SCALARS = frozenset(("char_literal", "double_quote_scalar", "single_quote_scalar", "rune_literal"))
_SPANNING = ('"""', "'''", "`", "<<")
_CHARACTERS_BEFORE = 20_000


def role_at(place: Place, tree: Tree | None) -> Role:
    """The role of the text at the cursor; from the tree, or where that is broken from the line itself."""
    role = _role_in(tree, len(encode(place.text[: place.offset]))) if tree is not None else "code"
    if role != "code" or (tree is not None and not tree.root_node.has_error):
        return role
    return _role_by_marks(place)


def _role_in(tree: Tree, offset: int) -> Role:
    if offset == 0:
        return "code"
    node = tree.root_node.descendant_for_byte_range(offset - 1, offset)
    while node is not None and not (node.type in _INTERPOLATIONS and offset < node.end_byte):
        if node.start_byte < offset and (role := _role_of(node, offset)) is not None:
            return role
        node = node.parent
    return "code"


def _role_of(node: Node, offset: int) -> Role | None:
    text = node.text or b""
    if "comment" in node.type:
        is_block = text.startswith((b"/*", b"<!--", b"--[[", b"=begin"))
        if not is_block:
            return "comment"
        return "docstring" if offset < node.end_byte else None
    is_string = ("string" in node.type or "heredoc_body" in node.type) and node.type not in _NO_STRINGS
    if not (is_string or node.type in _SCALARS) or offset >= node.end_byte:
        return None
    # The parts of a string (its content, a quote) are strings to us too: the whole of it tells the kind.
    whole = node
    while whole.parent is not None and "string" in whole.parent.type and whole.parent.type not in _NO_STRINGS:
        whole = whole.parent
    if offset >= whole.end_byte:
        return None
    start = (whole.text or b"")[:6].decode("utf-8", errors="replace").lstrip("rRbBfFuU")
    if whole.parent is not None and whole.parent.type in ("expression_statement", "module", "block"):
        return "docstring" if start.startswith(_SPANNING[:2]) else "string"
    return "text" if start.startswith(_SPANNING) or "heredoc" in whole.type else "string"


def _role_by_marks(place: Place) -> Role:
    before = place.text[max(0, place.offset - _CHARACTERS_BEFORE) : place.offset]
    if place.language == "python" and (quotes := _open_triple(before)):
        return "docstring" if _is_statement(before, quotes) else "text"
    if before.rfind("/*") > before.rfind("*/") and place.line_before.lstrip().startswith(("/*", "*")):
        return "docstring"
    brackets = Brackets(place.language)
    brackets.feed(place.line_before)
    if brackets.in_comment:
        return "comment"
    return "string" if brackets.in_string else "code"


def _open_triple(before: str) -> str:
    for quotes in _SPANNING[:2]:
        if before.count(quotes) % 2:
            return quotes
    return ""


def _is_statement(before: str, quotes: str) -> bool:
    opened = before.rfind(quotes)
    return not before[before.rfind("\n", 0, opened) + 1 : opened].strip(" \trRuU")
