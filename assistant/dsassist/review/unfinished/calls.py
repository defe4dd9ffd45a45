"""A call that no longer fits the signature that the change altered (DSA202)."""

from __future__ import annotations

import builtins
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.unfinished.change import PythonChange, PythonChanges
from dsassist.review.unfinished.library import LIBRARY_METHODS
from dsassist.review.unfinished.python_file import Definition, Occurrence, PythonFile
from dsassist.review.unfinished.signature import Signature, call_at, call_of, callables, misfit

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["find_stale_calls"]

_LEAST_NAME = 4  # characters of a method that is known by its name alone
_MOST_OF_FILE = 5


@dataclass(frozen=True)
class _Altered:
    """A function or class before and after, with what it takes."""

    change: PythonChange
    definition: Definition
    old: Signature
    new: Signature

    @property
    def is_method(self) -> bool:
        return bool(self.definition.container)


def find_stale_calls(changes: PythonChanges) -> Iterator[Finding]:
    """Calls that fitted what a function took before the change, and do not fit what it takes now."""
    altered = [each for change in changes.files for each in _altered(change)]
    files = changes.files_with({each.definition.name for each in altered})
    for each in altered:
        name = each.definition.name
        holders = [file for file in files if name in file.words]
        if each.is_method and not _is_only_one(each, holders):
            holders = [file for file in holders if file.path == each.change.new.path]
        for file in holders:
            found = (finding for call in _calls(each, file, changes) if (finding := _judged(each, file, call)))
            yield from list(found)[:_MOST_OF_FILE]


def _altered(change: PythonChange) -> Iterator[_Altered]:
    before = callables(change.old)
    for key, (definition, new) in callables(change.new).items():
        if key in before and before[key][1] != new:
            yield _Altered(change, definition, before[key][1], new)


def _is_only_one(altered: _Altered, files: list[PythonFile]) -> bool:
    """Is there one thing of that name, so that a method is known by it whatever it is called on?"""
    name = altered.definition.name
    if name in LIBRARY_METHODS or len(name) < _LEAST_NAME or altered.definition.kind != "function":
        return False
    defined = 0
    for file in files:
        for each in file.occurrences(name):
            defined += each.role in ("definition", "store") or (each.role == "binding" and name in file.members)
    return defined == 1


def _calls(altered: _Altered, file: PythonFile, changes: PythonChanges) -> Iterator[Node]:
    """The calls in a file that are surely of what was altered."""
    name, home = altered.definition.name, altered.change.new
    if not altered.is_method:
        yield from _calls_by_name(altered, file, changes)
        return
    is_unique = file.path != home.path or _is_only_one(altered, changes.files_with({name}))
    for each in file.occurrences(name):
        call = call_of(each)
        if each.role != "attribute" or call is None:
            continue
        owner = _owner(file, each)
        own_class = altered.definition.container.split(".")[-1]
        if owner in ("self", "cls"):
            if _class_around(file, each) == own_class or is_unique:
                yield call
        elif owner == own_class:
            if any(
                decorator.startswith(("staticmethod", "classmethod")) for decorator in altered.definition.decorators
            ):
                yield call
        elif is_unique and not owner.startswith("super(") and not _is_module(file, owner):
            yield call


def _calls_by_name(altered: _Altered, file: PythonFile, changes: PythonChanges) -> Iterator[Node]:
    name, home = altered.definition.name, altered.change.new
    if file.path == home.path:
        names, modules = {name} - set(dir(builtins)), set[str]()
    else:
        taken = list(changes.links.taken(file, name, home.path))
        names, modules = {each.name for each in taken if each.name}, {each.module for each in taken if each.module}
    for alias in sorted(names):
        occurrences = file.occurrences(alias)
        bound = [each for each in occurrences if each.role in ("definition", "binding") and not _is_import(each)]
        if len(bound) == (file.path == home.path):
            yield from (call for each in occurrences if each.role == "load" and (call := call_of(each)) is not None)
    for each in file.occurrences(name) if modules else ():
        call = call_of(each)
        if each.role == "attribute" and call is not None and _owner(file, each) in modules:
            yield call


def _is_import(use: Occurrence) -> bool:
    return use.node.parent is not None and use.node.parent.type == "aliased_import"


def _owner(file: PythonFile, use: Occurrence) -> str:
    owner = use.node.parent.child_by_field_name("object") if use.node.parent is not None else None
    return "" if owner is None else file.source.node_text(owner)


def _is_module(file: PythonFile, owner: str) -> bool:
    """Is it called on a module that the file imports, and so a function of the same name?"""
    first = owner.split(".", maxsplit=1)[0]
    return any((each.alias or each.module.split(".")[0]) == first for each in file.imports if not each.names)


def _class_around(file: PythonFile, use: Occurrence) -> str:
    node = use.node.parent
    while node is not None and node.type != "class_definition":
        node = node.parent
    name = node.child_by_field_name("name") if node is not None else None
    return "" if name is None else file.source.node_text(name)


def _judged(altered: _Altered, file: PythonFile, node: Node) -> Finding | None:
    call = call_at(node, file)
    if call is None or misfit(call, altered.old) or not (reason := misfit(call, altered.new)):
        return None
    function = node.child_by_field_name("function")
    assert function is not None, "a call has a function"
    name, home = altered.definition.name, altered.change.new
    return finding_at(
        file.path,
        file.source,
        file.source.span(function),
        severity="warning",
        family="stale-call",
        function=file.function_around(node),
        message=f"`{name}` {reason}",
        evidence=f"this change altered what `{name}` takes, in {home.path}",
        related=(Related(home.path, altered.definition.line, 1, "altered by this change"),),
        original=file.source.node_text(node).split("\n")[0],
    )
