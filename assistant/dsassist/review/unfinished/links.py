"""Which file of the tree an import means, and by what words a file calls another's names."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from functools import cached_property
from typing import NamedTuple

from dsassist.context.modules import imported_files
from dsassist.index.entry import module_key
from dsassist.review.unfinished.python_file import Occurrence, PythonFile
from dsassist.syntax.imports import Import

__all__ = ["Links", "Taken", "is_guarded", "submodules_of"]


class Taken(NamedTuple):
    """How a file takes a name of another: by `name`, or through the module that it calls `module`."""

    name: str
    module: str
    line: int


class Links:
    """The imports of a tree's Python files."""

    def __init__(self, paths: Collection[str]) -> None:
        self._paths = [path for path in paths if path.endswith((".py", ".pyi"))]

    @cached_property
    def _by_key(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for path in sorted(self._paths):
            found.setdefault(module_key(path), []).append(path)
        return found

    def taken(self, file: PythonFile, name: str, path: str) -> Iterator[Taken]:
        """How `file` takes the name `name` of the file `path`."""
        for each in file.imports:
            for meant in imported_files([each], "python", file.path, self._of_keys):
                if meant.path != path:
                    continue
                if not meant.names:
                    yield Taken("", self._called(each.alias or meant.alias, each.names), each.line)
                elif name in meant.names:
                    yield from (Taken(one.alias, "", each.line) for one in each.names if one.name == name)

    def leads_to(self, one: Import, importing: str, path: str) -> bool:
        """Does the module that is imported mean the file `path`?"""
        return path in self.modules(one, importing)

    def modules(self, one: Import, importing: str) -> list[str]:
        """The file of the module itself; what `from package import module` may mean beside it is left out."""
        module = replace(one, names=())
        return [each.path for each in imported_files([module], "python", importing, self._of_keys)]

    @staticmethod
    def _called(alias: str, names: tuple[tuple[str, str], ...]) -> str:
        """`from package import module as m` calls it `m`."""
        return next((renamed for original, renamed in names if original == alias), alias)

    def _of_keys(self, keys: set[str]) -> dict[str, list[str]]:
        return {key: self._by_key.get(key, []) for key in keys}


def submodules_of(one: Import) -> list[Import]:
    """The modules that `from package import module` may mean, each as an import of its own."""
    joint = "" if one.module.endswith(".") else "."
    return [replace(one, module=f"{one.module}{joint}{each.name}", names=()) for each in one.names if each.name != "*"]


def is_guarded(occurrence: Occurrence) -> bool:
    """Does it stand in a `try`, where a name may be missing, or is it the import that then helps out?"""
    node = occurrence.node.parent
    while node is not None:
        around = node.parent
        if around is not None and around.type == "try_statement":
            is_body = around.child_by_field_name("body") == node
            if is_body or (occurrence.role == "import" and node.type == "except_clause"):
                return True
        node = around
    return False
