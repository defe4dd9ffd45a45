"""The files that configure dsassist: the user's own, and the nearest one of a repository.

What they may say is `dsassist.config`'s concern. Whatever lies at those paths, only `ConfigError` is raised.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from dsassist_runtime import places
from dsassist_runtime.errors import DsassistError

__all__ = ["ConfigError", "RepositoryFile", "repository_file", "repository_root", "user_file", "user_table"]


class ConfigError(DsassistError):
    """A configuration file, variable or flag that cannot be used."""


@dataclass(frozen=True)
class RepositoryFile:
    """A repository's `dsassist.toml`, or its `pyproject.toml` with a table `[tool.dsassist]`."""

    path: Path
    content: bytes
    table: dict[str, Any]


def user_file() -> Path:
    """The user's own configuration file, whether or not it exists."""
    return places.config_dir() / "config.toml"


def user_table() -> dict[str, Any] | None:
    """What the user's file sets; None without one."""
    path = user_file()
    return _parse(path, _read(path)) if os.path.lexists(path) else None


def repository_file(start: Path, instead: Mapping[Path, bytes | None] | None = None) -> RepositoryFile | None:
    """The nearest configuration from `start` up to the repository's root; outside a repository only `start`'s own.

    `instead` has contents that count in place of what lies on disk at some paths; None for no file.
    """
    known = instead or {}
    for folder in _folders(start):
        path = folder / "dsassist.toml"
        content = known[path] if path in known else _read(path) if os.path.lexists(path) else None
        if content is not None:
            return RepositoryFile(path, content, _parse(path, content))
        path = folder / "pyproject.toml"
        content = known[path] if path in known else _read(path) if _is(stat.S_ISREG, path) else None
        # Not ours, and often half written while it is edited: only one that speaks of us is parsed.
        if content is not None and b"dsassist" in content:
            table = _tool_table(path, content)
            if table is not None:
                return RepositoryFile(path, content, table)
    return None


def repository_root(start: Path) -> Path:
    """The root of the repository around `start`; outside of one the folder itself."""
    return _folders(start)[-1]


def _folders(start: Path) -> list[Path]:
    folder = Path(os.path.realpath(start if _is(stat.S_ISDIR, start) else start.parent))
    upwards = [folder, *folder.parents]
    for count, each in enumerate(upwards, start=1):
        if os.path.lexists(each / ".git"):
            return upwards[:count]
    # With no root to stop at, the way up would end in folders that anybody can write to, such as /tmp.
    return [folder]


def _tool_table(path: Path, content: bytes) -> dict[str, Any] | None:
    tool = _parse(path, content).get("tool")
    table = tool.get("dsassist") if isinstance(tool, dict) else None
    if table is not None and not isinstance(table, dict):
        raise ConfigError(f"{path}: tool.dsassist is not allowed to be a value; allowed is a table, [tool.dsassist]")
    return table


def _is(kind: Callable[[int], bool], path: Path) -> bool:
    try:
        return kind(path.stat().st_mode)
    except OSError:  # pathlib's own is_file raises where a folder may not be entered
        return False


def _read(path: Path) -> bytes:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise ConfigError(f"{path} is no file; dsassist reads its configuration there: move it away")
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    # By name, for each Python has only one of the two, and so has its type checker.
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    try:
        table: dict[str, Any] = tomllib.loads(content.decode("utf-8-sig"))
        return table
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None
