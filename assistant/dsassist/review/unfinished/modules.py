"""An import of a module that the change moved or took away (DSA201)."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath

from dsassist.review.findings import Finding
from dsassist.review.source import Source
from dsassist.review.unfinished.change import PythonChanges
from dsassist.review.unfinished.links import Links, is_guarded, submodules_of
from dsassist.review.unfinished.moves import stale_import
from dsassist.review.unfinished.python_file import Occurrence, PythonFile
from dsassist.review.unfinished.tree import Overlay
from dsassist.syntax.imports import Import

__all__ = ["find_stale_modules", "is_offered", "statement_line"]

_LEAST_NAME = 3
_ROOTS = (".", "src")


def find_stale_modules(
    gone_files: Mapping[str, str | None], tree: Overlay, changes: PythonChanges
) -> Iterator[Finding]:
    """Imports that led to a file that is no longer there, and lead nowhere now; `gone_files` as in `moves`."""
    gone = {path: new for path, new in gone_files.items() if _is_module(path) and not _is_there(path, tree)}
    if not gone:
        return
    stale = _Stale(tree, gone, changes)
    holders = changes.files_with({_name(path) for path in gone})
    for path, new_path in gone.items():
        name = _name(path)
        for file in (each for each in holders if name in each.words):
            for line in sorted({each.line for each in file.imports if stale.is_stale(each, file, path)}):
                yield from _findings(file, name, line, path, new_path)


class _Stale:
    """Which imports lead nowhere any more, of a tree from which the modules `gone` were taken."""

    def __init__(self, tree: Overlay, gone: Mapping[str, str | None], changes: PythonChanges) -> None:
        self._tree = tree
        self._gone = gone
        self._now, self._before = changes.links, Links([*tree.paths, *gone])

    def is_stale(self, one: Import, file: PythonFile, path: str) -> bool:
        """Did the import, or one of its names, mean the module `path`, and mean nothing now?"""
        if any(self._led_to(each, file, path) and not self._leads(each, file, path) for each in submodules_of(one)):
            own = str(_folder(path) / "__init__.py")  # a package below another folder is not found by a single word
            packages = {*self._now.modules(one, file.path), *({own} & self._tree.paths)}
            return not is_offered(_name(path), sorted(packages), self._tree)
        return self._led_to(one, file, path) and not self._leads(one, file, path)

    def _led_to(self, one: Import, file: PythonFile, path: str) -> bool:
        return self._before.leads_to(one, file.path, path) and (not _is_plain(one) or self._is_beside(file, path))

    def _leads(self, one: Import, file: PythonFile, path: str) -> bool:
        found, new_path = self._now.modules(one, file.path), self._gone[path]
        if not _is_plain(one) or new_path is None or _name(new_path) != _name(path):
            return bool(found)
        # A single word still means a file of that name if its folder is on the path, which that of a package is not.
        return found not in ([], [new_path]) or not self._is_in_package(new_path)

    def _is_beside(self, file: PythonFile, path: str) -> bool:
        """May a single word mean this file: from the root, or from the same folder of scripts?"""
        is_near = _folder(path) == PurePosixPath(file.path).parent and not self._is_in_package(file.path)
        return _name(path) not in sys.stdlib_module_names and (str(_folder(path)) in _ROOTS or is_near)

    def _is_in_package(self, path: str) -> bool:
        return str(_folder(path) / "__init__.py") in self._tree.paths


def is_offered(name: str, packages: Iterable[str], tree: Overlay) -> bool:
    """Does one of these modules, or may it, give the name a meaning of its own?"""
    texts = {path: tree.text(path) for path in packages}
    if not tree.is_whole and None in texts.values():
        return True
    files = [PythonFile(path, Source(text or "")) for path, text in texts.items()]
    return any(each.has_star_import or not each.module_names.isdisjoint({name, "__getattr__"}) for each in files)


def _is_module(path: str) -> bool:
    return path.endswith(".py") and len(_name(path)) >= _LEAST_NAME


def _is_there(path: str, tree: Overlay) -> bool:
    """Can it be imported still? A folder can without a file of its own, as long as it holds anything."""
    pure = PurePosixPath(path)
    if pure.name == "__init__.py":
        return any(each.startswith(f"{pure.parent}/") for each in tree.paths)
    return path in tree.paths


def _name(path: str) -> str:
    """By what an import ends that means this module; of a package's own file that of its folder."""
    pure = PurePosixPath(path)
    return pure.parent.name if pure.name == "__init__.py" else pure.stem


def _folder(path: str) -> PurePosixPath:
    """The folder that holds the module; of a package's own file the one that holds the package."""
    pure = PurePosixPath(path)
    return pure.parent.parent if pure.name == "__init__.py" else pure.parent


def _is_plain(one: Import) -> bool:
    return "." not in one.module


def _findings(file: PythonFile, name: str, line: int, path: str, new_path: str | None) -> Iterator[Finding]:
    for use in file.occurrences(name):
        if use.role == "import" and statement_line(use) == line and not is_guarded(use):
            function = file.function_around(use.node)
            yield stale_import(file.path, file.source, file.source.span(use.node), path, new_path, function=function)
            return


def statement_line(use: Occurrence) -> int:
    """The first line of the import; a name in brackets may stand on another."""
    node = use.node
    while node.parent is not None and node.type not in ("import_from_statement", "import_statement"):
        node = node.parent
    return node.start_point.row + 1
