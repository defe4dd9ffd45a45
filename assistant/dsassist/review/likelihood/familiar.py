"""Is a statement written in the same words elsewhere in its file? What is done more than once is no slip.

Short statements (`return low`) say nothing, and neither do lines that were changed together with the one in question.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple, Protocol
from weakref import WeakKeyDictionary

from dsassist.review.source import Source
from dsassist.review.statement import Statement, Statements

__all__ = ["LEAST_TOKENS", "Familiar"]

LEAST_TOKENS = 6
"""Of a statement that says anything."""


class _Place(Protocol):
    """Something that is proposed at a line and column of a file, both from 1."""

    @property
    def line(self) -> int: ...

    @property
    def column(self) -> int: ...


class Familiar:
    """Tells for the alternatives of one file, of which `changed` lines are under review."""

    def __init__(self, source: Source, changed: frozenset[int]) -> None:
        self._source = source
        self._changed = changed
        self._known: dict[Statement, bool] = {}

    def covers(self, alternative: _Place) -> bool:
        """Whether what is written at an alternative's place is written elsewhere, too."""
        statement = _file(self._source).statements.at(alternative.line, alternative.column)
        if statement is None or len(statement.tokens) < LEAST_TOKENS:
            return False
        if statement not in self._known:
            self._known[statement] = self._is_in_file(statement)
        return self._known[statement]

    def _is_in_file(self, statement: Statement) -> bool:
        file = _file(self._source)
        first = self._source.line_text(statement.first_line)
        for line in file.lines_by_text.get(first.strip(), ()):
            if line in self._changed or line == statement.first_line:
                continue
            text = self._source.line_text(line)
            other = file.statements.at(line, len(text) - len(text.lstrip()) + 1)
            if other is not None and other.tokens == statement.tokens:
                return True
        return False


class _File(NamedTuple):
    """A file's statements, and where each text of a line stands: only there one of the same tokens is sought."""

    statements: Statements
    lines_by_text: dict[str, list[int]]


_files: WeakKeyDictionary[Source, _File] = WeakKeyDictionary()
"""Each lives as long as its text does: a review asks about all functions of a file, an editor about each version."""


def _file(source: Source) -> _File:
    if (found := _files.get(source)) is None:
        lines: dict[str, list[int]] = defaultdict(list)
        for line, text in enumerate(source.text.split("\n"), start=1):
            lines[text.strip()].append(line)
        found = _files[source] = _File(Statements(source.language, source.text, source.tree), dict(lines))
    return found
