"""What a source file defines: its functions, types, fields and constants, each with a signature on one line.

Definitions inside functions are left out: nobody elsewhere can name them. The patterns are tree-sitter queries kept
as data (`queries/*.symbols.scm`); a capture's name is the kind of the symbol. Three captures mean more: `body` is where
the signature ends, `head` is what it ends behind, and `container` names the type that a method is written outside of
(Go, C++, Lua). A `scope` holds symbols and is none itself (Rust's `impl`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, cast, get_args

from dsassist.syntax.parsing import parse
from dsassist.syntax.queries import query_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["Symbol", "SymbolKind", "symbols"]

SymbolKind = Literal[
    "class", "interface", "enum", "type", "module", "function", "method", "field", "constant", "variable", "macro"
]

_KINDS = frozenset({"scope", *get_args(SymbolKind)})
_SIGNATURE_LIMIT = 240  # characters; longer ones are cut at a word
_VALUE_LIMIT = 100  # of a constant or field with its value
_DOC_LIMIT = 120
_SPACE = re.compile(r"\s+")
_OPENING = re.compile(r"(?:\s*(?:\{|=>|=|:|;|\bdo\b|\bthen\b))+$")
_VALUES = ("field", "constant", "variable", "macro")
_IN_TYPE = {"function": "method"}
_OUTSIDE = {"field": "variable"}
_HOLDERS = ("class", "interface", "enum", "module", "scope")
# What stands between a definition and the comment above it, or around it.
_BETWEEN = ("attribute_item", "decorator", "annotation", "attribute_list")
_GROUPS = ("type_declaration", "const_declaration", "var_declaration")  # Go's: of one definition, or of many
_AROUND = (
    "decorated_definition",
    "export_statement",
    "lexical_declaration",
    "template_declaration",
    "expression_statement",
    "variable_declaration",
    "assignment_statement",
    *_GROUPS,
)
# Go writes the word once for a group of definitions.
_UNSAID = {"type_spec": "type", "type_alias": "type", "const_spec": "const", "var_spec": "var"}
_COMMENT_MARKS = re.compile(r"^(?:/\*+!?|//[/!]?|#+!?|--\[*|;+|\*+)?\s*|\s*\*+/$")
_RULES = re.compile(r"^[\W_]*$")  # of dashes or equal signs
_TOLD_DECORATORS = re.compile(
    rb"@(?:\w+\.)*(?:property|cached_property|classmethod|staticmethod|dataclass|\w+\.setter)\b"
)
_TAG = re.compile(r"</?[a-z]+>")  # <summary>, <p>
_LINES_OF_COMMENT = 40


@dataclass(frozen=True)
class Symbol:
    """A definition. `container` is the type that it belongs to, nested ones joined by dots; lines count from 1."""

    name: str
    kind: SymbolKind
    container: str
    signature: str
    doc: str
    start_line: int
    end_line: int


class _Definition(NamedTuple):
    """A match of the query: the node, its kind (`scope` among them) and what its captures say."""

    node: Node
    kind: str
    name: str
    container: str
    signature_end: int  # byte


def symbols(language: str, text: str) -> list[Symbol]:
    """The symbols of a file in its order; none where we have no grammar or query for the language."""
    query = query_of("symbols", language)
    tree = parse(language, text) if query is not None else None
    if query is None or tree is None:
        return []
    from tree_sitter import QueryCursor

    matches = QueryCursor(query).matches(tree.root_node)
    definitions = _unique(_definition(captures) for _, captures in matches)
    return list(_placed(definitions, language))


def _definition(captures: dict[str, list[Node]]) -> _Definition:
    kind, node = next((kind, nodes[0]) for kind, nodes in captures.items() if kind in _KINDS)
    if "body" in captures:
        end = captures["body"][0].start_byte
    elif "head" in captures:
        end = max(head.end_byte for head in captures["head"])
    else:
        end = node.end_byte
    container = _text(captures["container"][0]) if "container" in captures else ""
    return _Definition(node, kind, _text(captures["name"][0]), container.replace("::", "."), end)


def _unique(definitions: Iterator[_Definition]) -> list[_Definition]:
    """In the file's order, outer ones first; of two patterns that match one definition, the first in the query."""
    found: dict[tuple[int, str], _Definition] = {}
    for definition in definitions:
        found.setdefault((definition.node.start_byte, definition.name), definition)
    return sorted(found.values(), key=lambda each: (each.node.start_byte, -each.node.end_byte))


def _placed(definitions: list[_Definition], language: str) -> Iterator[Symbol]:
    """The symbols with their containers; what stands inside a function is local to it."""
    around: list[_Definition] = []
    for definition in definitions:
        # `x, y int` is one node and two definitions beside each other.
        while around and not _is_inside(definition.node, around[-1].node):
            around.pop()
        if all(outer.kind in _HOLDERS for outer in around):
            if definition.kind != "scope":
                yield _symbol(definition, around, language)
            # A constant may hold functions (an object of them), which are named through it only.
            around.append(definition)


def _is_inside(node: Node, outer: Node) -> bool:
    return node.start_byte < outer.end_byte and node.id != outer.id


def _symbol(definition: _Definition, around: list[_Definition], language: str) -> Symbol:
    node = definition.node
    container = definition.container or ".".join(outer.name for outer in around if outer.kind != "module")
    kind = (_IN_TYPE if container else _OUTSIDE).get(definition.kind, definition.kind)
    outermost = _outermost(node)
    doc = _docstring(node) if language == "python" else ""
    return Symbol(
        name=definition.name,
        kind=cast(SymbolKind, kind),
        container=container,
        signature=_signature(definition, outermost, language),
        doc=doc or _comment_above(outermost),
        start_line=outermost.start_point.row + 1,
        end_line=node.end_point.row + (node.end_point.column > 0),
    )


def _signature(definition: _Definition, outermost: Node, language: str) -> str:
    node = definition.node
    start = outermost.start_byte if outermost.type == "template_declaration" else node.start_byte
    source = _bytes(outermost)
    written = source[start - outermost.start_byte : definition.signature_end - outermost.start_byte]
    text = _one_line(written)
    if outermost.type == "decorated_definition":
        told = [part.decode() for part in _TOLD_DECORATORS.findall(source[: node.start_byte - outermost.start_byte])]
        text = " ".join([*told, text])
    if node.type == "variable_declarator" and outermost.type in ("lexical_declaration", "export_statement"):
        text = f"const {text}" if b"const " in source[: node.start_byte - outermost.start_byte] else f"let {text}"
    if language == "go" and (word := _UNSAID.get(node.type)):
        text = f"{word} {text}"
    if definition.kind in _VALUES:
        return _cut(text.rstrip("; ,"), _VALUE_LIMIT)
    return _cut(_OPENING.sub("", text), _SIGNATURE_LIMIT)


def _one_line(source: bytes) -> str:
    text = _SPACE.sub(" ", source.decode("utf-8", "replace")).strip()
    return text.replace("( ", "(").replace(" )", ")").replace(",)", ")")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 2].rsplit(" ", 1)[0] + " …"


def _outermost(node: Node) -> Node:
    """The statement that the definition is: with its decorators, its `export`, its `template<...>`."""
    while (around := node.parent) is not None and around.type in _AROUND:
        if around.type in _GROUPS and around.named_child_count > 1:
            break
        node = around
    return node


def _docstring(node: Node) -> str:
    body = node.child_by_field_name("body")
    first = body.named_children[0] if body is not None and body.named_children else None
    if first is None or first.type != "expression_statement" or not first.named_children:
        return ""
    string = first.named_children[0]
    if string.type != "string":
        return ""
    contents = b"".join(_bytes(part) for part in string.named_children if part.type == "string_content")
    return _first_line(contents.decode("utf-8", "replace").splitlines())


def _comment_above(node: Node) -> str:
    """The first line of the comment that ends on the line above the definition."""
    lines: list[str] = []
    row = node.start_point.row
    above = node.prev_named_sibling
    while above is not None and len(lines) < _LINES_OF_COMMENT and above.end_point.row >= row - 1:
        if "comment" in above.type:
            before = above.prev_named_sibling
            if before is not None and before.end_point.row == above.start_point.row:
                break  # it stands behind other code, and is about that
            if _bytes(above).startswith(b"#!"):
                break
            lines[:0] = [_COMMENT_MARKS.sub("", line.strip()) for line in _text(above).splitlines()]
        elif above.type not in _BETWEEN:
            break
        row, above = above.start_point.row, above.prev_named_sibling
    return _first_line(lines)


def _first_line(lines: list[str]) -> str:
    told = (_TAG.sub("", line).strip() for line in lines)
    return _cut(next((line for line in told if line and not _RULES.match(line)), ""), _DOC_LIMIT)


def _bytes(node: Node) -> bytes:
    return node.text or b""


def _text(node: Node) -> str:
    return _bytes(node).decode("utf-8", "replace")
