"""A repository's commits as reviews see them: changed files with their old sides, and the tree around them.

Texts are kept by the names of their blobs: neighbouring commits share nearly all of them.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from dsassist.bench.history import History
from dsassist.git import run_git
from dsassist.review.changes import ChangedFile, changed_lines
from dsassist.review.source import Source
from dsassist.review.unfinished.tree import words_of
from dsassist.syntax.languages import language_of

__all__ = ["CommitTree", "Repository", "Sides", "changed_file", "gone_file"]

_FILE_MODES = ("100644", "100755")
_MOST_FILES = 60
"""A commit that changes more source files moved or reformatted them."""


@dataclass(frozen=True)
class Sides:
    """A source file that a commit changed: its text before (None for a new file) and after, and its name before."""

    path: str
    old: str | None
    new: str
    old_path: str | None = None


class Repository:
    """One history, with the texts that were read of it."""

    def __init__(self, root: Path, name: str) -> None:
        self.history = History(root)
        self.name = name
        self._texts: dict[str, str | None] = {}
        self._words: dict[str, frozenset[str]] = {}

    def sides(self, commit: str) -> list[Sides]:
        """The source files that a commit changed; none where they are too many to be one change."""
        entries = [(path, old_path, old, new) for path, old_path, old, new in self._entries(commit) if new]
        if not 0 < len(entries) <= _MOST_FILES:
            return []
        texts = self.texts({blob for _, _, old, new in entries for blob in (old, new) if blob})
        return [
            Sides(path, texts[old] if old else None, new_text, old_path)
            for path, old_path, old, new in entries
            if (new_text := texts[new]) is not None and (not old or texts[old] is not None)
        ]

    def gone(self, commit: str) -> dict[str, str]:
        """The source files that a commit took away, with their texts before."""
        entries = {path: old for path, _, old, new in self._entries(commit) if not new}
        texts = self.texts({*entries.values()} - {""})
        return {path: text for path, old in entries.items() if (text := texts.get(old)) is not None}

    def tree(self, commit: str) -> CommitTree:
        """All source files of a commit."""
        tree = self.history.tree(commit)
        return CommitTree({path: blob for path, blob in tree.items() if language_of(path)}, self)

    def texts(self, blobs: Collection[str]) -> dict[str, str | None]:
        """The text of each blob; None where it is too large or no UTF-8."""
        missing = {blob for blob in blobs if blob not in self._texts}
        contents = self.history.contents(missing) if missing else {}
        for blob in missing:
            self._texts[blob] = _decoded(contents.get(blob))
        return {blob: self._texts[blob] for blob in blobs}

    def words(self, blob: str) -> frozenset[str]:
        """The words of a blob's text."""
        if blob not in self._words:
            self._words[blob] = words_of(self._texts.get(blob) or "")
        return self._words[blob]

    def _entries(self, commit: str) -> Iterator[tuple[str, str | None, str, str]]:
        """Path, path before if it was another, old and new blob of each source file; "" for none."""
        options = ["--no-commit-id", "--root", "-r", "-z", "--raw", "--no-abbrev", "-M", "--no-relative"]
        fields = iter(run_git(["diff-tree", *options, commit], self.history.root).split(b"\0")[:-1])
        for field in fields:
            old_mode, mode, old, new, status = field[1:].decode("ascii").split(" ")
            old_path = path = next(fields)
            if status[0] in "RC":
                path = next(fields)
            shown = os.fsdecode(path)
            if (mode in _FILE_MODES or status == "D") and language_of(shown):
                was = os.fsdecode(old_path) if status[0] == "R" else None
                yield shown, was, old if old_mode in _FILE_MODES else "", new if mode in _FILE_MODES else ""


class CommitTree:
    """The source files of a commit, as `dsassist.review.unfinished.Tree` wants them."""

    is_whole = True

    def __init__(self, blobs: Mapping[str, str], repository: Repository) -> None:
        self._blobs = blobs
        self._repository = repository

    def paths(self) -> Collection[str]:
        """All of them."""
        return self._blobs.keys()

    def paths_with(self, words: Collection[str]) -> Iterable[str]:
        """Those that hold at least one of the words."""
        wanted = frozenset(words)
        return [path for path, held in self._held.items() if not wanted.isdisjoint(held)]

    def texts(self, paths: Collection[str]) -> Mapping[str, str]:
        """Their texts."""
        wanted = {path: self._blobs[path] for path in paths if path in self._blobs}
        texts = self._repository.texts(set(wanted.values()))
        return {path: text for path, blob in wanted.items() if (text := texts[blob]) is not None}

    @cached_property
    def _held(self) -> dict[str, frozenset[str]]:
        self._repository.texts(set(self._blobs.values()))
        return {path: self._repository.words(blob) for path, blob in self._blobs.items()}


def changed_file(sides: Sides) -> ChangedFile:
    """What a review is given of a file."""
    lines = changed_lines((sides.old or "").encode(), sides.new.encode())
    language = language_of(sides.path)
    source = Source(sides.new, language or "python")
    return ChangedFile(sides.path, source, lines, sides.old, language, sides.old_path)


def gone_file(path: str, text: str) -> ChangedFile:
    """What a review is given of a file that is gone."""
    language = language_of(path)
    return ChangedFile(path, Source("", language or "python"), frozenset(), text, language)


def _decoded(content: bytes | None) -> str | None:
    if content is None or b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
