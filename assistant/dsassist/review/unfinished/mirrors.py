"""One of a mirrored pair of functions changed alone, in something that both share (DSA205).

What they share is a string that both held (a key, a format, a prefix): where the change replaced it in one of them, the
other reads what is no longer written.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.source import walk
from dsassist.review.unfinished.change import PythonChange, PythonChanges
from dsassist.review.unfinished.python_file import Definition, PythonFile

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["find_lone_mirrors"]

_PAIRS_TEXT = """
encode decode; dump load; dumps loads; to from; open close; read write; pack unpack; serialize deserialize; get set;
save load; enter exit; store load; push pop; marshal unmarshal; export import; compress decompress; encrypt decrypt;
parse format; parse render; escape unescape; quote unquote; save restore; register unregister; connect disconnect
"""
_PAIRS = tuple(tuple(pair.split()) for pair in _PAIRS_TEXT.replace("\n", " ").split(";"))
_LEAST_LENGTH = 2


def find_lone_mirrors(changes: PythonChanges) -> Iterator[Finding]:
    """Strings that were replaced in one function and still stand in the one that mirrors it."""
    for change in changes.files:
        old = _functions(change.old)
        new = _functions(change.new)
        for key in sorted(old.keys() & new.keys()):
            for other in _mirrors(key):
                if other in old and other in new:
                    yield from _lone(change, (old[key], new[key]), (old[other], new[other]))


def _functions(file: PythonFile) -> dict[tuple[str, str], Definition]:
    return {(each.container, each.name): each for each in file.definitions if each.kind == "function"}


def _mirrors(key: tuple[str, str]) -> Iterator[tuple[str, str]]:
    """The names of functions that would do the contrary, beside it."""
    container, name = key
    parts = name.split("_")
    for pair in _PAIRS:
        for one, other in (pair, pair[::-1]):
            if one in parts:
                yield container, "_".join(other if part == one else part for part in parts)


def _lone(
    change: PythonChange, changed: tuple[Definition, Definition], other: tuple[Definition, Definition]
) -> Iterator[Finding]:
    old, new = change.old, change.new
    if old.source.node_text(other[0].node) != new.source.node_text(other[1].node):
        return
    before, after = _strings(changed[0], old), _strings(changed[1], new)
    gone, come = before.keys() - after.keys(), after.keys() - before.keys()
    mirrored = _strings(other[1], new)
    shared = gone & mirrored.keys()
    if len(shared) == 1 and len(gone) == 1 and len(come) == 1 and not come & mirrored.keys():
        yield _finding(new, mirrored[shared.pop()], come.pop(), (changed[1], after), other[1])


def _strings(definition: Definition, file: PythonFile) -> dict[str, Node]:
    """The strings in a function but for its docstring, each where it stands first."""
    found: dict[str, Node] = {}
    for node in walk(definition.node):
        if node.type == "string_content" and not _is_docstring(node):
            text = file.source.node_text(node)
            if len(text) >= _LEAST_LENGTH and "\n" not in text and " " not in text.strip():
                found.setdefault(text, node)
    return found


def _is_docstring(content: Node) -> bool:
    string = content.parent
    return string is not None and string.parent is not None and string.parent.type == "expression_statement"


def _finding(
    file: PythonFile, node: Node, new: str, changed: tuple[Definition, dict[str, Node]], other: Definition
) -> Finding:
    definition, strings = changed
    old = file.source.node_text(node)
    return finding_at(
        file.path,
        file.source,
        file.source.span(node),
        severity="warning",
        family="lone-mirror",
        function=file.function_around(node),
        message=f'`{other.name}` still has "{old}", which `{definition.name}` has no more',
        evidence=f'this change put "{new}" in its place in `{definition.name}`, and both had it before',
        related=(Related(file.path, strings[new].start_point.row + 1, 1, "changed here"),),
        alternative=new,
        is_fix=False,
    )
