"""The changed Python files of a review, before and after, and the tree that they stand in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property

from dsassist.review.changes import ChangedFile
from dsassist.review.source import Source
from dsassist.review.unfinished.edits import Hunk, hunks, line_after, replaced_words
from dsassist.review.unfinished.links import Links
from dsassist.review.unfinished.python_file import PythonFile
from dsassist.review.unfinished.tree import Overlay

__all__ = ["PythonChange", "PythonChanges"]


class PythonChange:
    """One changed file, as it was and as it is."""

    def __init__(self, path: str, old: str, new: Source) -> None:
        self.old = PythonFile(path, Source(old))
        self.new = PythonFile(path, new)

    @property
    def hunks(self) -> tuple[Hunk, ...]:
        """What was done to it."""
        return hunks(self.old.source.text, self.new.source.text)

    def line_now(self, line: int) -> int:
        """Where a line of the old text stands now, or would stand."""
        return line_after(self.hunks, line)


class PythonChanges:
    """All changed Python files that parse, before and after; others of the tree are read when they are asked for."""

    def __init__(self, files: Sequence[ChangedFile], tree: Overlay) -> None:
        self.tree = tree
        pairs = [PythonChange(file.path, file.old, file.source) for file in files
                 if file.language == "python" and file.old is not None and file.source.text]  # fmt: skip
        self.files = [pair for pair in pairs if not pair.old.has_errors and not pair.new.has_errors]
        self._lines = {file.path: file.lines for file in files}
        self._known = {pair.new.path: pair.new for pair in self.files}

    @cached_property
    def links(self) -> Links:
        """The imports between the tree's files."""
        return Links(self.tree.paths)

    @cached_property
    def replaced(self) -> Counter[tuple[str, str]]:
        """How often the change put a word in the place of another."""
        counted: Counter[tuple[str, str]] = Counter()
        for change in self.files:
            counted.update(replaced_words(change.hunks))
        return counted

    def n_taken_away(self, word: str) -> int:
        """In how many places fewer a word is used in the changed files than before."""
        return sum(len(each.old.occurrences(word)) - len(each.new.occurrences(word)) for each in self.files)

    def is_written(self, file: PythonFile, line: int) -> bool:
        """Did the change write this line of a file?"""
        return line in self._lines.get(file.path, ())

    def files_with(self, words: Collection[str]) -> list[PythonFile]:
        """The Python files of the tree that hold at least one of the words and parse."""
        found = []
        for path, text in self.tree.texts_with(words).items():
            if path.endswith((".py", ".pyi")):
                file = self._known.setdefault(path, PythonFile(path, Source(text)))
                if not file.has_errors:
                    found.append(file)
        return found
