"""What a repository's history tells: commits after a date, the lines that each added, and files as they stood then.

Only objects are read, so a bare repository will do, and no working tree is looked at.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

from dsassist.git import blob_sizes, read_blobs, run_git
from dsassist_runtime.errors import DsassistError

__all__ = ["Change", "History", "Modification", "Tree", "names_of"]

_LARGEST_FILE = 256 << 10  # bytes; larger ones are rarely written by hand
_FILE_MODES = ("100644", "100755")
_HUNK = re.compile(rb"@@ -\S+ \+(\d+)(?:,(\d+))? @@")

Tree = dict[str, str]  # path -> blob id, of regular files


@dataclass(frozen=True)
class Change:
    """A file that a commit added or modified."""

    path: str
    blob: str


@dataclass(frozen=True)
class Modification:
    """How a commit changed a file: git's letter, and the blobs before and after (zeros where there is none)."""

    status: str
    path: str
    old_blob: str
    new_blob: str


class History:
    """One repository; `NotARepository` or `GitError` from git, `DsassistError` where there is no commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if not run_git(["rev-list", "--all", "--max-count=1"], root):
            raise DsassistError(f"the repository {root} has no commits, so there is nothing to measure with")

    def commits_since(self, since: date) -> list[str]:
        """Commits without merges that were both written and committed on that day (UTC) or later, newest first."""
        return list(self.subjects_since(since))

    def subjects_since(self, since: date) -> dict[str, str]:
        """The same commits in the same order, each with the first line of its message."""
        least = _start_of(since)
        options = ["--no-merges", f"--since={least}", "--format=%H %at %s", "HEAD"]
        lines = run_git(["rev-list", *options], self.root).decode("utf-8", "replace").split("\n")
        written = (line.split(" ", 2) for line in lines if line and not line.startswith("commit "))
        return {commit: subject for commit, at, subject in written if int(at) >= least}

    def last_before(self, since: date) -> str | None:
        """The newest commit that was committed before that day (UTC); None where all are younger."""
        printed = run_git(["rev-list", "--max-count=1", f"--before={_start_of(since) - 1}", "HEAD"], self.root)
        return printed.decode("ascii").strip() or None

    def modifications(self, commits: Sequence[str]) -> dict[str, list[Modification]]:
        """All that each commit, which must be no merge, changed against its parent.

        What was renamed was deleted and added: no file is read to find that out, for a partial clone may lack it.
        """
        options = ["--stdin", "--root", "-r", "-z", "--raw", "--no-abbrev", "--no-renames", "--no-relative"]
        found: dict[str, list[Modification]] = {commit: [] for commit in commits}
        fields = iter(run_git(["diff-tree", *options], self.root, stdin=_lines(commits)).split(b"\0")[:-1])
        commit = ""
        for field in fields:
            if not field.startswith(b":"):
                commit = field.decode("ascii").strip()
                continue
            _, _, old, new, status = field[1:].decode("ascii").split(" ")
            found[commit].append(Modification(status, os.fsdecode(next(fields)), old, new))
        return found

    def changes(self, commit: str) -> list[Change]:
        """The regular files that a commit added or modified; renamed ones count as added to no one."""
        options = ["--no-commit-id", "--root", "-r", "-z", "--raw", "--no-abbrev", "-M", "--no-relative"]
        fields = iter(run_git(["diff-tree", *options, commit], self.root).split(b"\0")[:-1])
        found = []
        for field in fields:
            _, mode, _, blob, status = field[1:].decode("ascii").split(" ")
            path = next(fields)
            if status[0] in "RC":
                next(fields)
            elif status[0] in "AM" and mode in _FILE_MODES:
                found.append(Change(os.fsdecode(path), blob))
        return found

    def added_rows(self, commit: str, path: str) -> frozenset[int]:
        """The lines (from 0) of the file at the commit that the commit added or rewrote."""
        options = ["--no-commit-id", "--root", "-p", "-U0", "--no-ext-diff", "--no-textconv", "--no-color"]
        printed = run_git(["diff-tree", *options, commit, "--", f":(top,literal){path}"], self.root)
        rows: set[int] = set()
        for line in printed.split(b"\n"):
            if found := _HUNK.match(line):  # without context, no line of the files starts with @@
                start, count = int(found[1]), int(found[2] if found[2] is not None else 1)
                rows.update(range(start - 1, start - 1 + count))
        return frozenset(rows)

    def tree(self, commit: str) -> Tree:
        """All regular files of the commit."""
        entries = run_git(["ls-tree", "-r", "-z", "--full-tree", commit], self.root).split(b"\0")[:-1]
        found = {}
        for entry in entries:
            about, _, path = entry.partition(b"\t")
            mode, _, blob = about.decode("ascii").split(" ")
            if mode in _FILE_MODES:
                found[os.fsdecode(path)] = blob
        return found

    def contents(self, blobs: set[str]) -> dict[str, bytes]:
        """The content of each blob that is there and not too large."""
        small = {blob for blob, size in self._sizes(blobs).items() if size <= _LARGEST_FILE}
        return read_blobs(small, self.root)

    def text(self, blob: str) -> str | None:
        """The text of a blob; None where it is too large, no UTF-8, or has line ends other than a line feed."""
        content = self.contents({blob}).get(blob)
        if content is None or b"\0" in content or b"\r" in content:
            return None
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            return None

    def _sizes(self, blobs: set[str]) -> dict[str, int]:
        """Sizes of those that are there: in a partial clone the others would be fetched one by one."""
        names = sorted(blobs)
        there = run_git(["cat-file", "--batch-check"], self.root, stdin="".join(f"{n}\n" for n in names).encode())
        missing = {line.split(b" ")[0].decode() for line in there.splitlines() if line.endswith(b" missing")}
        return blob_sizes((name for name in names if name not in missing), self.root)


def names_of(roots: Sequence[Path]) -> list[str]:
    """What each repository is called: its folder, with the one above it where two have the same."""
    names = [root.absolute().name.removesuffix(".git") for root in roots]
    many = Counter(names)
    return [
        name if many[name] == 1 else str(Path(*root.absolute().parts[-2:]))
        for root, name in zip(roots, names, strict=True)
    ]


def _start_of(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=timezone.utc).timestamp())


def _lines(names: Sequence[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode("ascii")
