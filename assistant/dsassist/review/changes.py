"""What is to be reviewed: changed Python files with the lines that changed, from the index or from the working tree.

Staged content is read from the index's blobs alone. A file is read only when its turn comes, for a review has a
deadline and a commit may have a thousand files. Whatever is left out is listed with the reason.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from pathlib import Path

from dsassist import git
from dsassist.documents import DocumentError, decode_text, read_text
from dsassist.globs import is_excluded
from dsassist.review.source import Source
from dsassist.syntax.languages import language_of
from dsassist_runtime.errors import DsassistError

__all__ = [
    "LIMIT_BYTES",
    "ChangedFile",
    "Changes",
    "PendingFile",
    "Skipped",
    "changed_lines",
    "staged_changes",
    "whole_files",
]

LIMIT_BYTES = 1024 * 1024
"""Less than what is completed: larger files are generated, and their tree alone would take seconds."""

_PYTHON = (".py", ".pyi", ".pyw")
_SYMLINK, _SUBMODULE, _ABSENT = "120000", "160000", "000000"
_TOO_LARGE = f"above {LIMIT_BYTES // (1024 * 1024)} MB"
_READ_AT_ONCE = 16  # files for each start of git; at most 32 MB


@dataclass(frozen=True)
class ChangedFile:
    """The new text of a file, and its changed lines, counted from 1.

    `old` is the text before, None where there was none or where the whole file is looked at; `language` is
    `syntax.languages`' name.
    """

    path: str
    source: Source
    lines: frozenset[int]
    old: str | None = None
    language: str | None = None


@dataclass(frozen=True)
class Skipped:
    """What was not reviewed, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class PendingFile:
    """A file to review; `read` may find that it is no text."""

    path: str
    read: Callable[[], ChangedFile | Skipped]


@dataclass(frozen=True)
class Changes:
    """The files to review, and those that are left out from the start."""

    pending: tuple[PendingFile, ...]
    skipped: tuple[Skipped, ...]


def staged_changes(entries: Sequence[git.StagedEntry], cwd: Path, exclude: Sequence[str] = ()) -> Changes:
    """The changed Python files of the index; `entries` come from `git.staged_entries(cwd)`."""
    skipped: list[Skipped] = []
    wanted = []
    for entry in entries:
        if reason := _reason_to_skip(entry, exclude):
            skipped.append(Skipped(_shown(entry.path), reason))
        elif not _is_unchanged(entry):
            wanted.append(entry)
    sizes = git.blob_sizes((name for entry in wanted for name in _blob_names(entry)), cwd)
    small = []
    for entry in wanted:
        if max(sizes[name] for name in _blob_names(entry)) <= LIMIT_BYTES:
            small.append(entry)
        else:
            skipped.append(Skipped(_shown(entry.path), _TOO_LARGE))
    blobs = _Blobs(small, cwd)
    pending = (PendingFile(_shown(entry.path), partial(_staged_file, entry, blobs)) for entry in small)
    return Changes(tuple(pending), tuple(skipped))


def whole_files(paths: Sequence[str], exclude: Sequence[str] = (), root: Path | None = None) -> Changes:
    """Whole files of the working tree, every line counting as changed.

    A directory stands for the Python files below it. Globs in `exclude` count from `root`, the working directory when
    not given. `DsassistError` when there is no such path.
    """
    for name in paths:
        if not os.path.exists(name):  # noqa: PTH110  (`Path.exists` raises where a folder may not be entered)
            raise DsassistError(f"there is no file {name}")
    pending: list[PendingFile] = []
    skipped: list[Skipped] = []
    for path in dict.fromkeys(found for name in paths for found in _expanded(Path(name))):
        shown = str(path)
        if not shown.endswith(_PYTHON):
            skipped.append(Skipped(shown, "not Python"))
        elif exclude and is_excluded(_from_root(path, root or Path.cwd()), exclude):
            skipped.append(Skipped(shown, "excluded"))
        else:
            pending.append(PendingFile(shown, partial(_whole_file, path)))
    return Changes(tuple(pending), tuple(skipped))


def changed_lines(old: bytes, new: bytes) -> frozenset[int]:
    """The lines of `new`, counted from 1, that `old` does not have; a change of line ends alone is none.

    Lines that were only taken away leave no line to report on.
    """
    before, after = _comparable(old), _comparable(new)
    head = 0
    while head < min(len(before), len(after)) and before[head] == after[head]:
        head += 1
    tail = 0
    while tail < min(len(before), len(after)) - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    middle = SequenceMatcher(None, before[head : len(before) - tail], after[head : len(after) - tail])
    return frozenset(
        line + head + 1
        for operation, _, _, start, end in middle.get_opcodes()
        if operation in ("replace", "insert")
        for line in range(start, end)
    )


def _comparable(content: bytes) -> list[bytes]:
    lines = content.split(b"\n")
    return [line.removesuffix(b"\r") for line in (lines[:-1] if lines[-1] == b"" else lines)]


def _reason_to_skip(entry: git.StagedEntry, exclude: Sequence[str]) -> str | None:
    """Why an entry cannot be reviewed; a deletion is no omission and has no reason."""
    if entry.status == "U":
        return "unmerged: resolve the conflict and stage it"
    if entry.new_mode in (_ABSENT, _SYMLINK, _SUBMODULE):
        return {_ABSENT: None, _SYMLINK: "symbolic link", _SUBMODULE: "submodule"}[entry.new_mode]
    if not entry.path.endswith(tuple(ending.encode() for ending in _PYTHON)):
        return "not Python"
    return "excluded" if is_excluded(_shown(entry.path), exclude) else None


def _is_unchanged(entry: git.StagedEntry) -> bool:
    """Deleted, renamed as it was, or only its mode changed: there is no changed line."""
    return entry.new_mode == _ABSENT or entry.old_id == entry.new_id


def _is_new(entry: git.StagedEntry) -> bool:
    """The old side is no file that could be compared with: absent, or a link that became a file."""
    return entry.old_mode in (_ABSENT, _SYMLINK, _SUBMODULE)


def _blob_names(entry: git.StagedEntry) -> list[str]:
    return [entry.new_id] if _is_new(entry) else [entry.old_id, entry.new_id]


def _shown(path: bytes) -> str:
    return os.fsdecode(path)


def _expanded(path: Path) -> Iterator[Path]:
    """The path itself, or the Python files below it but for hidden folders and virtual environments."""
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
        yield from (here / name for name in sorted(names) if name.endswith(_PYTHON))


def _from_root(path: Path, root: Path) -> str:
    """A path as it stands in its repository; one that lies elsewhere whole. The file itself may be a link."""
    real = Path(os.path.realpath(path.parent)) / path.name
    base = Path(os.path.realpath(root))
    return str(real.relative_to(base) if real.is_relative_to(base) else real)


class _Blobs:
    """The contents of staged files, read in the order of the files and some files ahead; only those are kept."""

    def __init__(self, entries: Sequence[git.StagedEntry], cwd: Path) -> None:
        self._entries = entries
        self._cwd = cwd
        self._read: dict[str, bytes] = {}

    def contents(self, entry: git.StagedEntry) -> tuple[bytes, bytes]:
        """The old and the new content of a file."""
        if not all(name in self._read for name in _blob_names(entry)):
            first = self._entries.index(entry)
            ahead = self._entries[first : first + _READ_AT_ONCE]
            self._read = git.read_blobs((name for each in ahead for name in _blob_names(each)), self._cwd)
        return b"" if _is_new(entry) else self._read[entry.old_id], self._read[entry.new_id]


def _staged_file(entry: git.StagedEntry, blobs: _Blobs) -> ChangedFile | Skipped:
    path = _shown(entry.path)
    old, new = blobs.contents(entry)
    try:
        source = Source(decode_text(new, path, LIMIT_BYTES))
        return ChangedFile(path, source, changed_lines(old, new), _old_text(entry, old), language_of(path))
    except DocumentError as error:
        return Skipped(path, error.reason)


def _old_text(entry: git.StagedEntry, old: bytes) -> str | None:
    try:
        return None if _is_new(entry) else decode_text(old, _shown(entry.path), LIMIT_BYTES)
    except DocumentError:  # it was no text; what it is now counts
        return None


def _whole_file(path: Path) -> ChangedFile | Skipped:
    try:
        text = read_text(path, LIMIT_BYTES)
    except DocumentError as error:
        return Skipped(str(path), error.reason)
    lines = frozenset(range(1, text.count("\n") + 2))
    return ChangedFile(str(path), Source(text), lines, language=language_of(str(path)))
