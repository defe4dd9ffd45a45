"""Files that the change moved or took away, and what is said of an import that led to one (DSA201)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Related, finding_at
from dsassist.review.source import Source
from dsassist.review.unfinished.tree import is_deleted

__all__ = ["gone_files", "is_own_of_folder", "stale_import"]


def gone_files(files: Sequence[ChangedFile], moved: Mapping[str, str]) -> dict[str, str | None]:
    """The paths that are gone, each with where the file is now: moved and changed, `moved` as it was, or nowhere."""
    gone: dict[str, str | None] = dict(moved)
    for file in files:
        if is_deleted(file):
            gone[file.path] = None
        elif file.old_path is not None:
            gone[file.old_path] = file.path
    return gone


def is_own_of_folder(path: str) -> bool:
    """Is it the file by which Python or JavaScript imports a folder?"""
    return PurePosixPath(path).name.split(".")[0] in ("__init__", "index")


def stale_import(
    path: str, source: Source, span: tuple[int, int], gone: str, new_path: str | None, *, function: str = ""
) -> Finding:
    """An import in the file `path` that led to the file `gone`, which is `new_path` now."""
    return finding_at(
        path,
        source,
        span,
        severity="warning",
        family="stale-name",
        function=function,
        message=f"there is no module {gone} any more" if new_path is None else f"the module is now {new_path}",
        evidence=f"this change {'took away' if new_path is None else 'moved'} {gone}, to which this import led",
        related=() if new_path is None else (Related(new_path, 1, 1, f"was {gone}"),),
    )
