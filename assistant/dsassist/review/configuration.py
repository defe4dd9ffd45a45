"""Which configuration holds for a review: the one before the change, for a change cannot weaken its own reviewer.

Only where the change touches the repository's configuration does that differ from what lies on disk.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dsassist import git

if TYPE_CHECKING:
    from dsassist.review.changes.diff_input import ChangedContent
    from dsassist.review.selection import Selection

__all__ = ["configuration_before", "configuration_before_diff"]

_OURS, _SHARED = "dsassist.toml", "pyproject.toml"
_ABSENT, _SYMLINK = "000000", "120000"


class _Sides(NamedTuple):
    """A file at the repository's root before and after; None where it does not exist."""

    path: str
    old: bytes | None
    new: bytes | None


def configuration_before(selection: Selection) -> dict[Path, bytes | None]:
    """The repository's configuration files that a selection changes, as they were before; None for one that was not."""
    return _before(_sides(selection), selection.root) if any(_is_ours(entry) for entry in selection.entries) else {}


def configuration_before_diff(contents: Iterable[ChangedContent], root: Path) -> dict[Path, bytes | None]:
    """The same for a diff's files."""
    return _before((sides for each in contents for sides in _sides_in_diff(each, root)), root)


def _sides_in_diff(content: ChangedContent, root: Path) -> Iterator[_Sides]:
    """Both names of a file that was renamed; of one that was renamed as it was, the diff has no text, but the disk."""
    if content.old_path is None:
        yield _Sides(content.path, content.old, content.new)
        return
    old, new = content.old, content.new
    if content.is_moved and not {content.path, content.old_path}.isdisjoint((_OURS, _SHARED)):
        found = next((root / name for name in (content.path, content.old_path) if (root / name).is_file()), None)
        old = new = None if found is None else found.read_bytes()
    yield _Sides(content.old_path, old, None)
    yield _Sides(content.path, None, new)


def _before(sides: Iterable[_Sides], root: Path) -> dict[Path, bytes | None]:
    return {
        root / path: old
        for path, old, new in sides
        if path == _OURS or (path == _SHARED and b"dsassist" in (old or b"") + (new or b""))
    }


def _is_ours(entry: git.ChangedEntry) -> bool:
    return not {os.fsdecode(entry.path), os.fsdecode(entry.old_path)}.isdisjoint((_OURS, _SHARED))


def _sides(selection: Selection) -> Iterator[_Sides]:
    old: dict[str, str] = {}
    new: dict[str, str] = {}
    for entry in filter(_is_ours, selection.entries):
        if entry.old_mode not in (_ABSENT, _SYMLINK):
            old[os.fsdecode(entry.old_path)] = entry.old_id
        if entry.new_mode not in (_ABSENT, _SYMLINK):
            new[os.fsdecode(entry.path)] = entry.new_id
    blobs = git.read_blobs([*old.values(), *new.values()], selection.cwd)
    for path in old | new:
        yield _Sides(path, blobs.get(old.get(path, "")), blobs.get(new.get(path, "")))
