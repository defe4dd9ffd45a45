"""A name of another language than Python that the change took away and that is still used (DSA201).

Types and modules are not resolved: a name counts only where nothing in the tree defines it any more, neither as what it
was nor as a variable, parameter or key, and where it is used in its own file, in one that imports it from there, in its
own package (Go), or where it is so particular that it means nothing else.
"""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from dsassist.context.modules import imported_files
from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.source import Source
from dsassist.review.unfinished.edits import hunks, replaced_words
from dsassist.review.unfinished.tree import Overlay, words_of
from dsassist.review.unfinished.written import leaves_of
from dsassist.syntax.imports import imports
from dsassist.syntax.languages import grammar, language_of
from dsassist.syntax.symbols import Symbol, symbols

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["find_stale_plain_names"]

_FAMILIES = {
    **dict.fromkeys(("javascript", "typescript", "tsx"), "javascript"),
    **dict.fromkeys(("c", "cpp"), "c"),
    **dict.fromkeys(("java", "kotlin", "scala"), "jvm"),
    **{language: language for language in ("go", "rust", "c_sharp", "swift")},
}
_KINDS = ("class", "interface", "enum", "type", "function", "constant", "macro", "method")
_DEFINES = re.compile(
    r"declar|defin|_item$|_spec$|signature|parameter|variant|pattern|enumerator|closure|^pair$|catch_clause|specifier$"
    r"|^field_initializer|^keyed_element|assignment|short_var|^attribute|^namespace_import"
)
_IMPORTS = ("import_specifier", "named_imports", "import_clause", "use_declaration", "scoped_use_list", "use_list")
_INNER_CAPITAL = re.compile(r"[a-z0-9][A-Z]")
_LEAST_NAME, _PARTICULAR = 4, 10
_MOST_OF_FILE = 5


@dataclass(frozen=True)
class _Gone:
    file: ChangedFile
    symbol: Symbol
    new_name: str
    n_replaced: int


class _File:
    """A file of the tree that holds a name."""

    def __init__(self, path: str, text: str, language: str) -> None:
        self.path = path
        self.language = language
        self.source = Source(text, language)

    @cached_property
    def words(self) -> frozenset[str]:
        return words_of(self.source.text)

    def leaves(self, name: str) -> Iterator[Node]:
        """Where the name stands as an identifier."""
        for leaf in leaves_of(self.source, name):
            # What a name is within Rust's macros is not known.
            is_in_macro = leaf.parent is not None and leaf.parent.type == "token_tree"
            if "identifier" in leaf.type and not is_in_macro:
                yield leaf


def find_stale_plain_names(files: Sequence[ChangedFile], tree: Overlay) -> Iterator[Finding]:
    """Each use of a name whose only definition the change removed."""
    if not tree.is_whole:
        return
    gone = [each for file in files for each in _gone(file)]
    texts = tree.texts_with({each.symbol.name for each in gone})
    held = [_File(path, text, language) for path, text in texts.items() if (language := language_of(path)) in _FAMILIES]
    for each in gone:
        family = _FAMILIES[each.file.language or ""]
        name = each.symbol.name
        holders = [file for file in held if _FAMILIES[file.language] == family and name in file.words]
        counted: Counter[str] = Counter()
        for file, leaf in _uses(each, holders, tree):
            counted[file.path] += 1
            if counted[file.path] <= _MOST_OF_FILE:
                yield _finding(each, file, leaf)


def _gone(file: ChangedFile) -> Iterator[_Gone]:
    language = file.language
    if language not in _FAMILIES or language is None or file.old is None or not file.source.text:
        return
    if grammar(language) is None or file.source.tree.root_node.has_error:
        return
    before, after = symbols(language, file.old), symbols(language, file.source.text)
    left = {each.name for each in after}
    told = Counter(each.name for each in before)
    replaced = replaced_words(hunks(file.old, file.source.text))
    added = left - told.keys()
    for each in before:
        if each.name not in left and told[each.name] == 1 and each.kind in _KINDS and len(each.name) >= _LEAST_NAME:
            new = {b for (a, b) in replaced if a == each.name and b in added}
            new_name = new.pop() if len(new) == 1 else ""
            yield _Gone(file, each, new_name, replaced[each.name, new_name])


def _uses(gone: _Gone, holders: Sequence[_File], tree: Overlay) -> Iterator[tuple[_File, Node]]:
    found: list[tuple[_File, Node]] = []
    name = gone.symbol.name
    for file in holders:
        if file.source.tree.root_node.has_error:
            return
        leaves = list(file.leaves(name))
        if any(_is_definition(leaf) for leaf in leaves):
            return
        found += [(file, leaf) for leaf in leaves]
    if gone.symbol.container:
        is_meant = bool(gone.new_name) and _is_particular(name) and 0 < len(found) < gone.n_replaced
        yield from found if is_meant else ()
        return
    for file, leaf in found:
        if _is_of(gone, file, leaf, tree):
            yield file, leaf


def _is_of(gone: _Gone, file: _File, leaf: Node, tree: Overlay) -> bool:
    """Does a use mean what is gone?"""
    home = gone.file.path
    is_member = leaf.type in ("property_identifier", "field_identifier")
    if file.path == home:
        return not is_member
    if _FAMILIES[file.language] == "javascript":
        return not is_member and _is_imported(gone.symbol.name, home, file, tree)
    if file.language == "go":
        return not is_member and posixpath.dirname(file.path) == posixpath.dirname(home)
    return _is_particular(gone.symbol.name) and not is_member


def _is_imported(name: str, home: str, file: _File, tree: Overlay) -> bool:
    found = imported_files(
        imports(file.language, file.source.text),
        file.language,
        file.path,
        lambda keys: {key: tree.by_module.get(key, []) for key in keys},
    )
    return any(each.path == home and name in each.names for each in found)


def _is_particular(name: str) -> bool:
    return len(name) >= _PARTICULAR and ("_" in name.strip("_") or _INNER_CAPITAL.search(name) is not None)


def _is_definition(leaf: Node) -> bool:
    """Does something here, or perhaps, give the name a meaning? What a name may be a use of is left out with it."""
    if "pattern" in leaf.type:
        return True
    node, parent = leaf, leaf.parent
    while parent is not None and parent.type in ("expression_list", "identifier_list"):  # a, b := 1, 2
        node, parent = parent, parent.parent
    if parent is None or parent.type in _IMPORTS:
        return False
    return _DEFINES.search(parent.type) is not None and _is_named(parent, node)


def _is_named(parent: Node, leaf: Node) -> bool:
    """Is the leaf what the parent names, rather than its type or value?"""
    others = ("type", "value", "right", "return_type", "trait")
    return not any(parent.child_by_field_name(field) == leaf for field in others)


def _finding(gone: _Gone, file: _File, leaf: Node) -> Finding:
    what = f"is now called `{gone.new_name}`" if gone.new_name else "is defined nowhere any more"
    note = f"renamed to {gone.new_name} by this change" if gone.new_name else "removed by this change"
    home = gone.file.path
    n_lines = gone.file.source.text.count("\n") + 1
    return finding_at(
        file.path,
        file.source,
        file.source.span(leaf),
        severity="warning",
        family="stale-name",
        message=f"`{gone.symbol.name}` {what}",
        evidence=f"this change took away its only definition, in {home}",
        related=(Related(home, min(gone.symbol.start_line, n_lines), 1, note),),
        original=gone.symbol.name,
        alternative=gone.new_name,
    )
