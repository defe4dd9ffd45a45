"""Whole files as they lie on disk, every line counting as changed."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path, PurePosixPath

from dsassist import git
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

    A directory stands for the files below it that are source code by their names and that people wrote; the others are
    named with the reason. Globs in `exclude` count from `root`, the working directory when not given, and the
    `.gitattributes` of that repository hold. `DsassistError` when there is no such path.
    """
    for name in paths:
        if not os.path.exists(name):  # noqa: PTH110  (`Path.exists` raises where a folder may not be entered)
            raise DsassistError(f"there is no file {name}")
    # What is named is reviewed whatever it is called; the rest has the folder that is named, and its place below that.
    found: dict[Path, tuple[Path, PurePosixPath] | None] = dict.fromkeys(map(Path, paths))
    for folder in list(found):
        for path in _sources_below(folder):
            found.setdefault(path, (folder, PurePosixPath(path.relative_to(folder))))
    said = _attributes([path for path, place in found.items() if place is not None], root)
    pending: list[PendingFile] = []
    skipped: dict[Skipped, None] = {}
    for path, place in found.items():
        if place is None and os.path.isdir(path):  # noqa: PTH112  (`Path.is_dir` raises where it may not look)
            continue
        if exclude and is_excluded(path_in(root or Path.cwd(), path), exclude):
            skipped[Skipped(str(path), "excluded")] = None
        elif place is not None and (reason := filters.reason_to_skip(str(place[1]), said.get(path, {}))) is not None:
            vendored = filters.vendor_folder(place[1]) if reason == "vendored" else None
            skipped[Skipped(str(path if vendored is None else place[0] / vendored), reason)] = None
        else:
            pending.append(PendingFile(str(path), partial(_read, path, is_named=place is None)))
    return Changes(tuple(pending), tuple(skipped), root=root)


def _sources_below(path: Path) -> Iterator[Path]:
    """The source files below a folder, but for hidden folders and virtual environments."""
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and not os.path.exists(here / name / "pyvenv.cfg")  # noqa: PTH110 (False where it may not look)
        )
        yield from (here / name for name in sorted(names) if language_of(name) is not None)


def _attributes(paths: Sequence[Path], root: Path | None) -> dict[Path, dict[str, str]]:
    """What `.gitattributes` say of the files that lie in the repository."""
    inside = {} if root is None else {path: os.fsencode(path_in(root, path)) for path in paths}
    inside = {path: name for path, name in inside.items() if not name.startswith(b"/")}
    if root is None or not inside:
        return {}
    said = git.attributes(list(inside.values()), filters.ATTRIBUTES, root, tree=git.WORKING_TREE)
    return {path: said[name] for path, name in inside.items()}


def _read(path: Path, *, is_named: bool) -> ChangedFile | Skipped:
    language = language_of(str(path))
    try:
        data = read_bytes(path, LIMIT_BYTES)
        if not is_named and (reason := filters.reason_by_content(str(path), data)) is not None:
            return Skipped(str(path), reason)
        decoded = decode_source(data, str(path), language)
    except DocumentError as error:
        return Skipped(str(path), error.reason)
    lines = frozenset(range(1, decoded.text.count("\n") + 2))
    return ChangedFile(
        str(path), Source(decoded.text, language or "python"), lines, language=language, encoding=decoded.encoding
    )
