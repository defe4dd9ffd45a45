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
    found = next(_folders(name), None)
    if found is not None:
        return found.name.removesuffix(_ENDING).rpartition("-")[2]
    from importlib.metadata import version as metadata_version

    return metadata_version(name)


def entry_point(distribution: str, group: str, name: str) -> object | None:
    """What a distribution offers in a group under a name, loaded; None where it cannot be told in this way."""
    found = next(_folders(distribution), None)
    target = None if found is None else _targets(found, group).get(name)
    if target is None:
        return None
    module, _, attribute = target.partition(":")
    return getattr(import_module(module), attribute, None)


def _folders(name: str) -> Iterator[Path]:
    """The folders of a distribution, in the order in which modules are looked for."""
    start = f"{name.replace('-', '_').lower()}-"
    for place in sys.path:
        try:
            entries = sorted(os.listdir(place)) if place else []  # noqa: PTH208  (hundreds: a path for each is slow)
        except OSError:  # an archive, or nothing
            continue
        yield from (Path(place, each) for each in entries if each.lower().startswith(start) and each.endswith(_ENDING))


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
