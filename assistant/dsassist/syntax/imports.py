"""What a source file imports, in one form for all languages; the patterns are queries (`queries/*.imports.scm`).

Captures: `module` with `name`, `alias` or `module_alias`; `default` (JavaScript); `relative`, a path from the file's
own folder; and `tree`, a statement that nests (`use a::{b, c::{d as e}}`), which is read here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dsassist.syntax.parsing import parse
from dsassist.syntax.queries import query_of

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

__all__ = ["Import", "ImportedName", "imports"]

_SEPARATORS = {"rust": "::", "php": "\\"}
_KEYWORDS = re.compile(r"^(?:import|use|static|function|const)\s+")
_ALIAS = re.compile(r"^(.*?)\s*(?:\bas\b|=>)\s*(\S+)$", re.DOTALL)
_WILDCARDS = ("*", "_", "given")


class ImportedName(NamedTuple):
    """A name that a module offers, and what it is called here."""

    name: str
    alias: str


@dataclass(frozen=True)
class Import:
    """One module that is imported. No `names`: the module itself, called `alias`; the name "*" is all that it offers.

    `module` is written as in the source, without quotes; a path from the file's own folder begins with "./" or "..".
    Lines count from 1.
    """

    module: str
    names: tuple[ImportedName, ...]
    alias: str
    line: int


class _Found(NamedTuple):
    """One match: a module, and at most one name of it."""

    module: str
    name: ImportedName | None
    alias: str
    line: int


def imports(language: str, text: str, tree: Tree | None = None) -> list[Import]:
    """The imports of a file in its order; none where we have no grammar or query for the language.

    `tree` is the text's, where it was parsed already.
    """
    query = query_of("imports", language)
    if tree is None and query is not None:
        tree = parse(language, text)
    if query is None or tree is None:
        return []
    from tree_sitter import QueryCursor

    matches = [captures for _, captures in QueryCursor(query).matches(tree.root_node)]
    found = [each for captures in sorted(matches, key=_start) for each in _found(captures, language)]
    return _merged(found)


def _start(captures: dict[str, list[Node]]) -> int:
    return min(node.start_byte for nodes in captures.values() for node in nodes)


def _found(captures: dict[str, list[Node]], language: str) -> Iterator[_Found]:
    first = next(iter(captures.values()))[0]
    line = first.start_point.row + 1
    told = {capture: _unquoted(nodes[0]) for capture, nodes in captures.items()}
    if "tree" in told:
        yield from _read_tree(told["tree"], _SEPARATORS.get(language, "."), line)
    elif "relative" in told:
        path = told["relative"]
        yield _Found(path if path.startswith(".") else "./" + path.lstrip("/"), None, "", line)
    else:
        name = told.get("name", "default" if "default" in told else "")
        alias = told.get("alias") or told.get("default") or name
        yield _Found(told["module"], ImportedName(name, alias) if name else None, told.get("module_alias", ""), line)


def _unquoted(node: Node) -> str:
    return (node.text or b"").decode("utf-8", "replace").strip().strip("\"'`<>")


def _read_tree(statement: str, separator: str, line: int) -> Iterator[_Found]:
    """The modules and names of `a::b::{c, d::e as f}`, `a.b.{C => D}`, `A\\B as C`, and of lists of those."""
    text = statement.strip().rstrip(";").strip()
    while (shorter := _KEYWORDS.sub("", text)) != text:
        text = shorter.strip()
    for part in _parts(text):
        yield from _read_branch("", part, separator, line)


def _read_branch(above: str, text: str, separator: str, line: int) -> Iterator[_Found]:
    text = text.strip()
    if text.endswith("}") and "{" in text:
        path, _, inside = text[:-1].partition("{")
        module = _joined(above, path.strip().removesuffix(separator), separator)
        for part in _parts(inside):
            yield from _read_branch(module, part, separator, line)
        return
    renamed = _ALIAS.match(text)
    text, alias = (renamed[1].strip(), renamed[2]) if renamed else (text, "")
    if not text:
        return
    if text == "self" and above:
        yield _Found(above, None, alias, line)
        return
    path, _, name = _joined(above, text, separator).rpartition(separator)
    if not path:
        yield _Found(name, None, alias, line)
    elif name in _WILDCARDS:
        yield _Found(path, ImportedName("*", "*"), "", line)
    else:
        yield _Found(path, ImportedName(name, alias or name), "", line)


def _joined(above: str, path: str, separator: str) -> str:
    path = path.strip(separator) if above or separator == "\\" else path
    return separator.join(part for part in (above, path) if part)


def _parts(text: str) -> Iterator[str]:
    """The items of a list; commas inside braces are an inner list's."""
    depth, start = 0, 0
    for at, character in enumerate(text):
        depth += (character == "{") - (character == "}")
        if character == "," and depth == 0:
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _merged(found: list[_Found]) -> list[Import]:
    """One import for each module of a line, with all its names."""
    together: dict[tuple[str, str, int], list[ImportedName]] = {}
    for each in found:
        names = together.setdefault((each.module, each.alias, each.line), [])
        if each.name is not None and each.name not in names:
            names.append(each.name)
    return [Import(module, tuple(names), alias, line) for (module, alias, line), names in together.items()]
