"""A document as an editor holds it: what a commit of just this text would change in its file, or all of it.

Knows no protocol. The text need not be on disk. Files are chosen, and lines counted, as for what is staged, so that a
later review of the staged file asks the model the same questions.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dsassist import git
from dsassist.documents import DocumentError, decode_text
from dsassist.globs import is_excluded
from dsassist.review.changes import filters
from dsassist.review.changes.files import LIMIT_BYTES, ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.changes.lines import changed_lines
from dsassist.review.changes.text import decode_source
from dsassist.review.selection import path_in
from dsassist.review.source import Source
from dsassist.syntax.languages import language_of

__all__ = ["changes_of_document", "whole_document"]


def changes_of_document(path: Path, text: str, exclude: Sequence[str] = ()) -> Changes:
    """The lines of a file in a repository in which `text` differs from HEAD; of a merge, from each side of it.

    Globs in `exclude` count from the repository's root. Raises what git raises, `NotARepository` outside of one.
    """
    root = git.repository_root(path.parent)
    name = path_in(root, path)
    before = _before(name, root)
    reason = _reason(name, path, root, exclude)
    if reason is None and not before.is_known and _is_ignored(name, root):
        reason = "ignored by git"
    file = Skipped(name, reason) if reason else _changed(name, text, before)
    return _changes(file, root, before.head)


def whole_document(path: Path, text: str, exclude: Sequence[str] = ()) -> Changes:
    """All lines of a document, in a repository or not."""
    try:
        root: Path | None = git.repository_root(path.parent)
    except (git.NotARepository, git.GitError):
        root = None
    name = path_in(root, path) if root is not None else str(path)
    if is_excluded(name, exclude):
        return _changes(Skipped(name, "excluded"), root, None)
    read = _decoded(name, text)
    if isinstance(read, Skipped):
        return _changes(read, root, None)
    language = language_of(name)
    lines = frozenset(range(1, read.count("\n") + 2))
    return _changes(ChangedFile(name, Source(read, language or "python"), lines, language=language), root, None)


class _Before(NamedTuple):
    """What was at a path before the change, in HEAD and in the other parents of a merge; `head` is HEAD's commit.

    It `is_known` that git has the file, in HEAD or in the index.
    """

    head: str | None
    content: bytes | None
    old_path: str | None
    others: tuple[bytes, ...]
    is_known: bool


def _before(name: str, root: Path) -> _Before:
    head_name, index_name = f"HEAD:{name}", f":{name}"
    found = git.object_ids(["HEAD^{commit}", "MERGE_HEAD^{commit}", head_name, index_name], root)
    head = found["HEAD^{commit}"][0] if "HEAD^{commit}" in found else None
    blob, old_path = _blob(found, head_name), None
    if blob is None and head is not None and index_name in found:
        blob, old_path = _renamed(name, head, root)
    parents = git.merge_heads(root) if "MERGE_HEAD^{commit}" in found else []
    theirs = git.object_ids([f"{parent}:{name}" for parent in parents], root) if parents else {}
    others = [other for each in theirs if (other := _blob(theirs, each)) is not None]
    contents = git.read_blobs([each for each in (blob, *others) if each is not None], root)
    return _Before(
        head,
        None if blob is None else contents[blob],
        old_path,
        tuple(contents[each] for each in others),
        is_known=blob is not None or index_name in found,
    )


def _blob(found: dict[str, tuple[str, str]], name: str) -> str | None:
    return found[name][0] if name in found and found[name][1] == "blob" else None


def _renamed(name: str, head: str, root: Path) -> tuple[str | None, str | None]:
    """The old blob and the old path of a file that the index has under a new name."""
    path = os.fsencode(name)
    for entry in git.entries_of_index(head, root):
        if entry.path == path and entry.status == "R":
            return entry.old_id, os.fsdecode(entry.old_path)
    return None, None


def _reason(name: str, path: Path, root: Path, exclude: Sequence[str]) -> str | None:
    """Why a file is left out, as it is where it is staged."""
    if path.is_symlink():
        return "symbolic link"
    if is_excluded(name, exclude):
        return "excluded"
    encoded = os.fsencode(name)
    said = git.attributes([encoded], filters.ATTRIBUTES, root)
    return filters.reason_to_skip(name, said[encoded])


def _is_ignored(name: str, root: Path) -> bool:
    """Whether git would not add it."""
    return bool(git.run_git(["check-ignore", "-z", "--stdin"], root, stdin=os.fsencode(name) + b"\0", accept=(0, 1)))


def _changed(name: str, text: str, before: _Before) -> ChangedFile | Skipped:
    read, language = _decoded(name, text, before.content), language_of(name)
    if isinstance(read, Skipped):
        return read
    if before.content is not None and b"\r\n" not in before.content:
        read = read.replace("\r\n", "\n")  # as git would store it
    new = read.encode("utf-8")
    lines = changed_lines(_as_utf8(name, before.content or b""), new)
    for other in before.others:
        lines &= changed_lines(_as_utf8(name, other), new)
    old = None if before.content is None else _text_or_none(name, before.content)
    return ChangedFile(name, Source(read, language or "python"), lines, old, language, before.old_path)


def _decoded(name: str, text: str, old: bytes | None = None) -> str | Skipped:
    """The text without a byte order mark, if it is one that is reviewed."""
    try:
        data = text.encode("utf-8")
    except UnicodeEncodeError:
        return Skipped(name, "no text")
    # What it was before decides: a change cannot take its own file out of the review.
    if reason := filters.reason_by_content(name, data if old is None else old):
        return Skipped(name, reason)
    try:
        return decode_text(data, name, LIMIT_BYTES)
    except DocumentError as error:
        return Skipped(name, error.reason)


def _text_or_none(name: str, data: bytes) -> str | None:
    try:
        return decode_source(data, name, language_of(name)).text
    except DocumentError:
        return None


def _as_utf8(name: str, data: bytes) -> bytes:
    text = _text_or_none(name, data)
    return data if text is None else text.encode("utf-8")


def _changes(file: ChangedFile | Skipped, root: Path | None, head: str | None) -> Changes:
    if isinstance(file, Skipped):
        return Changes((), (file,), root=root, tree=git.INDEX, base=head)
    return Changes((PendingFile(file.path, lambda: file),), (), root=root, tree=git.INDEX, base=head)
