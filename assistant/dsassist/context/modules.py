"""Which files of the workspace an import means.

What only the build knows (search paths, aliases, package names) is not asked for: a file is taken if its path ends with
what is imported, and of several the one nearest to the importing file.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from dsassist.index.entry import is_folders_own
from dsassist.syntax.imports import Import

__all__ = ["ImportedFile", "imported_files"]

_JAVASCRIPT = ("javascript", "typescript", "tsx")
_PACKAGES = ("java", "kotlin", "scala", "php", "rust")
_SEPARATORS = {"php": "\\", "rust": "::"}
_ENDINGS_TEXT = ".js .jsx .mjs .cjs .ts .tsx .mts .cts .h .hh .hpp .hxx .c .cc .cpp .inc .inl .php .rb .sh .bash .lua"
_ENDINGS = frozenset(_ENDINGS_TEXT.split())
_RUST_RELATIVE = ("crate", "self", "super")
_RUST_LIBRARIES = ("std", "core", "alloc")
_SOURCE_FOLDERS = ("src", "lib", "app", "include", "source", "python")


class ImportedFile(NamedTuple):
    """A file and what is imported from it: no `names` means the file as a whole, by the name `alias`."""

    path: str
    names: tuple[str, ...]
    alias: str


class _Target(NamedTuple):
    """The end of a path, without the ending of its name; `is_exact`: the whole path."""

    parts: tuple[str, ...]
    names: tuple[str, ...]
    alias: str
    is_exact: bool = False


def imported_files(
    found: Sequence[Import], language: str, path: str, modules: Callable[[set[str]], dict[str, list[str]]]
) -> list[ImportedFile]:
    """The files that these imports of the file `path` mean, in the imports' order; `modules` finds paths by key."""
    targets = [target for each in found for target in _targets(each, language, path) if target.parts]
    by_key = modules({target.parts[-1].lower() for target in targets})
    result: dict[str, ImportedFile] = {}
    for target in targets:
        for meant in _meant(target, by_key.get(target.parts[-1].lower(), []), language, path):
            before = result.get(meant)
            names = (*before.names, *target.names) if before is not None else target.names
            alias = target.alias or (before.alias if before is not None else "")
            result[meant] = ImportedFile(meant, tuple(dict.fromkeys(names)), alias)
    return list(result.values())


def _targets(one: Import, language: str, path: str) -> Iterable[_Target]:
    names = tuple(name.name for name in one.names)
    folder = PurePosixPath(path).parent.parts
    if one.module.startswith(("./", "../")) and language != "python":
        return [
            _Target(_without_ending(posixpath.normpath(posixpath.join(*folder, one.module))), names, one.alias, True)
        ]
    if language == "python":
        return _python_targets(one.module, names, one.alias, folder)
    if language in _JAVASCRIPT:
        parts = _without_ending(one.module.lstrip("@~#/"))
        return [_Target(parts, names, one.alias)] if len(parts) > 1 else []
    if language == "go":
        return [_Target(tuple(one.module.split("/")), names, one.alias or one.module.rpartition("/")[2])]
    if language in _PACKAGES:
        parts = tuple(part for part in one.module.split(_SEPARATORS.get(language, ".")) if part)
        if language == "rust":
            if parts[:1] and parts[0] in _RUST_LIBRARIES:
                return []
            while parts[:1] and parts[0] in _RUST_RELATIVE:
                parts = parts[1:]
        return [_Target(parts, names, one.alias), *(_Target((*parts, name), (name,), "") for name in names)]
    if language == "lua":
        return [_Target(tuple(one.module.replace("/", ".").split(".")), names, one.alias)]
    return [_Target(_without_ending(one.module), names, one.alias)]


def _python_targets(module: str, names: tuple[str, ...], alias: str, folder: tuple[str, ...]) -> Iterable[_Target]:
    dots = len(module) - len(module.lstrip("."))
    parts = tuple(part for part in module.split(".") if part)
    is_exact = dots > 0
    if is_exact:
        parts = (*folder[: len(folder) - dots + 1], *parts)
    whole = _Target(parts, names, alias or parts[-1] if parts and not names else alias, is_exact)
    return [whole, *(_Target((*parts, name), (), name, is_exact) for name in names)]


def _without_ending(path: str) -> tuple[str, ...]:
    pure = PurePosixPath(path)
    parts = tuple(part for part in pure.parts if part not in (".", "/"))
    if parts and pure.suffix.lower() in _ENDINGS:
        return (*parts[:-1], PurePosixPath(parts[-1]).stem)
    return parts


def _meant(target: _Target, paths: Sequence[str], language: str, path: str) -> list[str]:
    folder = PurePosixPath(path).parent.parts
    fits = [each for each in paths if each != path and _fits(target, _parts_of(each), folder, language)]
    if language == "go":
        return fits
    return [max(fits, key=lambda each: (_shared(PurePosixPath(each).parent.parts, folder), -len(each)))] if fits else []


def _parts_of(path: str) -> tuple[str, ...]:
    """The path as imports name it: without its ending, and without a file that stands for its folder."""
    pure = PurePosixPath(path)
    return pure.parent.parts if is_folders_own(path) else (*pure.parent.parts, pure.name.split(".")[0])


def _fits(target: _Target, parts: tuple[str, ...], folder: tuple[str, ...], language: str) -> bool:
    wanted = target.parts
    if target.is_exact:
        return parts == wanted
    if language == "go":
        # The path below the module's root, which may itself lie in a folder that the importing file lies in too.
        alike = _shared(wanted[::-1], parts[::-1])
        above = parts[: len(parts) - alike]
        return alike > 0 and above == folder[: len(above)]
    if parts[-len(wanted) :] != wanted:
        return False
    if len(wanted) > 1:
        return True
    # One word may as well be a library's name: it is looked for where modules start only.
    above = parts[:-1]
    return above == folder or not above or above[-1] in _SOURCE_FOLDERS


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    n = 0
    while n < min(len(one), len(other)) and one[n] == other[n]:
        n += 1
    return n
