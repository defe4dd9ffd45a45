"""What a repository's history tells: commits after a date, the lines that each added, and files as they stood then.

Only objects are read, so a bare repository will do, and no working tree is looked at.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path

from dsassist.git import blob_sizes, read_blobs, run_git
from dsassist_runtime.errors import DsassistError

__all__ = ["Change", "History", "Tree"]

_LARGEST_FILE = 256 << 10  # bytes; larger ones are rarely written by hand
_FILE_MODES = ("100644", "100755")
_HUNK = re.compile(rb"@@ -\S+ \+(\d+)(?:,(\d+))? @@")

Tree = dict[str, str]  # path -> blob id, of regular files


@dataclass(frozen=True)
class Change:
    """A file that a commit added or modified."""

    path: str
    blob: str


class History:
    """One repository; `NotARepository` or `GitError` from git, `DsassistError` where there is no commit."""

    def __init__(self, root: Path) -> None:
        self.root = root
        if not run_git(["rev-list", "--all", "--max-count=1"], root):
            raise DsassistError(f"the repository {root} has no commits, so there is nothing to make holes in")

    def commits_since(self, since: date) -> list[str]:
        """Commits without merges that were both written and committed on that day (UTC) or later, newest first."""
        least = int(datetime(since.year, since.month, since.day, tzinfo=timezone.utc).timestamp())
        options = ["--no-merges", f"--since={least}", "--format=%H %at", "HEAD"]
        lines = run_git(["rev-list", *options], self.root).decode("ascii").splitlines()
        written = (line.split() for line in lines if not line.startswith("commit "))
        return [commit for commit, at in written if int(at) >= least]

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
