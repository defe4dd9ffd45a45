"""A copy that kept the name of what it was copied from, so that one of the two is lost (DSA206).

    sent = count("sent")
    sent = count("received")                     <- the first value is never read

    if kind == "file": ...
    elif kind == "file": ...                     <- never taken

Told are a condition that stands twice in one chain of branches, a key twice in one mapping, a function or class twice
in one block, an argument or field twice, and two neighbouring statements that give one name two values. Only what the
change wrote counts.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.source import Source, walk
from dsassist.review.unfinished.edits import tokens_of

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["find_given_twice"]

_SCRIPTS = ("javascript", "typescript", "tsx")
_CHAINED = ("python", *_SCRIPTS, "go", "rust", "java", "c", "cpp")
_BRANCHES = ("if_statement", "if_expression")
_ELSE = ("else_clause", "elif_clause")
_BLOCKS = ("module", "program", "block", "statement_block", "class_body")
_CHANGES_SOMETHING = ("named_expression", "assignment_expression", "update_expression", "await", "let_condition")
"""What a condition may do besides being asked; then asking again is something else."""
_FIELDS = {
    "argument_list": "keyword_argument",
    "literal_value": "keyed_element",
    "field_initializer_list": "field_initializer",
}
"""What has named parts in Python, Go and Rust, and the type of such a part; to name one twice is an error there."""
_LITERALS = ("string", "integer", "number", "float", "property_identifier")


class _Given(NamedTuple):
    """Something that a name, key or condition was given to: its text, where that stands, and all of it."""

    text: str
    name: Node
    whole: Node


def find_given_twice(files: Sequence[ChangedFile]) -> Iterator[Finding]:
    """What the change gives a name that the same thing beside it has already."""
    for file in files:
        tree = file.source.tree_as(file.language)
        if tree is None or tree.root_node.has_error or not file.lines or file.language is None:
            continue
        rows = sorted(line - 1 for line in file.lines)
        for node in _nodes_at(tree.root_node, rows):
            for what, given, message in _alike(node, file.source, file.language):
                yield from _repeated(file, what, given, message)


def _nodes_at(root: Node, rows: Sequence[int]) -> Iterator[Node]:
    """The nodes that have one of the rows, from above."""
    pending = [root]
    while pending:
        node = pending.pop()
        at = bisect_left(rows, node.start_point.row)
        if at < len(rows) and rows[at] <= node.end_point.row:
            yield node
            pending.extend(reversed(node.named_children))


def _alike(node: Node, source: Source, language: str) -> Iterator[tuple[str, list[_Given], str]]:
    """What a node has of which each is to have a name of its own, and what is to be said where it has not."""
    if node.type in _BRANCHES and language in _CHAINED and not _is_else(node):
        yield "condition", _conditions(node, source), "this condition was asked before, so this branch is never taken"
    elif node.type in ("dictionary", "object") and language in ("python", *_SCRIPTS):
        yield "key", _keys(node, source), "this key is there already, and only its last value stays"
    elif node.type in _FIELDS:
        yield "name", _fields(node, source), "`{}` is given already"
    elif node.type in _BLOCKS and language in ("python", *_SCRIPTS):
        yield "definition", _definitions(node, source), "`{}` is defined already, and only the last one stays"
        for pair in _neighbours(node, source):
            yield "value", pair, "`{}` has just been given another value, which nothing reads"


def _is_else(node: Node) -> bool:
    """Is this `if` the one behind an `else`?"""
    parent = node.parent
    return parent is not None and (parent.type in _ELSE or (parent.type in _BRANCHES and not _is_branch(node, parent)))


def _is_branch(node: Node, parent: Node) -> bool:
    return any(node == parent.child_by_field_name(each) for each in ("consequence", "condition"))


def _conditions(node: Node, source: Source) -> list[_Given]:
    asked = [
        condition
        for each in _chain(node)
        if each.child_by_field_name("initializer") is None
        and (condition := each.child_by_field_name("condition")) is not None
        and not any(below.type in _CHANGES_SOMETHING for below in walk(condition))
    ]
    return [_Given(_words(source, each), each, each) for each in asked]


def _chain(node: Node) -> Iterator[Node]:
    """An `if`, and each one that is asked where those before it were false."""
    current: Node | None = node
    while current is not None:
        yield current
        alternatives = current.children_by_field_name("alternative")
        yield from (each for each in alternatives if each.type == "elif_clause")
        current = next((inner for each in alternatives if (inner := _if_of(each)) is not None), None)


def _if_of(alternative: Node) -> Node | None:
    """The `if` of an `else if`."""
    if alternative.type in _BRANCHES:
        return alternative
    inner = alternative.named_children
    is_if = alternative.type == "else_clause" and len(inner) == 1 and inner[0].type in _BRANCHES
    return inner[0] if is_if else None


def _keys(node: Node, source: Source) -> list[_Given]:
    pairs = [child for child in node.named_children if child.type == "pair"]
    keys = [key for pair in pairs if (key := pair.child_by_field_name("key")) is not None]
    return [
        _Given(_words(source, key), key, key)
        for key in keys
        if key.type in _LITERALS and not any(each.type == "interpolation" for each in walk(key))
    ]


def _fields(node: Node, source: Source) -> list[_Given]:
    parts = [child for child in node.named_children if child.type == _FIELDS[node.type] and child.named_children]
    return [_Given(_words(source, part.named_children[0]), part.named_children[0], part) for part in parts]


def _definitions(block: Node, source: Source) -> list[_Given]:
    found = []
    for node in block.named_children:
        name = node.child_by_field_name("name") if node.type.endswith(("_definition", "_declaration")) else None
        if name is not None and node.child_by_field_name("body") is not None:
            before = source.data[node.start_byte : name.start_byte].decode("utf-8")
            text = source.node_text(name)
            if text.strip("_") and not {"get", "set"} & set(tokens_of(before)):
                found.append(_Given(f"{before} {text}" if "static" in before else text, name, node))
    return found


def _neighbours(block: Node, source: Source) -> Iterator[list[_Given]]:
    """Of neighbouring statements those that give a value to one name, in pairs; the second does not read it."""
    before: _Given | None = None
    for node in block.named_children:
        if node.type == "comment":
            continue
        given = _assignment(node, source)
        if before is not None and given is not None and before.text == given.text and _is_copy(before, given, source):
            yield [before, given]
        before = given


def _assignment(statement: Node, source: Source) -> _Given | None:
    if statement.type != "expression_statement" or len(statement.named_children) != 1:
        return None
    node = statement.named_children[0]
    left, right = node.child_by_field_name("left"), node.child_by_field_name("right")
    if node.type not in ("assignment", "assignment_expression") or left is None or right is None:
        return None
    name = source.node_text(left)
    is_read = any(each.type == "identifier" and source.node_text(each) == name for each in walk(right))
    return _Given(name, left, node) if left.type == "identifier" and name.strip("_") and not is_read else None


def _is_copy(one: _Given, other: _Given, source: Source) -> bool:
    """Is one statement the other with other names or texts in it, and not the same once more?"""
    return _shape(one.whole) == _shape(other.whole) and _words(source, one.whole) != _words(source, other.whole)


def _shape(node: Node) -> list[str]:
    return [each.type for each in walk(node, but=("string", "string_content"))]


def _words(source: Source, node: Node) -> str:
    """What is written at a node, whatever the blanks between its words; those in texts count."""
    words, pending = [], [node]
    while pending:
        each = pending.pop()
        if not each.children or "string" in each.type:
            words.append(source.node_text(each))
        else:
            pending.extend(reversed(each.children))
    return "\0".join(words)


def _repeated(file: ChangedFile, what: str, given: Iterable[_Given], message: str) -> Iterator[Finding]:
    first: dict[str, _Given] = {}
    for each in given:
        earlier = first.setdefault(each.text, each)
        if earlier is not each and (_is_changed(file, each.name) or _is_changed(file, earlier.name)):
            yield _finding(file, what, earlier, each, message)


def _is_changed(file: ChangedFile, node: Node) -> bool:
    return any(row + 1 in file.lines for row in range(node.start_point.row, node.end_point.row + 1))


def _finding(file: ChangedFile, what: str, earlier: _Given, later: _Given, message: str) -> Finding:
    line = earlier.name.start_point.row + 1
    return finding_at(
        file.path,
        file.source,
        file.source.span(later.name),
        severity="warning",
        family="given-twice",
        message=message.format(file.source.node_text(later.name)),
        evidence=f"the same {what} stands in line {line}",
        related=(Related(file.path, line, 1, "where it stands first"),),
        is_fix=False,
    )
