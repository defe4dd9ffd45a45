"""An item accepted and taken back leaves the document as it was, in the client and in the server."""

from __future__ import annotations

import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from assistant.completion.test_laws_of_offers import accept, offer, places, texts
from dsassist.completion.place import Place
from dsassist.completion.writer import Offer
from dsassist_lsp.documents import SourceDocument, cursor_in
from dsassist_lsp.items import inline_item, menu_item

_LINE_END = re.compile(r"\r\n|\n|\r")


class Client:
    """An editor that knows the protocol and nothing of the server: lines, and columns in UTF-16 units."""

    def __init__(self, text: str) -> None:
        self.text = text

    def position(self, offset: int) -> types.Position:
        starts = self._starts()
        line = max(number for number, start in enumerate(starts) if start <= offset)
        return types.Position(line, _units(self.text[starts[line] : offset]))

    def offset(self, position: types.Position) -> int:
        offset = self._starts()[position.line]
        units = position.character
        while units > 0:
            units -= _units(self.text[offset])
            offset += 1
        assert units == 0, "the position is within a surrogate pair"
        return offset

    def replace(self, span: types.Range, text: str) -> types.TextDocumentContentChangePartial:
        """Edit the document; the edit that takes this one back."""
        start, end = self.offset(span.start), self.offset(span.end)
        old = self.text[start:end]
        self.text = self.text[:start] + text + self.text[end:]
        written = types.Range(span.start, self.position(start + len(text)))
        return types.TextDocumentContentChangePartial(range=written, text=old)

    def _starts(self) -> list[int]:
        return [0, *(found.end() for found in _LINE_END.finditer(self.text))]


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@st.composite
def places_with_pairs(draw: st.DrawFn) -> Place:
    """Places with characters of two units above, before and behind the cursor."""
    place = draw(places())
    text, offset = place.text, place.offset
    for at in draw(st.lists(st.integers(0, len(text)), max_size=3)) + draw(st.lists(st.just(offset), max_size=1)):
        if not text[:at].endswith("\r"):  # a line end is not parted
            text, offset = text[:at] + "😀" + text[at:], offset + (at <= offset)
    return replace(place, text=text, offset=offset)


def test_beside_a_chosen_entry_what_is_replaced_stands_behind_the_entrys_own_range() -> None:
    item = types.TextDocumentItem("file:///a", "", 1, "foo(bar)")
    document = SourceDocument(item, types.PositionEncodingKind.Utf16)
    chosen = types.SelectedCompletionInfo(types.Range(types.Position(0, 4), types.Position(0, 7)), "bazz")
    found = Offer("(1))", 8, 9, 1.0)
    ghost = inline_item(found, cursor_in(document, types.Position(0, 4)), document, selected=chosen)
    assert ghost.range is not None
    assert isinstance(ghost.insert_text, str)
    document.apply_change(types.TextDocumentContentChangePartial(range=ghost.range, text=ghost.insert_text))
    assert document.source == "foo(bazz(1))"


@given(places_with_pairs(), texts(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_accept_then_undo_restores_the_document_in_client_and_server(place: Place, text: str, in_menu: bool) -> None:
    found, _ = offer(place, [text])
    if found is None:
        return
    client = Client(place.text)
    item = types.TextDocumentItem("file:///a", "", 1, place.text)
    document = SourceDocument(item, types.PositionEncodingKind.Utf16)
    cursor = cursor_in(document, client.position(place.offset))
    if in_menu:
        edit = menu_item(found, cursor, document).text_edit
        assert isinstance(edit, types.TextEdit)
        span, inserted = edit.range, edit.new_text
    else:
        ghost = inline_item(found, cursor, document)
        assert ghost.range is not None
        assert isinstance(ghost.insert_text, str)
        span, inserted = ghost.range, ghost.insert_text

    undo = client.replace(span, inserted)
    document.apply_change(types.TextDocumentContentChangePartial(range=span, text=inserted))
    assert document.source == client.text == accept(place, found)

    client.replace(undo.range, undo.text)
    document.apply_change(undo)
    assert document.source == client.text == place.text
    assert list(document.lines) == list(SourceDocument(item, types.PositionEncodingKind.Utf16).lines)
