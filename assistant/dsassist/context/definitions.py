"""Definitions as a prompt shows them, signatures with a line of documentation: the sources "imports" and "names"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from dsassist.context.modules import ImportedFile
from dsassist.context.snippets import Snippet, SnippetSource
from dsassist.context.workspace import Workspace
from dsassist.index.words import is_word_of_interest
from dsassist.index.workspace import Definition
from dsassist.syntax.symbols import Symbol

__all__ = ["family_of", "import_snippets", "name_snippets"]

_FAMILIES = (
    ("javascript", "typescript", "tsx"),
    ("c", "cpp"),
    ("java", "kotlin", "scala"),
)
_TEST = re.compile(r"(?:^|/)(?:tests?|spec|__tests__)/|(?:^|/)test_[^/]*$|[._](?:test|spec)\.\w+$")
_HASH_COMMENTS = ("python", "ruby", "bash", "toml", "yaml", "hcl")
_MAKERS = ("__init__", "__new__", "constructor", "initialize", "__construct", "new", "init")
_TYPES = ("class", "interface", "enum", "type")
_NAMED_KINDS = (*_TYPES, "function", "method", "constant", "macro")  # a field's or variable's name is anybody's
_FILES_LIMIT = 30
_SYMBOLS_LIMIT = 12  # of one imported file
_UNUSED_LIMIT = 6  # of them those that nothing in the document uses yet
_MEMBERS_LIMIT = 12
_AMBIGUOUS = 2  # a name that is defined in more places says nothing
_NAMES_LIMIT = 24


def family_of(language: str) -> tuple[str, ...]:
    """The languages that use each other's definitions, this one among them."""
    return next((family for family in _FAMILIES if language in family), (language,))


def import_snippets(
    files: Sequence[ImportedFile], workspace: Workspace, near: Sequence[str], used: Collection[str]
) -> list[Snippet]:
    """For each imported file the signatures of what is imported; files that are used near the cursor go first.

    `near` are the identifiers around the cursor, the nearest first; `used` all those of the document.
    """
    by_path = _by_path(workspace.symbols_in([file.path for file in files[:_FILES_LIMIT]]))
    ranked = []
    for at, file in enumerate(files):
        definitions = by_path.get(file.path, [])
        chosen = _imported(file, definitions, used)
        if chosen:
            names = {*(each.symbol.name for each in chosen), file.alias, *file.names}
            distance = next((place for place, name in enumerate(near) if name in names), len(near))
            ranked.append((distance, at, _snippet("imports", chosen, definitions, used)))
    return [snippet for _, _, snippet in sorted(ranked, key=lambda each: each[:2])]


def name_snippets(workspace: Workspace, path: str, language: str, near: Sequence[str]) -> list[Snippet]:
    """The signatures of names near the cursor that another file defines, the nearest first."""
    wanted = [name for name in near if is_word_of_interest(name)][:_NAMES_LIMIT]
    found: dict[str, list[Definition]] = {}
    for definition in workspace.definitions(wanted, family_of(language)):
        if definition.symbol.kind in _NAMED_KINDS and (
            definition.path == path or _is_test(path) or not _is_test(definition.path)
        ):
            found.setdefault(definition.symbol.name, []).append(definition)
    chosen = []
    for name in wanted:
        places = found.get(name, [])
        if any(each.path == path for each in places):
            continue  # the document's own
        outside = [each for each in places if not each.symbol.container] or places
        if 0 < len({each.path for each in outside}) <= _AMBIGUOUS:
            chosen += outside[:_AMBIGUOUS]
    types = {name for each in chosen for name in (each.symbol.name, each.symbol.container)} - {""}
    members = _by_path(workspace.types_with_members({each.path for each in chosen}, types))
    return [_snippet("names", [each], members.get(each.path, []), near) for each in chosen]


def _is_test(path: str) -> bool:
    return _TEST.search(path) is not None


def _by_path(definitions: Iterable[Definition]) -> dict[str, list[Definition]]:
    found: dict[str, list[Definition]] = {}
    for definition in definitions:
        found.setdefault(definition.path, []).append(definition)
    return found


def _imported(file: ImportedFile, definitions: Sequence[Definition], used: Collection[str]) -> list[Definition]:
    """What of a file to show: the names that are imported, else those that are used and a few that could be."""
    outside = [each for each in definitions if not each.symbol.container]
    names = [name for name in file.names if name not in ("*", "default")]
    if names:
        named = [each for each in outside if each.symbol.name in names]
        if named:
            return named[:_SYMBOLS_LIMIT]
    known = [each for each in outside if each.symbol.name in used]
    others = [each for each in outside if each.symbol.name not in used and _is_public(each.symbol)]
    others.sort(key=lambda each: each.symbol.kind in ("variable", "constant", "module", "macro"))
    chosen = [*known, *others[: _UNUSED_LIMIT if not known else _UNUSED_LIMIT // 2]][:_SYMBOLS_LIMIT]
    return sorted(chosen, key=lambda each: each.symbol.start_line)


def _snippet(
    source: SnippetSource, chosen: Sequence[Definition], definitions: Sequence[Definition], used: Collection[str]
) -> Snippet:
    lines: list[str] = []
    for definition in chosen:
        symbol = definition.symbol
        around = [each for each in definitions if each.symbol.name == symbol.container and each.symbol.kind in _TYPES]
        lines += (
            [around[0].symbol.signature, *_lines_of(definition, indent="    ")] if around else _lines_of(definition)
        )
        if symbol.kind in _TYPES:
            name = f"{symbol.container}.{symbol.name}".lstrip(".")
            members = [each for each in definitions if each.symbol.container == name]
            for member in _telling(members, used):
                lines += _lines_of(member, indent="    ")
    return Snippet(source, chosen[0].path, "\n".join(dict.fromkeys(lines)), chosen[0].symbol.start_line)


def _telling(members: Sequence[Definition], used: Collection[str]) -> list[Definition]:
    """The members of a type that help most: how it is made, what the document uses, and what is public."""

    def rank(each: Definition) -> int:
        if each.symbol.name in _MAKERS:
            return 0
        return 1 if each.symbol.name in used else 2

    public = [each for each in members if each.symbol.name in _MAKERS or _is_public(each.symbol)]
    chosen = sorted(public, key=rank)[:_MEMBERS_LIMIT]
    return sorted(chosen, key=lambda each: each.symbol.start_line)


def _is_public(symbol: Symbol) -> bool:
    return not symbol.name.startswith(("_", "#")) and "private " not in symbol.signature


def _lines_of(definition: Definition, indent: str = "") -> list[str]:
    symbol = definition.symbol
    mark = "#" if definition.language in _HASH_COMMENTS else "--" if definition.language == "lua" else "//"
    doc = [f"{indent}{mark} {symbol.doc}"] if symbol.doc else []
    return [*doc, indent + symbol.signature]
