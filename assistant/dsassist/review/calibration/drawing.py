"""Which unchanged functions are looked at: those of HEAD, in an order that depends on nothing but their texts.

So a calibration that is interrupted goes on with the same functions, and a later HEAD shares most of them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from dsassist import git
from dsassist.globs import is_excluded
from dsassist.review.changes import LIMIT_BYTES, ChangedFile, Skipped
from dsassist.review.changes.blobs import changed_file
from dsassist.review.changes.filters import ATTRIBUTES, reason_to_skip
from dsassist.review.grammars import GRAMMARS
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.masking import masked_file
from dsassist.review.risk import changed_lines_of
from dsassist.syntax.languages import language_of
from dsassist_runtime.errors import NotDone

__all__ = ["drawn_tasks"]

_FIRST_OF_FILE = 3
"""Functions of one file resemble each other, so the others of it come after all files had their turn."""

_FILES_AT_ONCE = 16


@dataclass(frozen=True)
class _Blob:
    path: bytes
    id: str


def drawn_tasks(root: Path, exclude: Sequence[str] = ()) -> Iterator[Task]:
    """The functions of HEAD that a review would look at, each as if it had just been written whole.

    Raises `NotDone` where there is no commit yet. Globs in `exclude` count from the repository's root.
    """
    head = git.object_ids(["HEAD^{commit}"], root).get("HEAD^{commit}")
    if head is None:
        raise NotDone(f"there is no commit in {root} yet; --calibrate learns from the functions of HEAD")
    blobs = _blobs(root, head[0], exclude)
    for part in (slice(_FIRST_OF_FILE), slice(_FIRST_OF_FILE, None)):
        for file in _files(root, blobs):
            yield from _in_any_order(file)[part]


def _blobs(root: Path, commit: str, exclude: Sequence[str]) -> list[_Blob]:
    """The source files of a commit that people wrote, in the order of their names' digests."""
    tree = git.Treeish("object", commit)
    absent = git.absent_objects(tree, root)
    found = [
        _Blob(os.fsencode(path), blob)
        for path, blob in git.files_of(tree, root).items()
        if language_of(path) in GRAMMARS and blob not in absent
    ]
    said = git.attributes([each.path for each in found], ATTRIBUTES, root, tree=tree)
    kept = [each for each in found if _reason(os.fsdecode(each.path), said[each.path], exclude) is None]
    return sorted(kept, key=lambda each: hashlib.sha256(each.path).digest())


def _reason(path: str, attributes: dict[str, str], exclude: Sequence[str]) -> str | None:
    return "excluded" if is_excluded(path, exclude) else reason_to_skip(path, attributes)


def _files(root: Path, blobs: Sequence[_Blob]) -> Iterator[ChangedFile]:
    """The files one after another, all their lines as changed and without secrets; a few are read at once."""
    pending = iter(blobs)
    while group := list(islice(pending, _FILES_AT_ONCE)):
        sizes = git.blob_sizes((each.id for each in group), root)
        group = [each for each in group if sizes[each.id] <= LIMIT_BYTES]
        contents = git.read_blobs((each.id for each in group), root)
        for each in group:
            try:
                file = changed_file(os.fsdecode(each.path), contents[each.id], None)
                if isinstance(file, ChangedFile):
                    yield masked_file(file)[0]
            except RecursionError:  # nested deeper than anybody writes
                continue


def _in_any_order(file: ChangedFile) -> list[Task]:
    """The functions of a file by their texts' digests; only their own lines count as changed, as in a review."""
    try:
        found = [task for task in tasks_of(file) if not isinstance(task, Skipped)]
    except RecursionError:
        return []
    alone = [replace(task, lines=frozenset(changed_lines_of(task))) for task in found]
    return sorted(alone, key=lambda task: hashlib.sha256(task.function.text.encode()).digest())
