"""Changed files from a diff on standard input, with all of their text: a diff shows only a few lines of a file.

The text comes from the blobs that git's `index` line names, when they are there; else the diff is applied, in memory,
to the blob before it, or to the file in the working tree, where it may also have been applied already.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from dsassist import git
from dsassist.documents import DocumentError, read_bytes
from dsassist.globs import is_excluded
from dsassist.review.changes import filters
from dsassist.review.changes.blobs import changed_file, deleted_file
from dsassist.review.changes.files import LIMIT_BYTES, Changes, PendingFile, Skipped
from dsassist.review.changes.patch import FilePatch, Hunk, PatchError, applied, parse_diff
from dsassist_runtime.errors import DsassistError

__all__ = ["ChangedContent", "changes_of_diff", "contents_of_diff", "read_diff"]

_LIMIT_BYTES = 64 * 1024 * 1024
_SYMLINK, _SUBMODULE = "120000", "160000"
_SHA256_DIGITS = 64


@dataclass(frozen=True)
class ChangedContent:
    """A file of a diff, both sides whole: None where it does not exist. `reason` says why it cannot be reviewed.

    One that was renamed as it was, `is_moved`, has neither side: no line of it changes.
    """

    path: str
    old: bytes | None = None
    new: bytes | None = None
    old_path: str | None = None
    reason: str = ""
    is_moved: bool = False


def read_diff() -> bytes:
    """What is on standard input, up to its end."""
    if sys.stdin is None:
        raise DsassistError("standard input is closed; give a diff there: git diff | dsassist review -")
    data = sys.stdin.buffer.read(_LIMIT_BYTES + 1)
    if len(data) > _LIMIT_BYTES:
        raise DsassistError(f"the diff has more than {_LIMIT_BYTES // (1024 * 1024)} MB; review a part of it")
    return data


def contents_of_diff(data: bytes, cwd: Path) -> list[ChangedContent]:
    """The files of a diff with the content of both sides, by path; `PatchError` where it does not apply."""
    root = Path(os.path.realpath(git.repository_root(cwd)))
    patches = parse_diff(data)
    if data.strip() and not patches:
        raise PatchError("there is no unified diff on standard input; `git diff` and `diff -u` write one")
    ids = {name for patch in patches for name in (patch.old_id, patch.new_id) if name.strip("0")}
    known = {name: found[0] for name, found in git.object_ids(sorted(ids), cwd).items() if found[1] == "blob"}
    sizes = git.blob_sizes(known.values(), cwd)
    small = {name: blob for name, blob in known.items() if sizes[blob] <= LIMIT_BYTES}
    blobs = git.read_blobs(small.values(), cwd)
    reader = _Reader(
        root, cwd, {name: blobs[blob] for name, blob in small.items()}, frozenset(known) - frozenset(small)
    )
    contents = [content for patch in patches if (content := reader.content(patch)) is not None]
    # A file that became a link is deleted and made anew.
    counts = Counter(each.path for each in contents if not each.reason and (each.new is not None or each.is_moved))
    if twice := next((path for path, count in counts.items() if count > 1), None):
        raise PatchError(f"the diff changes {twice} more than once; give one diff of it all, such as `git diff A B`")
    return contents


def changes_of_diff(contents: Sequence[ChangedContent], cwd: Path, exclude: Sequence[str] = ()) -> Changes:
    """What is to be reviewed of the files of a diff. Globs in `exclude` count from the repository's root."""
    root = git.repository_root(cwd)
    head = git.object_ids(["HEAD^{tree}"], cwd)
    tree = git.Treeish("object", head["HEAD^{tree}"][0]) if head else git.INDEX
    said = git.attributes([os.fsencode(each.path) for each in contents], filters.ATTRIBUTES, root, tree=tree)
    skipped: list[Skipped] = []
    pending: list[PendingFile] = []
    deleted: list[PendingFile] = []
    moved: dict[str, str] = {}
    for each in contents:
        if each.is_moved and each.old_path is not None:
            if not is_excluded(each.path, exclude):
                moved[each.old_path] = each.path
            continue
        reason = each.reason or filters.reason_to_skip(each.path, said[os.fsencode(each.path)])
        if is_excluded(each.path, exclude):
            skipped.append(Skipped(each.path, "excluded"))
        elif reason:
            skipped.append(Skipped(each.path, reason))
        elif each.new is None:
            deleted.append(PendingFile(each.path, partial(deleted_file, each.path, each.old)))
        else:
            read = partial(changed_file, each.path, each.new, each.old, old_path=each.old_path)
            pending.append(PendingFile(each.path, read))
    around = git.INDEX if all(_is_of_index(contents, cwd)) else None
    return Changes(tuple(pending), tuple(skipped), tuple(deleted), root, around=around, moved=moved)


def _is_of_index(contents: Iterable[ChangedContent], cwd: Path) -> Iterator[bool]:
    """Of each file that is read whether git's index has one of its two sides, so that it has the files around too."""
    read = [each for each in contents if not each.reason]
    names = [f":0:{each.path}" for each in read]
    found = git.object_ids(names, cwd)
    for each, name in zip(read, names, strict=True):
        in_index = found[name][0] if name in found else None
        if each.is_moved:
            yield in_index is not None
            continue
        yield in_index in [_blob_id(side, in_index or "") for side in (each.old, each.new)]


def _blob_id(content: bytes | None, like: str) -> str | None:
    """The id that git gives a content, by the hash that another id was made with."""
    if content is None:
        return None
    digest = hashlib.sha256 if len(like) == _SHA256_DIGITS else partial(hashlib.sha1, usedforsecurity=False)
    return digest(b"blob %d\0%b" % (len(content), content)).hexdigest()


@dataclass(frozen=True)
class _Reader:
    """Both sides of a diff's files: `blobs` are the contents by the ids in the diff, `large` the ids of large ones."""

    root: Path
    cwd: Path
    blobs: dict[str, bytes]
    large: frozenset[str]

    def content(self, patch: FilePatch) -> ChangedContent | None:
        """A file's content; None where neither its name nor a line of it changes."""
        if patch.old_name is None and patch.new_name is None:
            raise PatchError("the diff has /dev/null on both sides of a file; give it as git wrote it")
        path, old_path = self._path(patch.new_name or patch.old_name, patch), None
        if patch.old_name and patch.new_name:
            before = self._path(patch.old_name, patch)
            # `diff -u x.py.orig x.py` names a copy, which is no rename.
            old_path = before if before != path and patch.is_git else None
        if reason := self._reason(patch):
            return ChangedContent(path, reason=reason)
        if not patch.hunks:
            return ChangedContent(path, old_path=old_path, is_moved=True) if old_path and patch.is_renamed else None
        try:
            old, new = self._sides(patch, path, old_path or path)
        except DocumentError as error:
            return ChangedContent(path, reason=error.reason)
        return ChangedContent(path, old, new, old_path)

    def _reason(self, patch: FilePatch) -> str:
        if patch.mode in (_SYMLINK, _SUBMODULE):
            return "symbolic link" if patch.mode == _SYMLINK else "submodule"
        if {patch.old_id, patch.new_id} & self.large:
            return f"above {LIMIT_BYTES // (1024 * 1024)} MB"
        return "binary" if patch.is_binary else ""

    def _sides(self, patch: FilePatch, path: str, old_path: str) -> tuple[bytes | None, bytes | None]:
        old, new = self.blobs.get(patch.old_id), self.blobs.get(patch.new_id)
        back = [hunk.reverse for hunk in patch.hunks]
        if patch.new_name is None:
            return old if old is not None else applied(b"", back, path), None
        if patch.old_name is None:
            return None, new if new is not None else applied(b"", patch.hunks, path)
        if new is not None:
            return old if old is not None else applied(new, back, path), new
        if old is not None:
            return old, applied(old, patch.hunks, path)
        return self._sides_on_disk(path, old_path, patch.hunks, back)

    def _sides_on_disk(
        self, path: str, old_path: str, hunks: Sequence[Hunk], back: Sequence[Hunk]
    ) -> tuple[bytes, bytes]:
        place = self.root / (old_path if os.path.lexists(self.root / old_path) else path)
        if not os.path.lexists(place):
            raise PatchError(f"the diff does not apply: there is no file {path} in {self.root}")
        data = read_bytes(place, LIMIT_BYTES)
        try:
            return data, applied(data, hunks, path)
        except PatchError as error:
            try:
                return applied(data, back, path), data
            except PatchError:
                raise error from None

    def _path(self, name: bytes | None, patch: FilePatch) -> str:
        """Where in the repository a name of the diff lies; git puts a letter before it (`a/`, `b/`, `i/`, `w/`)."""
        assert name is not None, "a patch has at least one side"
        whole = os.fsdecode(name)
        letter, _, rest = whole.partition("/")
        if patch.has_prefixes:
            tried = [self.root / each for each in ([rest, whole] if rest and len(letter) == 1 else [whole])]
        else:
            shorter = [rest] if rest and letter else []
            tried = [folder / each for folder in (self.root, self.cwd) for each in (whole, *shorter)]
        found = next((each for each in tried if os.path.lexists(each)), None)
        inside = [each for each in map(self._inside, [found] if found else tried) if each is not None]
        if not inside:
            raise PatchError(f"the diff names {whole}, which lies outside of {self.root}")
        return inside[0]

    def _inside(self, path: Path) -> str | None:
        """A path from the root; None for one that lies outside, or is a link to what does."""
        plain = Path(os.path.normpath(path))
        is_inside = plain.is_relative_to(self.root) and Path(os.path.realpath(path)).is_relative_to(self.root)
        return str(plain.relative_to(self.root)) if is_inside else None
