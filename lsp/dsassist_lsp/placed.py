"""Findings at their places in an open document: they move with their lines, and go when one of these changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from dsassist_lsp.documents import SourceDocument, position_of
from dsassist_lsp.line_map import LineMap

if TYPE_CHECKING:
    from dsassist.review.findings import Finding, Related, Replacement
    from dsassist_lsp.finding_evidence import Reading

__all__ = ["Placed", "Placer"]


@dataclass(frozen=True)
class Placed:
    """A finding in the client's positions. `ignore` puts the comment there that keeps it quiet from then on.

    `readings` are what the model thinks of its place, where the model was asked.
    """

    finding: Finding
    range: types.Range
    fix: tuple[types.TextEdit, ...] = ()
    ignore: types.TextEdit | None = None
    related: tuple[types.DiagnosticRelatedInformation, ...] = ()
    readings: tuple[Reading, ...] = ()

    def moved(self, lines: LineMap, uri: str) -> Placed | None:
        """Where it stands now; None where one of its lines changed. A fix goes with the lines that it would edit."""
        place = _moved_range(self.range, lines)
        if place is None:
            return None
        fix = [_moved_edit(each, lines) for each in self.fix]
        return replace(
            self,
            range=place,
            fix=tuple(each for each in fix if each is not None) if None not in fix else (),
            ignore=None if self.ignore is None else _moved_edit(self.ignore, lines),
            related=tuple(_moved_related(each, lines, uri) for each in self.related),
        )

    def is_ignored(self, lines: Sequence[str]) -> bool:
        """Whether the comment that `ignore` would put there stands there."""
        if self.ignore is None:
            return False
        line = self.ignore.range.start.line
        return 0 < line <= len(lines) and lines[line - 1].strip() == self.ignore.new_text.strip()

    def touches(self, place: types.Range) -> bool:
        """Whether it stands at a range, be that a cursor at one of its ends."""
        return self.range.start <= place.end and place.start <= self.range.end


class Placer:
    """Finds the places of findings in a document of which they were made; lines of findings end at line feeds only."""

    def __init__(self, uri: str, text: str, encoding: types.PositionEncodingKind | str | None) -> None:
        self._uri = uri
        self._document = SourceDocument(types.TextDocumentItem(uri, "", 0, text), encoding)
        self._starts = [0, *(at + 1 for at, character in enumerate(text) if character == "\n")]
        self._mark = 1 if text.startswith("\ufeff") else 0  # counts in no finding
        self._ending = "\r\n" if "\r\n" in text else "\n"

    @property
    def lines(self) -> list[str]:
        """The lines of the text, as the protocol has them."""
        return list(self._document.lines)

    def placed(
        self, finding: Finding, ignore: Sequence[Replacement], root: Path | None, readings: Sequence[Reading] = ()
    ) -> Placed:
        """A finding of this document, with the edit that ignores it; paths of related places count from `root`."""
        return Placed(
            finding,
            self._range(finding.line, finding.column, finding.end_line, finding.end_column),
            tuple(self._edit(part) for part in finding.fix),
            next((self._edit(part) for part in ignore), None),
            tuple(self._related(each, finding.path, root) for each in finding.related),
            tuple(readings),
        )

    def _edit(self, part: Replacement) -> types.TextEdit:
        text = part.text.replace("\r\n", "\n").replace("\n", self._ending)
        return types.TextEdit(self._range(part.line, part.column, part.end_line, part.end_column), text)

    def _related(self, related: Related, path: str, root: Path | None) -> types.DiagnosticRelatedInformation:
        if related.path == path:
            uri, at = self._uri, self._position(related.line, related.column)
        else:
            # The other file is not read: a column behind other characters than ASCII may be off by some.
            uri = ((root or Path.cwd()) / related.path).absolute().as_uri()
            at = types.Position(related.line - 1, related.column - 1)
        return types.DiagnosticRelatedInformation(types.Location(uri, types.Range(at, at)), related.note)

    def _range(self, line: int, column: int, end_line: int, end_column: int) -> types.Range:
        return types.Range(self._position(line, column), self._position(end_line, end_column))

    def _position(self, line: int, column: int) -> types.Position:
        start = self._starts[min(line, len(self._starts)) - 1]
        return position_of(self._document, start + column - 1 + (self._mark if line == 1 else 0))


def _moved_range(place: types.Range, lines: LineMap) -> types.Range | None:
    first, last = place.start.line, place.end.line
    if place.end.character == 0 and last > first:  # up to a line's start is no part of that line
        last -= 1
    by = lines.moved(first, last)
    if by is None:
        return None
    return types.Range(
        types.Position(place.start.line + by, place.start.character),
        types.Position(place.end.line + by, place.end.character),
    )


def _moved_edit(edit: types.TextEdit, lines: LineMap) -> types.TextEdit | None:
    place = _moved_range(edit.range, lines)
    return None if place is None else types.TextEdit(place, edit.new_text)


def _moved_related(
    related: types.DiagnosticRelatedInformation, lines: LineMap, uri: str
) -> types.DiagnosticRelatedInformation:
    place = _moved_range(related.location.range, lines) if related.location.uri == uri else None
    if place is None:
        return related
    return types.DiagnosticRelatedInformation(types.Location(uri, place), related.message)
