"""Changed files from git's object store: the sides of a selection, read only when a file's turn comes.

A review has a deadline and a commit may have a thousand files, so contents are read in groups: few starts of git, and
never more than some megabytes in memory.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from dsassist import git
from dsassist.documents import DocumentError
from dsassist.globs import is_excluded
from dsassist.review.changes import filters
from dsassist.review.changes.files import LIMIT_BYTES, ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.changes.lines import changed_lines
from dsassist.review.changes.text import decode_source
from dsassist.review.selection import Selection
from dsassist.review.source import Source
from dsassist.syntax.languages import language_of

__all__ = ["changed_file", "changes_of", "deleted_file"]

_SYMLINK, _SUBMODULE, _ABSENT = "120000", "160000", "000000"
_NO_FILES = (_ABSENT, _SYMLINK, _SUBMODULE)
_TOO_LARGE = f"above {LIMIT_BYTES // (1024 * 1024)} MB"
_GROUP_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True)
class _Pair:
    """A path to read: its new blob, its old one, and those of the other parents of a merge.

    A blob is None where there is no file that could be compared with: absent, or a link that became a file.
    """

    path: str
    new: str | None
    old: str | None
    old_path: str | None = None
    others: tuple[str, ...] = ()

    @property
    def blobs(self) -> tuple[str, ...]:
        return tuple(blob for blob in (self.new, self.old, *self.others) if blob is not None)


def changes_of(selection: Selection, exclude: Sequence[str] = ()) -> Changes:
    """The changed files of a selection. Globs in `exclude` count from the repository's root."""
    skipped: list[Skipped] = []
    pairs: list[_Pair] = []
    for entry, reason in zip(selection.entries, _reasons(selection, exclude), strict=True):
        if reason:
            skipped.append(Skipped(os.fsdecode(entry.path), reason))
        elif reason is None:
            pairs.append(_pair(entry, selection))
    sizes = git.blob_sizes((blob for pair in pairs for blob in pair.blobs), selection.cwd)
    is_large = {pair: max(sizes[blob] for blob in pair.blobs) > LIMIT_BYTES for pair in pairs}
    skipped += [Skipped(pair.path, _TOO_LARGE) for pair in pairs if is_large[pair] and pair.new is not None]
    small = [pair for pair in pairs if not is_large[pair]]
    read = _Contents(small, sizes, selection.cwd)
    pending = {pair: PendingFile(pair.path, partial(_read, pair, read)) for pair in small}
    return Changes(
        tuple(file for pair, file in pending.items() if pair.new is not None),
        tuple(skipped),
        tuple(file for pair, file in pending.items() if pair.new is None),
        selection.root,
        selection.tree,
        selection.base,
        dict(_moved(selection, exclude)),
        selection.state,
        within=selection.within,
    )


def changed_file(
    path: str, new: bytes, old: bytes | None, *, old_path: str | None = None, others: Iterable[bytes] = ()
) -> ChangedFile | Skipped:
    """A file of which both sides are known; `others` are its contents in the other parents of a merge."""
    language = language_of(path)
    # What it was before decides: a change cannot take its own file out of the review.
    if reason := filters.reason_by_content(path, new if old is None else old):
        return Skipped(path, reason)
    try:
        decoded = decode_source(new, path, language)
    except DocumentError as error:
        return Skipped(path, error.reason)
    lines = changed_lines(old or b"", new)
    for other in others:
        lines &= changed_lines(other, new)
    return ChangedFile(
        path,
        Source(decoded.text, language or "python"),
        lines,
        _text_or_none(path, old),
        language,
        old_path,
        decoded.encoding,
    )


def deleted_file(path: str, old: bytes | None) -> ChangedFile | Skipped:
    """A file that is gone, without lines."""
    text = _text_or_none(path, old)
    if text is None:
        return Skipped(path, "no text")
    return ChangedFile(path, Source("", language_of(path) or "python"), frozenset(), text, language_of(path))


def _text_or_none(path: str, data: bytes | None) -> str | None:
    try:
        return None if data is None else decode_source(data, path, language_of(path)).text
    except DocumentError:  # it was no text; what it is now counts
        return None


def _reasons(selection: Selection, exclude: Sequence[str]) -> Iterator[str | None]:
    """For each entry why it is left out; None for what is to be read, "" where there is no line to look at."""
    reasons = [_reason_by_kind(entry) for entry in selection.entries]
    asked = [entry.path for entry, reason in zip(selection.entries, reasons, strict=True) if reason is None]
    said = git.attributes(asked, filters.ATTRIBUTES, selection.root, tree=_attribute_tree(selection))
    for entry, reason in zip(selection.entries, reasons, strict=True):
        path = os.fsdecode(entry.path)
        if reason is None and is_excluded(path, exclude):
            yield "excluded"
        else:
            yield filters.reason_to_skip(path, said[entry.path]) if reason is None else reason


def _reason_by_kind(entry: git.ChangedEntry) -> str | None:
    if entry.status == "U":
        return "unmerged: resolve the conflict and stage it"
    if entry.new_mode == _ABSENT:
        return "" if entry.old_mode in _NO_FILES else None
    if entry.new_mode in (_SYMLINK, _SUBMODULE):
        return "symbolic link" if entry.new_mode == _SYMLINK else "submodule"
    return "" if entry.old_id == entry.new_id else None  # renamed as it was, or only its mode changed


def _moved(selection: Selection, exclude: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The old and the new name of each file that was renamed as it was."""
    for entry in selection.entries:
        old_path, path = os.fsdecode(entry.old_path), os.fsdecode(entry.path)
        is_same = entry.old_id == entry.new_id and entry.new_mode not in _NO_FILES
        if is_same and path != old_path and not is_excluded(path, exclude):
            yield old_path, path


def _attribute_tree(selection: Selection) -> git.Treeish:
    """Where `.gitattributes` are read: in the old state, for a change cannot take itself out of the review."""
    names = (entry.path.rpartition(b"/")[2] for entry in selection.entries)
    if selection.base is None or (selection.tree == git.INDEX and b".gitattributes" not in names):
        return selection.tree  # nothing to fall back on, or the same there
    return git.Treeish("object", selection.base)


def _pair(entry: git.ChangedEntry, selection: Selection) -> _Pair:
    path = os.fsdecode(entry.path)
    others = (entries[entry.path] for entries in selection.other_entries)
    return _Pair(
        path,
        None if entry.new_mode in _NO_FILES else entry.new_id,
        None if entry.old_mode in _NO_FILES else entry.old_id,
        None if entry.old_path == entry.path else os.fsdecode(entry.old_path),
        tuple(other.old_id for other in others if other.old_mode not in _NO_FILES),
    )


def _read(pair: _Pair, contents: _Contents) -> ChangedFile | Skipped:
    read = contents.of(pair)
    old = None if pair.old is None else read[pair.old]
    if pair.new is None:
        return deleted_file(pair.path, old)
    return changed_file(
        pair.path, read[pair.new], old, old_path=pair.old_path, others=(read[blob] for blob in pair.others)
    )


@dataclass
class _Contents:
    """The blobs of the pairs, read a group at a time; only the last group is kept."""

    pairs: Sequence[_Pair]
    sizes: dict[str, int]
    cwd: Path
    _group_of: dict[_Pair, int] = field(init=False)
    _groups: list[list[_Pair]] = field(init=False)
    _kept: int | None = field(init=False, default=None)
    _read: dict[str, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._groups = list(_grouped(self.pairs, lambda pair: sum(self.sizes[blob] for blob in pair.blobs)))
        self._group_of = {pair: number for number, group in enumerate(self._groups) for pair in group}

    def of(self, pair: _Pair) -> dict[str, bytes]:
        """Contents by their ids, those of the pair among them."""
        if self._kept != (wanted := self._group_of[pair]):
            self._read = git.read_blobs((blob for each in self._groups[wanted] for blob in each.blobs), self.cwd)
            self._kept = wanted
        return self._read


def _grouped(pairs: Iterable[_Pair], size_of: Callable[[_Pair], int]) -> Iterator[list[_Pair]]:
    """The pairs in their order, in groups of at most `_GROUP_BYTES`, or of one."""
    group: list[_Pair] = []
    size = 0
    for pair in pairs:
        if group and size + size_of(pair) > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append(pair)
        size += size_of(pair)
    if group:
        yield group
