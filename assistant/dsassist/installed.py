"""What is installed beside us: a package's version and our own entry points, without `importlib.metadata`.

That module reads e-mail headers and archives, and its import takes longer than most of what a commit's hook does. What
it would find is mostly told by the names of folders (`NAME-VERSION.dist-info`); where it is not, it is asked after all.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

__all__ = ["entry_point", "version"]

_ENDING = ".dist-info"


def version(name: str) -> str:
    """The version of an installed distribution."""
    start = _start_of(name)
    for _place, folders in _places():
        for folder in folders:
            if folder.lower().startswith(start):
                return folder.removesuffix(_ENDING).rpartition("-")[2]
    from importlib.metadata import version as metadata_version

    return metadata_version(name)


def entry_point(distribution: str, group: str, name: str) -> object | None:
    """What a distribution offers in a group under a name, loaded; None where it cannot be told in this way.

    Another distribution's takes its place where that stands before it in the places where modules are looked for.
    """
    start = _start_of(distribution)
    for place, folders in _places():
        own = [folder for folder in folders if folder.lower().startswith(start)]
        for folder in own or folders:
            target = _targets(Path(place, folder), group).get(name)
            if target is not None:
                module, _, attribute = target.partition(":")
                return getattr(import_module(module), attribute, None)
        if own:
            return None
    return None


def _start_of(name: str) -> str:
    return f"{name.replace('-', '_').lower()}-"


def _places() -> Iterator[tuple[str, list[str]]]:
    """The folders of distributions in each place where modules are looked for, in that order."""
    for place in sys.path:
        try:
            entries = sorted(os.listdir(place)) if place else []  # noqa: PTH208  (hundreds: a path for each is slow)
        except OSError:  # an archive, or nothing
            continue
        yield place, [each for each in entries if each.endswith(_ENDING)]


def _targets(folder: Path, group: str) -> dict[str, str]:
    """The entry points of a group: `module:attribute` by their names."""
    found, is_inside = {}, False
    try:
        text = (folder / "entry_points.txt").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return {}
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            is_inside = line == f"[{group}]"
        elif is_inside and "=" in line:
            name, _, target = line.partition("=")
            found[name.strip()] = target.strip()
    return found
