"""Whole files as they lie on disk, every line counting as changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from dsassist.documents import DocumentError, read_bytes
from dsassist.globs import is_excluded
from dsassist.review.changes import filters
from dsassist.review.changes.files import LIMIT_BYTES, ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.changes.text import decode_source
from dsassist.review.selection import path_in
from dsassist.review.source import Source
from dsassist.syntax.languages import language_of
from dsassist_runtime.errors import DsassistError

__all__ = ["whole_files"]


def whole_files(paths: Sequence[str], exclude: Sequence[str] = (), root: Path | None = None) -> Changes:
    """Whole files of the working tree.

    A directory stands for the files below it that are source code by their names and that people wrote. Globs in
    `exclude` count from `root`, the working directory when not given. `DsassistError` when there is no such path.
    """
    for name in paths:
        if not os.path.exists(name):  # noqa: PTH110  (`Path.exists` raises where a folder may not be entered)
            raise DsassistError(f"there is no file {name}")
    pending: list[PendingFile] = []
    skipped: list[Skipped] = []
    for path in dict.fromkeys(found for name in paths for found in _expanded(Path(name))):
        if exclude and is_excluded(path_in(root or Path.cwd(), path), exclude):
            skipped.append(Skipped(str(path), "excluded"))
        else:
            pending.append(PendingFile(str(path), partial(_read, path)))
    return Changes(tuple(pending), tuple(skipped), root=root)


def _expanded(path: Path) -> Iterator[Path]:
    """The path itself, or the source files below it but for hidden folders and virtual environments."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not os.path.exists(here / name / "pyvenv.cfg")  # noqa: PTH110 (False where it may not look)
        )
        for name in sorted(names):
            below = (here / name).relative_to(path)
            if language_of(name) is not None and filters.reason_by_name(below.as_posix()) is None:
                yield here / name


def _read(path: Path) -> ChangedFile | Skipped:
    language = language_of(str(path))
    try:
        decoded = decode_source(read_bytes(path, LIMIT_BYTES), str(path), language)
    except DocumentError as error:
        return Skipped(str(path), error.reason)
    lines = frozenset(range(1, decoded.text.count("\n") + 2))
    return ChangedFile(
        str(path), Source(decoded.text, language or "python"), lines, language=language, encoding=decoded.encoding
    )
