"""A hole: a file as it stood at a commit, with a piece cut out where a person's cursor would be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dsassist.completion.place import Place

__all__ = ["KINDS", "Hole", "Kind", "Visit"]

Kind = Literal["line", "block", "mid-line"]
KINDS: tuple[Kind, ...] = ("line", "block", "mid-line")


@dataclass(frozen=True)
class Visit:
    """A place in another file that the same commit changed: where the person has been before. `row` counts from 0."""

    path: str
    text: str
    row: int


@dataclass(frozen=True)
class Hole:
    """`expected` belongs at `offset` (code points) of `text`; put in there, it gives the file of the commit.

    `variety` tells how the hole was cut: "line"; "body" under a header or "run" of lines; and right of the cursor
    "nothing", "closers" as an editor puts them, or the "rest" of the expression. `typed`: the cursor is within a word.
    """

    root: Path
    repository: str
    commit: str
    path: str
    language: str
    kind: Kind
    variety: str
    text: str
    offset: int
    expected: str
    typed: bool = False

    @property
    def place(self) -> Place:
        """The document and the cursor, as a completion is asked for."""
        return Place(self.text, self.offset, self.path)

    @property
    def whole(self) -> str:
        """The file as it stood at the commit."""
        return self.with_text(self.expected)

    def with_text(self, text: str, end: int | None = None) -> str:
        """The document after `text` was accepted in place of what stands up to `end`."""
        return self.text[: self.offset] + text + self.text[self.offset if end is None else end :]

    @property
    def row(self) -> int:
        """The cursor's line, from 0."""
        return self.text.count("\n", 0, self.offset)
