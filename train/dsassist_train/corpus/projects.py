"""Which projects a folder holds, where their files are, and under which licence: by what they say of themselves.

A folder is a place of installed distributions (`*.dist-info` beside the packages), a `node_modules`, one project (a
metadata file, a licence or a repository at its top), or a folder of such folders.
"""

from __future__ import annotations

import csv
import json
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path, PurePosixPath
from typing import Any

from dsassist.index.files import is_indexed_path, workspace_files
from dsassist_runtime.errors import DsassistError
from dsassist_train.corpus.licences import UNKNOWN, in_words, is_spdx, joined, licence_of_text

__all__ = ["Project", "find_projects", "plain_name"]

_ROOT_FILES = (
    "PKG-INFO",
    "pyproject.toml",
    "setup.py",
    "setup.cfg",
    "package.json",
    "Cargo.toml",
    "go.mod",
    ".git",
    "composer.json",
    "pom.xml",
    "build.gradle",
    "CMakeLists.txt",
)
_LICENCE_FILE = re.compile(r"(un)?licen[cs]e|copying", re.IGNORECASE)
_MOST_LEVELS = 3
_NO_NAME = re.compile(r"[^a-z0-9@/]+")
_VERSION = re.compile(r"-v?\d[\w.+-]*$")


@dataclass(frozen=True)
class Project:
    """Source files that belong together: `files` are relative to `root`, with slashes and in order.

    `licence` is an SPDX expression, or empty where none could be told; `n_unreadable` are folders whose files are not
    among these, as nobody may read them.
    """

    name: str
    root: Path
    licence: str
    files: tuple[str, ...]
    n_unreadable: int = 0


def find_projects(folder: Path) -> list[Project]:
    """All projects at and below a folder, by name; `DsassistError` where it cannot be read itself."""
    try:
        found = list(_projects(folder.resolve(), _MOST_LEVELS))
    except OSError as error:
        raise DsassistError(
            f"{folder} cannot be read: {(error.strerror or str(error)).lower()}; name another folder"
        ) from None
    return sorted(found, key=lambda project: (project.name, str(project.root)))


def _found(find: Callable[[Path, int], Iterator[Project]], folder: Path, levels: int) -> Iterator[Project]:
    """What is found in a folder below the one that was named: one that cannot be read does not end the others."""
    try:
        yield from find(folder, levels)
    except OSError:
        yield Project(plain_name(folder.name), folder, UNKNOWN, (), n_unreadable=1)


def _projects(folder: Path, levels: int) -> Iterator[Project]:
    entries = sorted(entry for entry in folder.iterdir() if not entry.is_symlink())
    if infos := [entry for entry in entries if entry.name.endswith(".dist-info") and entry.is_dir()]:
        for info in infos:
            yield from _found(_distribution, info, levels)
    elif folder.name == "node_modules" or folder.name.startswith("@"):
        for entry in entries:
            yield from _found(_package, entry, levels)
    elif any(entry.name in _ROOT_FILES or _is_licence(entry) for entry in entries):
        yield _tree(folder, _named(folder))
    elif levels and not any(entry.is_file() for entry in entries):
        for entry in entries:
            if entry.is_dir():
                yield from _found(_projects, entry, levels - 1)
    else:
        yield Project(_named(folder), folder, UNKNOWN, *_files_below(folder))


def _package(entry: Path, levels: int) -> Iterator[Project]:
    """What a `node_modules` has by this name: a package, or a scope of some."""
    if (entry / "package.json").is_file():
        yield _tree(entry, _node_name(entry))
    elif entry.name.startswith("@") and entry.is_dir():
        yield from _projects(entry, levels)


def _distribution(info: Path, _levels: int) -> Iterator[Project]:
    """An installed Python distribution, by its list of files."""
    metadata = HeaderParser().parsestr(_read(info / "METADATA"))
    rows = csv.reader(_read(info / "RECORD").splitlines())
    paths = sorted({row[0].replace("\\", "/") for row in rows if row})
    root = info.parent
    files = tuple(
        path
        for path in paths
        if not path.startswith(("/", "..")) and not PurePosixPath(path).parts[0].endswith(".dist-info")
    )
    texts = [root / path for path in paths if path.startswith(f"{info.name}/") and _is_licence(root / path)]
    name = str(metadata.get("Name") or info.name.split("-")[0])
    yield Project(plain_name(name), root, _licence_of_metadata(metadata, texts), files)


def _tree(folder: Path, name: str) -> Project:
    return Project(name, folder, _licence_of_tree(folder), *_files_below(folder))


def _files_below(folder: Path) -> tuple[tuple[str, ...], int]:
    """By git where it is a repository, which knows what is ignored; else all that is not of others.

    Behind them is how many folders could not be read.
    """
    if (folder / ".git").exists():
        return tuple(sorted(found.path for found in workspace_files(folder))), 0
    found: list[str] = []
    unreadable: list[OSError] = []
    for place, folders, names in os.walk(folder, onerror=unreadable.append):
        below = Path(place).relative_to(folder).as_posix()
        prefix = "" if below == "." else f"{below}/"
        folders[:] = sorted(each for each in folders if is_indexed_path(f"{prefix}{each}/x"))
        found += [f"{prefix}{name}" for name in names]
    return tuple(sorted(found)), len(unreadable)


def _licence_of_metadata(metadata: Any, texts: list[Path]) -> str:
    if is_spdx(expression := str(metadata.get("License-Expression") or "").strip()):
        return expression
    if is_spdx(named := str(metadata.get("License") or "").strip()):
        return named
    found = joined(licence_of_text(_read(path)) for path in texts)
    classifiers = [
        each.rpartition("::")[2].strip() for each in metadata.get_all("Classifier", []) if "License ::" in each
    ]
    named = in_words(named) if len(named) < 80 else licence_of_text(named)
    return found or named or joined(in_words(each) for each in classifiers)


def _licence_of_tree(folder: Path) -> str:
    texts = sorted(path for path in folder.iterdir() if _is_licence(path))
    if (folder / "PKG-INFO").is_file():
        return _licence_of_metadata(HeaderParser().parsestr(_read(folder / "PKG-INFO")), texts)
    if is_spdx(stated := _stated(folder)):
        return stated
    return joined(licence_of_text(_read(path)) for path in texts) or in_words(stated)


def _stated(folder: Path) -> str:
    """What `package.json`, `Cargo.toml` or `pyproject.toml` names as the licence."""
    package = _json(folder / "package.json")
    licence = package.get("license", package.get("licenses", ""))
    if isinstance(licence, list) and licence:
        licence = licence[0]
    if isinstance(licence, dict):
        licence = licence.get("type", "")
    if isinstance(licence, str) and licence:
        return licence
    for name, table in (("Cargo.toml", "package"), ("pyproject.toml", "project")):
        stated = _toml(folder / name).get(table, {})
        licence = stated.get("license", "") if isinstance(stated, dict) else ""
        if isinstance(licence, dict):
            licence = licence.get("text", "")
        if isinstance(licence, str) and licence and len(licence) < 80:
            return licence.replace("/", " OR ")
    return ""


def _is_licence(path: Path) -> bool:
    return _LICENCE_FILE.search(path.name) is not None and path.suffix not in (".py", ".js", ".go") and path.is_file()


def _named(folder: Path) -> str:
    name = _json(folder / "package.json").get("name")
    if not isinstance(name, str):
        table = _toml(folder / "pyproject.toml").get("project", {})
        name = table.get("name") if isinstance(table, dict) else None
    return plain_name(name if isinstance(name, str) and name else _VERSION.sub("", folder.name))


def _node_name(folder: Path) -> str:
    name = _json(folder / "package.json").get("name")
    return plain_name(name if isinstance(name, str) and name else folder.name)


def plain_name(name: str) -> str:
    """As PyPI compares names; of npm's the scope stays."""
    return _NO_NAME.sub("-", name.lower()).strip("-")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_read(path) or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _toml(path: Path) -> dict[str, Any]:
    import tomlkit

    try:
        return tomlkit.parse(_read(path)).unwrap()
    except (ValueError, tomlkit.exceptions.TOMLKitError):
        return {}


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
