"""What is to be reviewed: changed Python files with the lines that changed, from the index or from the working tree.

Staged content is read from the index's blobs alone. Whatever is left out is listed with the reason, so that the
summary can say so.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath

from dsassist import git
from dsassist.review.source import Source
from dsassist_runtime.errors import DsassistError

__all__ = ["LIMIT_BYTES", "ChangedFile", "Changes", "Skipped", "changed_lines", "staged_changes", "whole_files"]

LIMIT_BYTES = 1024 * 1024
"""Larger files are generated, and their tree alone would take seconds."""

_PYTHON = (".py", ".pyi", ".pyw")
_SYMLINK, _SUBMODULE, _ABSENT = "120000", "160000", "000000"


@dataclass(frozen=True)
class ChangedFile:
    """The new text of a file, and its changed lines, counted from 1."""

    path: str
    source: Source
    lines: frozenset[int]


@dataclass(frozen=True)
class Skipped:
    """What was not reviewed, and why."""

    what: str
    reason: str


@dataclass(frozen=True)
class Changes:
    """The files to review, and those that are left out."""

    files: tuple[ChangedFile, ...]
    skipped: tuple[Skipped, ...]


class _Refused(Exception):
    """Content that is no text to review; the message is the reason."""


def staged_changes(entries: Sequence[git.StagedEntry], cwd: Path, exclude: Sequence[str] = ()) -> Changes:
    """Read the changed Python files of the index; `entries` come from `git.staged_entries(cwd)`."""
    skipped: list[Skipped] = []
    wanted = []
    for entry in entries:
        if reason := _reason_to_skip(entry, exclude):
            skipped.append(Skipped(_shown(entry.path), reason))
        elif not _is_unchanged(entry):
            wanted.append(entry)
    sizes = git.blob_sizes((name for entry in wanted for name in _blob_names(entry)), cwd)
    small = [entry for entry in wanted if max(sizes[name] for name in _blob_names(entry)) <= LIMIT_BYTES]
    skipped += [Skipped(_shown(entry.path), _too_large(sizes[entry.new_id])) for entry in wanted if entry not in small]
    blobs = git.read_blobs((name for entry in small for name in _blob_names(entry)), cwd)
    files = []
    for entry in small:
        old, new = b"" if _is_new(entry) else blobs[entry.old_id], blobs[entry.new_id]
        try:
            files.append(ChangedFile(_shown(entry.path), Source(_decoded(new)), changed_lines(old, new)))
        except _Refused as refused:
            skipped.append(Skipped(_shown(entry.path), str(refused)))
    return Changes(tuple(files), tuple(skipped))


def whole_files(paths: Iterable[str], exclude: Sequence[str] = ()) -> Changes:
    """Read whole files of the working tree, every line counting as changed.

    A directory stands for the Python files below it. `DsassistError` when there is no such path.
    """
    files: list[ChangedFile] = []
    skipped: list[Skipped] = []
    for path in dict.fromkeys(found for name in paths for found in _expanded(Path(name))):
        shown = str(path)
        if not shown.endswith(_PYTHON):
            skipped.append(Skipped(shown, "not Python"))
            continue
        if _is_excluded(shown, exclude):
            skipped.append(Skipped(shown, "excluded"))
            continue
        try:
            files.append(_whole_file(path))
        except _Refused as refused:
            skipped.append(Skipped(shown, str(refused)))
    return Changes(tuple(files), tuple(skipped))


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
    return "excluded" if _is_excluded(_shown(entry.path), exclude) else None


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


def _is_excluded(path: str, exclude: Sequence[str]) -> bool:
    """A glob excludes the paths it matches, the files whose bare name it matches, and all below a folder it matches."""
    pure = PurePosixPath(path)
    places = [pure, *pure.parents]
    return any(
        fnmatchcase(pure.name, glob) or any(fnmatchcase(str(place), glob.rstrip("/")) for place in places)
        for glob in exclude
    )


def _expanded(path: Path) -> Iterator[Path]:
    """The path itself, or the Python files below it but for hidden folders and virtual environments."""
    if not path.is_dir():
        yield path
        return
    for folder, folders, names in os.walk(path):
        here = Path(folder)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not (here / name / "pyvenv.cfg").exists()
        )
        yield from (here / name for name in sorted(names) if name.endswith(_PYTHON))


def _whole_file(path: Path) -> ChangedFile:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise _Refused(_too_large(path.stat().st_size))
        text = _decoded(path.read_bytes())
    except FileNotFoundError as error:
        raise DsassistError(f"there is no file {path}") from error
    except OSError as error:
        raise _Refused((error.strerror or str(error)).lower()) from error
    return ChangedFile(str(path), Source(text), frozenset(range(1, text.count("\n") + 2)))


def _decoded(content: bytes) -> str:
    if b"\0" in content:
        raise _Refused("binary")
    try:
        return content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise _Refused(f"not UTF-8 at byte {error.start}") from error


def _too_large(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB, above the limit of {LIMIT_BYTES / 1e6:.1f} MB"
