"""The repository around a change: which files hold a word, and what they say.

What is reviewed is laid over it, so that a file of the change is seen as it will be, whatever the tree has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Protocol

from dsassist.git import INDEX, Treeish, absent_objects, files_of, grep_words, grep_words_in, read_blobs
from dsassist.index.entry import module_key
from dsassist.review.changes import LIMIT_BYTES, ChangedFile
from dsassist.syntax.languages import language_of

__all__ = ["GitTree", "Overlay", "Tree", "is_deleted", "words_of"]

_WORD = re.compile(r"\w+")
_MOST_FILES = 400
"""A word that stands in more files is nobody's name; they are read in the order of their paths up to that."""


class Tree(Protocol):
    """A set of files, by paths from its root with slashes."""

    @property
    def is_whole(self) -> bool:
        """Can all of them be searched? Otherwise what is not found may be there."""
        ...

    def paths(self) -> Collection[str]:
        """All of them."""
        ...

    def paths_with(self, words: Collection[str]) -> Iterable[str]:
        """Those that hold at least one of the words as a word of its own."""
        ...

    def texts(self, paths: Collection[str]) -> Mapping[str, str]:
        """Their texts; what is no text, too large or not there is left out."""
        ...


class GitTree:
    """The files of git's index, or of a commit or tree.

    What a partial clone has not fetched is known by its path alone: it is neither searched nor read.
    """

    def __init__(self, root: Path, tree: Treeish = INDEX) -> None:
        if tree.kind == "working-tree":
            raise ValueError("of the working tree there is no state before, so that nothing in it is unfinished")
        self._root = root
        self._tree = tree

    @property
    def is_whole(self) -> bool:
        """Not in a partial clone that lacks some."""
        return not self._absent

    def paths(self) -> Collection[str]:
        """All regular files."""
        return self._files.keys()

    def paths_with(self, words: Collection[str]) -> Iterable[str]:
        """Those that hold at least one of the words; binary files are not looked into."""
        if self.is_whole:
            return grep_words(words, self._tree, self._root)
        here = {path: blob for path, blob in self._files.items() if blob not in self._absent}
        return grep_words_in(words, here, self._root)

    def texts(self, paths: Collection[str]) -> Mapping[str, str]:
        """Their texts, as they stand there."""
        blobs = {path: self._files[path] for path in paths if path in self._files}
        wanted = {path: blob for path, blob in blobs.items() if blob not in self._absent}
        contents = read_blobs(wanted.values(), self._root)
        texts = {path: _text(contents[blob]) for path, blob in wanted.items()}
        return {path: text for path, text in texts.items() if text is not None}

    @cached_property
    def _files(self) -> dict[str, str]:
        return files_of(self._tree, self._root)

    @cached_property
    def _absent(self) -> frozenset[str]:
        return absent_objects(self._tree, self._root)


class Overlay:
    """A tree as it will be with the files of a change; only files of languages that we read are told of."""

    def __init__(self, files: Sequence[ChangedFile], tree: Tree) -> None:
        self._new = {file.path: file.source.text for file in files if not is_deleted(file)}
        self._deleted = frozenset(file.path for file in files if is_deleted(file))
        self._tree = tree
        self._read: dict[str, str] = {}

    @property
    def is_whole(self) -> bool:
        """The tree's: what is not found in one that is not may be there all the same."""
        return self._tree.is_whole

    @cached_property
    def paths(self) -> frozenset[str]:
        """Every path of a file that will be there."""
        return (frozenset(self._tree.paths()) | self._new.keys()) - self._deleted

    @cached_property
    def by_module(self) -> dict[str, list[str]]:
        """The paths by what an import that means them ends with (`index.entry.module_key`)."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.paths):
            found.setdefault(module_key(path), []).append(path)
        return found

    def texts_with(self, words: Collection[str]) -> dict[str, str]:
        """The source files that hold at least one of the words, by path and in its order."""
        if not words:
            return {}
        found = {
            path
            for path in self._tree.paths_with(words)
            if path not in self._new and path not in self._deleted and language_of(path)
        }
        chosen = sorted(found)[:_MOST_FILES]
        missing = [path for path in chosen if path not in self._read]
        self._read.update(self._tree.texts(missing))
        texts = {path: self._read[path] for path in chosen if path in self._read}
        wanted = frozenset(words)
        texts.update({path: text for path, text in self._new.items() if not wanted.isdisjoint(words_of(text))})
        return dict(sorted(texts.items()))

    def path_of_submodule(self, path: str, name: str) -> str | None:
        """The module `name` of the package whose `__init__.py` is `path`."""
        folder, _, file = path.rpartition("/")
        if not file.startswith("__init__."):
            return None
        prefix = f"{folder}/" if folder else ""
        names = (f"{prefix}{name}.py", f"{prefix}{name}.pyi", f"{prefix}{name}/__init__.py")
        return next((each for each in names if each in self.paths), None)

    def text(self, path: str) -> str | None:
        """The text of one file, or None where there is none."""
        if path in self._new:
            return self._new[path]
        if path not in self._read:
            self._read.update(self._tree.texts([path]))
        return self._read.get(path)


def is_deleted(file: ChangedFile) -> bool:
    """Is a changed file one that is gone?"""
    return file.old is not None and not file.lines and not file.source.text and bool(file.old)


def words_of(text: str) -> frozenset[str]:
    """The words of a text: runs of letters, digits and underscores."""
    return frozenset(_WORD.findall(text))


def _text(content: bytes) -> str | None:
    if len(content) > LIMIT_BYTES or b"\0" in content:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None
