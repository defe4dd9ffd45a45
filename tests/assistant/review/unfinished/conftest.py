"""Changes in real repositories, and what a review finds unfinished in them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from dsassist.review.changes import ChangedFile, changes_of
from dsassist.review.findings import Finding
from dsassist.review.selection import staged
from dsassist.review.unfinished import GitTree, find_unfinished
from hook_repositories import git

Files = Mapping[str, str]
Found = Callable[[Files, Files], list[Finding]]


@pytest.fixture
def found(tmp_path: Path) -> Found:
    """The findings where `before` was committed and `after` is staged over it; an empty text takes a file away."""

    def find(before: Files, after: Files) -> list[Finding]:
        git("init", "-q", cwd=tmp_path)
        _write(tmp_path, before)
        git("add", ".", cwd=tmp_path)
        git("commit", "-q", "-m", "before", cwd=tmp_path)
        _write(tmp_path, after)
        git("add", ".", cwd=tmp_path)
        changes = changes_of(staged(tmp_path))
        read = [pending.read() for pending in (*changes.pending, *changes.deleted)]
        files = [file for file in read if isinstance(file, ChangedFile)]
        assert files or changes.moved, "a test stages at least one file that can be reviewed, or moves one"
        return list(find_unfinished(files, GitTree(tmp_path), changes.moved))

    return find


def _write(root: Path, files: Files) -> None:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text:
            path.write_text(text, encoding="utf-8")
        else:
            path.unlink()
