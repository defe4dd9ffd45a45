"""Open documents and cursors in them: lines and columns as the protocol counts them, turned into code points once.

Departs from pygls in three points where its own reading moves the cursor: a line ends at LF, CRLF or CR alone (pygls
also breaks at a form feed or U+2028, which shifts every later edit), the empty line behind the last line end is a line,
and a column behind the end of a line means that end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from lsprotocol import types
from pygls.workspace import PositionCodec, ServerTextPosition, TextDocument

__all__ = ["Cursor", "SourceDocument", "changed_lines", "cursor_behind", "cursor_in", "position_of"]

_LINE_END = re.compile(r"\r\n|\n|\r")
_WORD_BEFORE = re.compile(r"\w*\Z")
_LONGEST_WORD = 200  # the search tries each place: on a line of data without a blank it would take minutes


@dataclass(frozen=True)
class Cursor:
    """A place in a document: `offset` counts code points, the positions are in the client's units."""

    offset: int
    position: types.Position
    word: str  # the part of an identifier that stands before the cursor
    word_start: types.Position


class SourceDocument(TextDocument):
    """A document that the editor has open."""

    def __init__(self, item: types.TextDocumentItem, encoding: types.PositionEncodingKind | str | None) -> None:
        # lsprotocol lets anything pass here, as an id that it does not know is a string too.
        language_id = item.language_id if isinstance(item.language_id, str) else ""
        codec = _ClampingPositionCodec(encoding)
        super().__init__(item.uri, item.text, item.version, language_id, position_codec=codec)
        self._split: tuple[str, tuple[str, ...]] | None = None

    @property
    def lines(self) -> Sequence[str]:
        """The lines with their ends, at least one; the last has none."""
        source = self.source
        if self._split is None or self._split[0] is not source:
            self._split = source, _split_lines(source)
        return self._split[1]

    def apply_change(self, change: types.TextDocumentContentChangeEvent) -> None:
        """Take an edit; a range that is given backwards means what lies between its ends, as editors have it."""
        if isinstance(change, types.TextDocumentContentChangePartial) and change.range.end < change.range.start:
            change.range = types.Range(change.range.end, change.range.start)
        super().apply_change(change)


def cursor_in(document: SourceDocument, position: types.Position) -> Cursor:
    """Where `position` is; one outside the document becomes the nearest inside."""
    lines, codec = document.lines, document.position_codec
    place = codec.position_from_client_units(lines, position)
    line_before = lines[place.line][: place.character]
    found = _WORD_BEFORE.search(line_before, max(0, len(line_before) - _LONGEST_WORD))
    assert found is not None, "an empty word matches anywhere"
    return Cursor(
        offset=sum(map(len, lines[: place.line])) + place.character,
        position=codec.position_to_client_units(lines, place),
        word=found.group(),
        word_start=codec.position_to_client_units(lines, ServerTextPosition(place.line, found.start())),
    )


def cursor_behind(document: SourceDocument, changes: Sequence[types.TextDocumentContentChangeEvent]) -> int | None:
    """Where the cursor is, in code points, once these changes were typed into the document; None if that is open."""
    last = changes[-1] if changes else None
    if not isinstance(last, types.TextDocumentContentChangePartial):
        return None
    return cursor_in(document, last.range.start).offset + len(last.text)


def changed_lines(document: SourceDocument, changes: Sequence[types.TextDocumentContentChangeEvent]) -> tuple[int, int]:
    """The first and the last line that these changes wrote, from 0; all where the whole text came anew."""
    parts = [change for change in changes if isinstance(change, types.TextDocumentContentChangePartial)]
    if len(parts) < len(changes) or not parts:
        return 0, len(document.lines) - 1
    first = min(part.range.start.line for part in parts)
    return first, max(part.range.start.line + part.text.count("\n") for part in parts)


def position_of(document: SourceDocument, offset: int) -> types.Position:
    """Where code point `offset` of a document is, in the client's units."""
    lines, start = document.lines, 0
    for number, line in enumerate(lines):
        if offset < start + len(line) or number == len(lines) - 1:
            place = ServerTextPosition(number, min(offset - start, len(line.rstrip("\r\n"))))
            return document.position_codec.position_to_client_units(lines, place)
        start += len(line)
    raise AssertionError("a document has one line at least")


class _ClampingPositionCodec(PositionCodec):
    def position_from_client_units(self, lines: Sequence[str], position: types.Position) -> ServerTextPosition:
        line = min(position.line, len(lines) - 1)
        content = lines[line].rstrip("\r\n")
        if position.line > line:
            return ServerTextPosition(line, len(content))
        if content.isascii():  # a character is a unit in every encoding
            return ServerTextPosition(line, min(position.character, len(content)))
        units = 0
        for index, character in enumerate(content):
            if units >= position.character:
                return ServerTextPosition(line, index)
            units += self.impl.code_units_for_char(character)
        return ServerTextPosition(line, len(content))


def _split_lines(text: str) -> tuple[str, ...]:
    lines, start = [], 0
    for found in _LINE_END.finditer(text):
        lines.append(text[start : found.end()])
        start = found.end()
    return (*lines, text[start:])
