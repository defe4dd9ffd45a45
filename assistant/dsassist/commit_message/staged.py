"""What is staged, as a model should read it: which files changed by how much, and hunks without secrets.

Git finds the hunks; the lines in them come from the two blobs with their secrets taken out, because a line of a diff
alone does not tell that it belongs to a key.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dsassist.git import ChangedEntry, blob_sizes, empty_tree, object_ids, read_blobs, run_git
from dsassist.review.changes.filters import reason_by_content, reason_by_name
from dsassist.secrets import is_secret_path, without_secrets

__all__ = ["Hunk", "StagedFile", "hunks_of", "recent_subjects", "staged_files"]

_LIMIT_BYTES = 512 * 1024
_LONGEST_LINE = 160
_HUNK = re.compile(rb"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_KINDS = {"A": "new", "D": "deleted", "R": "renamed", "T": "other type"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class StagedFile:
    """A file in which the index differs from HEAD; the counts of lines are None for a binary file."""

    entry: ChangedEntry
    n_added: int | None
    n_deleted: int | None

    @property
    def path(self) -> str:
        """For a prompt: what is no UTF-8 or no character shows as a mark."""
        return _CONTROL.sub("?", self.entry.path.decode("utf-8", "replace"))

    @property
    def n_changed(self) -> int:
        """Lines added and deleted."""
        return (self.n_added or 0) + (self.n_deleted or 0)

    @property
    def is_worth_hunks(self) -> bool:
        """Has it text that somebody wrote, that tells more than the name and that holds no secrets by its nature?"""
        entry = self.entry
        is_text = self.n_added is not None and entry.new_mode.startswith("100")
        readable = is_text and self.n_changed > 0 and entry.status != "D"
        return readable and not is_secret_path(os.fsdecode(entry.path)) and reason_by_name(self.path) is None

    @property
    def summary(self) -> str:
        """`src/a.py (new, +10)`."""
        notes = [_KINDS[self.entry.status]] if self.entry.status in _KINDS else []
        if self.entry.status == "R":
            notes = [f"renamed from {_CONTROL.sub('?', self.entry.old_path.decode('utf-8', 'replace'))}"]
        if self.n_added is None:
            notes.append("binary")
        notes += [f"+{self.n_added}"] if self.n_added else []
        notes += [f"-{self.n_deleted}"] if self.n_deleted else []
        return f"{self.path} ({', '.join(notes)})" if notes else self.path


@dataclass(frozen=True)
class Hunk:
    """Lines that changed, with one around them, under the line of the code that they belong to (or nothing)."""

    place: str
    lines: tuple[str, ...]

    @property
    def n_changed(self) -> int:
        """Lines added and deleted."""
        return sum(line[0] in "+-" for line in self.lines)


def staged_files(entries: Sequence[ChangedEntry], cwd: Path) -> list[StagedFile]:
    """The staged files with their counts, those with the most changed lines first."""
    options = ["--cached", "--numstat", "-z", "-M", "-l1000", "--no-relative", "--no-ext-diff", "--no-textconv"]
    printed = run_git(["diff-index", *options, "--ita-invisible-in-index", _head(cwd), "--"], cwd)
    counts: dict[bytes, tuple[int | None, int | None]] = {}
    fields = iter(printed.split(b"\0")[:-1])
    for field in fields:
        added, deleted, path = field.split(b"\t", 2)
        if not path:  # a rename: the two paths follow
            next(fields)
            path = next(fields)
        counts[path] = _count(added), _count(deleted)
    files = [StagedFile(entry, *counts.get(entry.path, (0, 0))) for entry in entries]
    return sorted(files, key=lambda file: (-file.n_changed, file.entry.path))


def hunks_of(files: Iterable[StagedFile], cwd: Path) -> dict[bytes, list[Hunk]]:
    """The hunks of each file by its path, without secrets; none of a file that is large or that nobody wrote."""
    files = [file for file in files if file.is_worth_hunks]
    olds = {file.entry.old_id for file in files if file.entry.status != "A" and file.entry.old_mode.startswith("100")}
    sizes = blob_sizes(olds | {file.entry.new_id for file in files}, cwd)
    files = [file for file in files if max(sizes[name] for name in _ids(file, sizes)) <= _LIMIT_BYTES]
    blobs = read_blobs({name for file in files for name in _ids(file, sizes)}, cwd)
    found = {}
    for file in files:
        old, new = blobs.get(file.entry.old_id, b""), blobs[file.entry.new_id]
        if reason_by_content(file.path, new) is None:
            found[file.entry.path] = _hunks(_patch(file.entry, cwd), old, new)
    return found


def recent_subjects(cwd: Path, limit: int) -> list[str]:
    """The subjects of the latest commits below HEAD, merges left out; none before the first commit."""
    if not object_ids(["HEAD^{commit}"], cwd):
        return []
    options = ["--format=%s", "--encoding=UTF-8", "--no-merges", f"--max-count={limit}"]
    printed = run_git(["rev-list", *options, "HEAD", "--"], cwd).decode("utf-8", "replace")
    # Without the format's own line there is one that begins with `commit` before each.
    subjects = [_CONTROL.sub("?", line) for line in printed.split("\n")[1::2]]
    return [without_secrets(subject)[:_LONGEST_LINE] for subject in subjects if subject.strip()]


def _head(cwd: Path) -> str:
    found = object_ids(["HEAD^{commit}"], cwd)
    return found["HEAD^{commit}"][0] if found else empty_tree(cwd)


def _count(field: bytes) -> int | None:
    return None if field == b"-" else int(field)


def _ids(file: StagedFile, known: Iterable[str]) -> list[str]:
    return [name for name in (file.entry.old_id, file.entry.new_id) if name in known]


def _patch(entry: ChangedEntry, cwd: Path) -> bytes:
    """Git's diff of a file that was there before; empty where all of it is new."""
    if entry.status == "A" or not entry.old_mode.startswith("100"):
        return b""
    how = ["-p", "-U1", "-M", "-l1000", "--inter-hunk-context=0", "--diff-algorithm=histogram"]
    plain = ["--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--ita-invisible-in-index"]
    paths = [f":(top,literal){os.fsdecode(path)}" for path in sorted({entry.old_path, entry.path})]
    return run_git(["diff-index", "--cached", *how, *plain, _head(cwd), "--", *paths], cwd)


def _hunks(patch: bytes, old: bytes, new: bytes) -> list[Hunk]:
    """The hunks of a patch, their lines from the two blobs; without a patch the whole new blob is one."""
    olds, news = _shown_lines(old), _shown_lines(new)
    if not patch:
        return [Hunk("", tuple(f"+{line}" for line in news))]
    old_raw, hunks = old.split(b"\n"), []
    lines = iter(patch.split(b"\n"))
    for line in lines:
        if (found := _HUNK.match(line)) is None:
            continue
        old_at, new_at = max(0, int(found[1]) - 1), max(0, int(found[3]) - 1)
        n_old, n_new = int(found[2] or 1), int(found[4] or 1)
        place = _place(found[5], old_raw, olds, old_at)
        shown = []
        while n_old > 0 or n_new > 0:
            mark = next(lines)[:1].decode("latin-1") or " "  # diff.suppressBlankEmpty leaves an empty line bare
            if mark == "\\":  # "No newline at end of file"
                continue
            shown.append(mark + (olds[old_at] if mark == "-" else news[new_at]))
            n_old, old_at = (n_old, old_at) if mark == "+" else (n_old - 1, old_at + 1)
            n_new, new_at = (n_new, new_at) if mark == "-" else (n_new - 1, new_at + 1)
        hunks.append(Hunk(place, tuple(shown)))
    return hunks


def _place(heading: bytes, old_raw: Sequence[bytes], olds: Sequence[str], before: int) -> str:
    """The line that git names behind `@@`, as the model may read it; it is one of those above the hunk, perhaps cut."""
    heading = heading.strip()
    if not heading:
        return ""
    for at in range(before - 1, -1, -1):
        if old_raw[at].strip().startswith(heading):
            return olds[at].strip()
    return ""


def _shown_lines(blob: bytes) -> list[str]:
    text = without_secrets(blob.decode("utf-8", "replace"))
    lines = text.removesuffix("\n").split("\n")
    return [_CONTROL.sub("?", line.removesuffix("\r").replace("\t", "    "))[:_LONGEST_LINE] for line in lines]
