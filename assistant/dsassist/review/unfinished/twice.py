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

import re
from bisect import bisect_left
from collections import Counter
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
_CHANGES_SOMETHING = (
    *("named_expression", "assignment_expression", "update_expression", "let_condition", "declaration"),
    *("await", "yield", "await_expression", "yield_expression"),
)
"""What a condition may do besides being asked; then asking again is something else."""
_CALLS = ("call", "call_expression", "method_invocation", "new_expression", "macro_invocation")
_ASKING = re.compile(r"is|has|can(?![a-z])|starts|ends|contain|include|equal|len|size|getattr|type")
"""How a call's name begins that gives the same answer twice; `next()` and `random()` do not."""
_FIELDS = {
    ("python", "argument_list"): "keyword_argument",
    ("go", "literal_value"): "keyed_element",
    ("rust", "field_initializer_list"): "field_initializer",
}
"""What has named parts, and the type of such a part; to name one twice is an error in these languages."""
_LITERALS = ("string", "integer", "number", "float", "property_identifier")
_NAMES = (
    *("identifier", "field_identifier", "literal_element", "shorthand_field_initializer"),
    *("interpreted_string_literal", "raw_string_literal", "int_literal"),
)
_DEFINITIONS = (
    *("function_definition", "class_definition"),
    *("function_declaration", "generator_function_declaration", "class_declaration", "method_definition"),
)


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
    elif (language, node.type) in _FIELDS:
        yield "name", _fields(node, source, _FIELDS[language, node.type]), "`{}` is given already"
    elif node.type in _BLOCKS and language in ("python", *_SCRIPTS):
        for pair in _defined_twice(node, source):
            yield "definition", pair, "`{}` is defined already, and only the last one stays"
        for pair in _neighbours(node, source):
            yield "value", pair, "`{}` has just been given another value, which nothing reads"


def _is_else(node: Node) -> bool:
    """Is this `if` the one behind an `else`?"""
    parent = node.parent
    return parent is not None and (parent.type in _ELSE or (parent.type in _BRANCHES and not _is_branch(node, parent)))


def _is_branch(node: Node, parent: Node) -> bool:
    return any(node == parent.child_by_field_name(each) for each in ("consequence", "condition"))


def _conditions(node: Node, source: Source) -> list[_Given]:
    asked = [each.child_by_field_name("condition") for each in _chain(node)]
    return [_Given(_words(source, each), each, each) for each in asked if each is not None and _is_pure(each, source)]


def _is_pure(condition: Node, source: Source) -> bool:
    """Would it be answered in the same way once more, as far as names tell?"""
    return not any(
        each.type in _CHANGES_SOMETHING or (each.type in _CALLS and not _is_asking(each, source))
        for each in walk(condition)
    )


def _is_asking(call: Node, source: Source) -> bool:
    called = call.child_by_field_name("function") or call.child_by_field_name("name")
    name = "" if called is None else tokens_of(source.node_text(called))[-1]
    return _ASKING.match(name) is not None


def _chain(node: Node) -> Iterator[Node]:
    """An `if`, and each one that is asked where those before it were false, in the same scope."""
    current: Node | None = node
    while current is not None and current.child_by_field_name("initializer") is None:
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


def _fields(node: Node, source: Source, part: str) -> list[_Given]:
    parts = [child for child in node.named_children if child.type == part and child.named_children]
    return [
        _Given(_words(source, each.named_children[0]), each.named_children[0], each)
        for each in parts
        if each.named_children[0].type in _NAMES and not _is_called(each.named_children[0])
    ]


def _is_called(key: Node) -> bool:
    return any(each.type in _CALLS for each in walk(key))


def _defined_twice(block: Node, source: Source) -> Iterator[list[_Given]]:
    """Pairs of definitions of one name in a block, with no use of the first before the second takes its place."""
    given = [_definition(node, source) for node in block.named_children]
    counted = Counter(each.text for each in given if each is not None)
    before: dict[str, tuple[int, _Given]] = {}
    for number, each in enumerate(given):
        if each is None or counted[each.text] < 2:
            continue
        if each.text in before:
            first, earlier = before[each.text]
            name = source.node_text(each.name)
            between = [*block.named_children[first + 1 : number], *_without_name(each)]
            if not any(
                below.type == "identifier" and source.node_text(below) == name
                for node in between
                for below in walk(node)
            ):
                yield [earlier, each]
        before[each.text] = number, each


def _without_name(definition: _Given) -> list[Node]:
    return [child for child in definition.whole.named_children if child != definition.name]


def _definition(node: Node, source: Source) -> _Given | None:
    name = node.child_by_field_name("name") if node.type in _DEFINITIONS else None
    if name is None or node.child_by_field_name("body") is None:
        return None
    text = source.node_text(name)
    before = tokens_of(source.data[node.start_byte : name.start_byte].decode("utf-8"))
    if not text.strip("_") or {"get", "set"} & set(before):
        return None
    return _Given(f"static {text}" if "static" in before else text, name, node)


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
    is_read = any(
        each.type in ("identifier", "shorthand_property_identifier") and source.node_text(each) == name
        for each in walk(right)
    )
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
