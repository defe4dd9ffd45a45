"""A trace: what a person does to a file, edit by edit, with the pauses between. Data, the same for a seed.

It is made from a file before and after a commit. Hunk after hunk the cursor goes to the place, what was removed goes,
and what was added is typed character by character, as in an editor that indents new lines and, in some traces, closes
brackets: the text at the end is the file after the commit.
"""

from __future__ import annotations

import json
import math
import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from difflib import SequenceMatcher
from functools import cached_property
from typing import Literal

__all__ = ["Document", "Edit", "Kind", "Trace", "shared_length", "trace_of"]

Kind = Literal["type", "newline", "backspace", "delete", "move"]

_BACKSPACES = 8  # a longer piece is selected and deleted at once
_PAIRS = {"(": ")", "[": "]", "{": "}"}
_OPENERS = (":", "{", "(", "[")  # at a line's end, behind which editors indent by one more level
_MISTAKE_SHARE = 0.015

# Gaps between keystrokes in seconds: the median of a log-normal distribution, and its sigma.
_IN_WORD = (0.12, 0.30)
_AT_WORD_END = (0.19, 0.35)
_AT_LINE_END = (0.55, 0.40)
_NOTICING = (0.35, 0.25)  # of a mistake
_DELETING = (0.09, 0.20)
_THINKING_S = (1.0, 4.0)
_MOVING_S = (1.2, 3.0)
_THINKS_AT_LINE, _THINKS_AT_WORD = 0.3, 0.04
_SHORTEST_S = 0.04


@dataclass(frozen=True)
class Edit:
    """One action, `at_s` seconds after the file was opened: `removed` code points at `offset` give way to `text`.

    `cursor` is where it stands afterwards. `right` says that no mistake stands in the text then.
    """

    at_s: float
    kind: Kind
    offset: int
    removed: int
    text: str
    cursor: int
    right: bool = True


@dataclass
class Document:
    """A text and the cursor in it."""

    text: str
    cursor: int = 0

    @property
    def before(self) -> str:
        """What stands left of the cursor."""
        return self.text[: self.cursor]

    def replace(self, offset: int, removed: int, text: str, cursor: int | None = None) -> None:
        """Put `text` in place of `removed` code points; the cursor stands behind it unless it is given."""
        self.text = self.text[:offset] + text + self.text[offset + removed :]
        self.cursor = offset + len(text) if cursor is None else cursor

    def apply(self, edit: Edit) -> None:
        """Do what the edit says."""
        self.replace(edit.offset, edit.removed, edit.text, edit.cursor)


@dataclass(frozen=True)
class Trace:
    """The edits that make `after` out of `before`, the file at `path`."""

    name: str
    path: str
    before: str
    after: str
    edits: tuple[Edit, ...] = field(repr=False)

    def as_jsonl(self) -> Iterator[str]:
        """A line for the file, then one for each edit."""
        yield json.dumps({"event": "trace", "trace": self.name, "path": self.path, "before": self.before})
        for edit in self.edits:
            yield json.dumps({"event": "edit", "trace": self.name, **asdict(edit)})

    def gap_s(self, index: int) -> float:
        """How long the person waits before an edit."""
        return self.edits[index].at_s - (self.edits[index - 1].at_s if index else 0.0)

    def states(self) -> Iterator[Document]:
        """The document after each edit; the same object, changed."""
        document = Document(self.before)
        for edit in self.edits:
            document.apply(edit)
            yield document

    @cached_property
    def passes(self) -> dict[tuple[str, int], int]:
        """The right states, text and cursor, with the index of the last edit that leads to each."""
        return {
            (state.text, state.cursor): index
            for index, state in enumerate(self.states())
            if self.edits[index].right and self.edits[index].kind != "move"
        }


def trace_of(
    name: str, path: str, before: str, after: str, *, seed: int, closes_brackets: bool = False, indents: bool = True
) -> Trace:
    """How a person with this seed would type the change; both texts have line feeds alone."""
    typist = _Typist(before, random.Random(f"{seed}:{name}"), closes_brackets, indents)  # noqa: S311  (no secret)
    for offset, removed, text in _hunks(before, after):
        typist.change(offset, removed, text)
    assert typist.document.text == after, f"{name}: the trace makes another text than the commit"
    return Trace(name, path, before, after, tuple(typist.edits))


def _hunks(before: str, after: str) -> Iterator[tuple[int, int, str]]:
    """What gives way to what, in the text as it stands when its turn comes: from the top down."""
    old, new = before.splitlines(keepends=True), after.splitlines(keepends=True)
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            done = "".join(new[:new_start])
            yield _narrowed(done, "".join(old[start:end]), "".join(new[new_start:new_end]))


def _narrowed(done: str, old: str, new: str) -> tuple[int, int, str]:
    """A hunk without what its sides share at the ends; new lines begin with the Enter at the end of the line above."""
    head = shared_length(old, new)
    old, new = old[head:], new[head:]
    tail = shared_length(old[::-1], new[::-1])
    old, new = old[: len(old) - tail], new[: len(new) - tail]
    offset = len(done) + head
    if not old and new.endswith("\n") and offset and not head and done.endswith("\n"):
        return offset - 1, 0, "\n" + new[:-1]
    return offset, len(old), new


def shared_length(first: Sequence[object], second: Sequence[object]) -> int:
    """How much of two texts is the same at their beginning."""
    unequal = (index for index, (a, b) in enumerate(zip(first, second, strict=False)) if a != b)
    return next(unequal, min(len(first), len(second)))


class _Typist:
    """Writes edits down, and the text that they make."""

    def __init__(self, text: str, rng: random.Random, closes_brackets: bool, indents: bool) -> None:
        self.document = Document(text)
        self.edits: list[Edit] = []
        self._rng = rng
        self._closes_brackets = closes_brackets
        self._indents = indents
        self._unit = "\t" if text.count("\n\t") > text.count("\n  ") else "    "
        self._now = 0.0
        self._closers: list[str] = []  # right of the cursor, which the editor put there; the last is the nearest
        self._blank = 0  # blanks left of the cursor, which the editor put there

    def change(self, offset: int, removed: int, text: str) -> None:
        """Go there, remove, type."""
        self._do("move", offset + removed, 0, "", self._rng.uniform(*_MOVING_S))
        if removed > _BACKSPACES:
            self._do("delete", offset, removed, "", self._gap(_AT_WORD_END))
        else:
            self._backspace(removed, 1, _DELETING)
        done = 0
        while done < len(text):
            done += self._newline(text, done) if text[done] == "\n" else self._character(text, done)
        self._drop_closers()

    def _character(self, text: str, done: int) -> int:
        """Type one character, maybe wrongly first; returns how many of the text are done by it."""
        character, cursor = text[done], self.document.cursor
        if character in string.ascii_lowercase and self._rng.random() < _MISTAKE_SHARE:
            wrong = self._rng.choice(string.ascii_lowercase.replace(character, ""))
            self._do("type", cursor, 0, wrong, self._gap(_IN_WORD), right=False)
            self._backspace(1, 1, _NOTICING)
        gap_s = self._gap_before(text, done)
        if self._closers and self.document.text[cursor] == character == self._closers[-1]:
            self._closers.pop()
            self._do("type", cursor, 1, character, gap_s)  # over what stands there already
        elif self._closes_brackets and self._is_closed_on_its_line(text, done):
            self._do("type", cursor, 0, character + _PAIRS[character], gap_s, cursor=cursor + 1)
            self._closers.append(_PAIRS[character])
        else:
            self._do("type", cursor, 0, character, gap_s)
        return 1

    def _is_closed_on_its_line(self, text: str, done: int) -> bool:
        """Will the bracket's other half be typed on this line, with nothing but closing ones right of the cursor?"""
        closer = _PAIRS.get(text[done])
        rest = self.document.text[self.document.cursor :].partition("\n")[0]
        if closer is None or rest.strip("".join(_PAIRS.values())):
            return False
        depth = 0
        for character in text[done:].partition("\n")[0]:
            depth += (character == text[done]) - (character == closer)
            if not depth:
                return True
        return False

    def _newline(self, text: str, done: int) -> int:
        """Enter, and the indentation that the line wants; returns how many characters of the text are done by it."""
        self._drop_closers()
        gap_s = self._gap_before(text, done)
        line, _, below = text[done + 1 :].partition("\n")
        wanted = line[: len(line) - len(line.lstrip(" \t"))]
        is_blank = line == wanted
        given = "" if not self._indents or (is_blank and (line or not below)) else self._given_indent()
        # An editor takes back the indentation that it gave to a line which stayed blank.
        blank, self._blank = self._blank, len(given) if is_blank else 0
        self._do("newline", self.document.cursor - blank, blank, "\n" + given, gap_s)
        if is_blank:
            return 1
        shared = shared_length(given, wanted)
        self._backspace(len(given) - shared, len(self._unit), _AT_WORD_END)
        for start in range(shared, len(wanted), len(self._unit)):
            self._do("type", self.document.cursor, 0, wanted[start : start + len(self._unit)], self._gap(_AT_WORD_END))
        return 1 + len(wanted)

    def _backspace(self, count: int, step: int, gap: tuple[float, float]) -> None:
        """Take `count` characters left of the cursor back, up to `step` with each key."""
        while count > 0:
            removed = min(count, step)
            self._do("backspace", self.document.cursor - removed, removed, "", self._gap(gap))
            count -= removed

    def _drop_closers(self) -> None:
        """Delete brackets that the editor closed and that nobody wanted."""
        if self._closers:
            self._do("delete", self.document.cursor, len(self._closers), "", self._gap(_AT_WORD_END))
            self._closers = []

    def _given_indent(self) -> str:
        """The indentation of the last line that has text, a level more behind an opening one."""
        line = next((line for line in reversed(self.document.before.split("\n")) if line.strip()), "")
        indent = line[: len(line) - len(line.lstrip(" \t"))]
        return indent + self._unit if line.rstrip().endswith(_OPENERS) else indent

    def _gap_before(self, text: str, done: int) -> float:
        previous = text[done - 1] if done else " "
        if text[done] == "\n" or previous == "\n":
            thinks = previous == "\n" and self._rng.random() < _THINKS_AT_LINE
            return self._rng.uniform(*_THINKING_S) if thinks else self._gap(_AT_LINE_END)
        if previous.isalnum() and text[done].isalnum():
            return self._gap(_IN_WORD)
        if self._rng.random() < _THINKS_AT_WORD:
            return self._rng.uniform(*_THINKING_S)
        return self._gap(_AT_WORD_END)

    def _gap(self, distribution: tuple[float, float]) -> float:
        median, sigma = distribution
        return max(_SHORTEST_S, self._rng.lognormvariate(math.log(median), sigma))

    def _do(
        self,
        kind: Kind,
        offset: int,
        removed: int,
        text: str,
        gap_s: float,
        *,
        cursor: int | None = None,
        right: bool = True,
    ) -> None:
        self._now = round(self._now + gap_s, 3)
        cursor = offset + len(text) if cursor is None else cursor
        edit = Edit(self._now, kind, offset, removed, text, cursor, right)
        self.document.apply(edit)
        self.edits.append(edit)
