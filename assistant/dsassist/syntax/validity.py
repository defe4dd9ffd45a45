"""Does a text fit into a document? Told by the syntax errors with and without it, so that a document that has some
already, as one has at every keystroke, can be judged too.

Trees are made incrementally, and only branches that hold an error are walked: a candidate costs half a millisecond in a
file of 1,000 lines and a few in one of 30,000.
"""

from __future__ import annotations

import re
from enum import IntEnum
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from dsassist.syntax.parsing import count_errors, encode, parse_again, parse_edited
from dsassist.syntax.python_blocks import PythonBlock

if TYPE_CHECKING:
    from tree_sitter import Tree

__all__ = ["Validity", "Verdict"]

_LIMIT_BYTES = 4 * 1024 * 1024  # a larger file is not parsed while somebody types
_MAGIC = re.compile(r"^[ \t]*(%%?(?=[A-Za-z_])|!(?=[A-Za-z_./]))", re.MULTILINE)


class Verdict(IntEnum):
    """What a text does to a document's syntax; the greater the better.

    `CLEAN` leaves no more errors than the document has without the line that is being written; `NO_WORSE` no more than
    it has with the beginning of that line.
    """

    WORSE = 0
    NO_WORSE = 1
    CLEAN = 2


class Validity:
    """Judges texts to be inserted at `offset` (code points) of one document. For one thread.

    `path` is a name by which the document's next version is known again. Without a grammar, or where the file is too
    large, everything is clean.
    """

    def __init__(self, language: str | None, text: str, offset: int, path: str = "") -> None:
        self._path = path
        self._language = language
        text = _without_surrogates(text)
        self._text = _without_magics(text) if language == "python" else text
        self._offset = offset

    @cached_property
    def tree(self) -> Tree | None:
        """The document's tree as it is."""
        if self._language is None or len(self._text) > _LIMIT_BYTES:
            return None
        return parse_again(self._path, self._language, self._data)

    def prepare(self) -> None:
        """Do now what the first verdict needs: while the model writes, nobody waits for it."""
        if self.tree is not None:
            self._verdict(0)
            if self._language == "python":
                _ = self._python

    def judge(self, end: int, replacement: str) -> Verdict:
        """What putting `replacement` in the place of what stands between the cursor and `end` does."""
        if self.tree is None:
            return Verdict.CLEAN
        replacement = _without_surrogates(replacement)
        if self._language == "python":
            replacement = self._without_new_magics(replacement)
        verdict = self._verdict(self._errors_with(end, replacement))
        if verdict is not Verdict.WORSE and self._language == "python":
            return min(verdict, self._python_verdict(end, replacement))
        return verdict

    def _python_verdict(self, end: int, replacement: str) -> Verdict:
        before, after = self._text[: self._offset] + replacement, self._text[end:]
        if self._python.admits(before, after):
            return Verdict.CLEAN
        return Verdict.NO_WORSE if self._python.admits_head(before, after) else Verdict.WORSE

    def _verdict(self, errors: int) -> Verdict:
        if errors <= min(self._errors, self._without_line.errors):
            return Verdict.CLEAN
        return Verdict.NO_WORSE if errors <= self._errors else Verdict.WORSE

    @cached_property
    def _data(self) -> bytes:
        return encode(self._text)

    @cached_property
    def _line(self) -> tuple[int, int]:
        """Where the cursor's line begins and ends."""
        end = self._text.find("\n", self._offset)
        return self._text.rfind("\n", 0, self._offset) + 1, len(self._text) if end < 0 else end

    @cached_property
    def _errors(self) -> int:
        return count_errors(self.tree)

    @cached_property
    def _without_line(self) -> _Base:
        """The document without the cursor's line, which is what an unfinished line is measured by."""
        assert self.tree is not None
        assert self._language is not None
        start, end = self._line
        first = self._byte(start)
        last = first + len(encode(self._text[start:end]))
        tree, data = parse_edited(self._language, self.tree, self._data, first, last, b"")
        return _Base(tree, data, first, count_errors(tree))

    def _byte(self, offset: int) -> int:
        return offset if len(self._data) == len(self._text) else len(encode(self._text[:offset]))

    def _errors_with(self, end: int, replacement: str) -> int:
        """The errors of the document with `replacement` in the place of its code points from the cursor to `end`."""
        assert self.tree is not None
        assert self._language is not None
        base = self._without_line
        if base.errors <= self._errors:
            # Beside an error tree-sitter now and then takes parts of the old tree that do not belong: 34 errors where
            # there was none, behind a string that had not been closed. So the tree with fewer errors is edited.
            start, line_end = self._line
            line = self._text[start : self._offset] + replacement + self._text[end:line_end]
            return count_errors(parse_edited(self._language, base.tree, base.data, base.at, base.at, encode(line))[0])
        first = self._byte(self._offset)
        last = first + len(encode(self._text[self._offset : end]))
        return count_errors(parse_edited(self._language, self.tree, self._data, first, last, encode(replacement))[0])

    @cached_property
    def _python(self) -> PythonBlock:
        return PythonBlock(self._text, self._offset)

    def _without_new_magics(self, replacement: str) -> str:
        line = self._text[self._text.rfind("\n", 0, self._offset) + 1 : self._offset]
        return _without_magics(line + replacement)[len(line) :]


class _Base(NamedTuple):
    """A tree that texts are tried on, at a byte of its text."""

    tree: Tree
    data: bytes
    at: int
    errors: int


def _without_surrogates(text: str) -> str:
    """Lone surrogates, which no parser takes, as question marks."""
    return text if text.isascii() else encode(text).decode("utf-8")


def _without_magics(text: str) -> str:
    """A notebook's `%magic` and `!command` lines as comments, no character more or less."""
    if "%" not in text and "!" not in text:
        return text
    return _MAGIC.sub(lambda found: found.group()[: -len(found.group(1))] + "#" * len(found.group(1)), text)
