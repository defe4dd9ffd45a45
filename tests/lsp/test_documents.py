"""Lines, columns and edits of documents, as the protocol counts them."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from lsprotocol import types

from dsassist_lsp.documents import SourceDocument, cursor_in, position_of

UTF16 = types.PositionEncodingKind.Utf16
TEXTS = st.text(alphabet="ab_ é😋\n\r\f\u2028", max_size=40)
CELLS = st.integers(min_value=0, max_value=12)


def document(text: str) -> SourceDocument:
    return SourceDocument(types.TextDocumentItem("file:///a.py", "python", 1, text), UTF16)


def position(line: int, character: int) -> types.Position:
    return types.Position(line, character)


@given(TEXTS)
def test_the_lines_are_the_text_and_only_the_last_has_no_end(text: str) -> None:
    lines = document(text).lines
    assert "".join(lines) == text
    assert all(line.endswith(("\n", "\r")) for line in lines[:-1])
    assert not lines[-1].endswith(("\n", "\r"))


@given(TEXTS, CELLS, CELLS)
def test_a_cursor_is_in_the_text_and_asking_at_its_own_position_finds_it_again(
    text: str, line: int, character: int
) -> None:
    opened = document(text)
    cursor = cursor_in(opened, position(line, character))
    assert 0 <= cursor.offset <= len(text)
    assert text[: cursor.offset].endswith(cursor.word)
    assert cursor_in(opened, cursor.position) == cursor
    assert text[cursor.offset - 1 : cursor.offset + 1] != "\r\n", "a cursor between the halves of a line end"


@given(TEXTS, TEXTS, CELLS, CELLS, CELLS, CELLS)
def test_an_edit_replaces_what_lies_between_its_two_places(
    text: str, new: str, line: int, character: int, end_line: int, end_character: int
) -> None:
    start, end = sorted([(line, character), (end_line, end_character)])
    opened = document(text)
    first, last = cursor_in(opened, position(*start)).offset, cursor_in(opened, position(*end)).offset
    opened.apply_change(types.TextDocumentContentChangePartial(types.Range(position(*start), position(*end)), new))
    assert opened.source == text[:first] + new + text[last:]


@given(TEXTS, st.lists(st.tuples(st.text(alphabet="a😋\n\r", max_size=6), CELLS, CELLS, CELLS, CELLS), max_size=6))
@settings(deadline=None)
def test_after_edits_lines_and_places_are_those_of_the_text_opened_anew(
    text: str, edits: list[tuple[str, int, int, int, int]]
) -> None:
    edited = document(text)
    for new, line, character, end_line, end_character in edits:
        span = types.Range(position(line, character), position(end_line, end_character))
        edited.apply_change(types.TextDocumentContentChangePartial(span, new))
        anew = document(edited.source)
        assert edited.lines == anew.lines
        for offset in (len(edited.source), 0, len(edited.source) // 2):
            assert position_of(edited, offset) == position_of(anew, offset)


def test_a_column_behind_the_end_of_a_line_is_that_end() -> None:
    """pygls puts it before the last character of the last line, and behind the line end of others."""
    opened = document("abc\r\nabc")
    assert cursor_in(opened, position(0, 4)).offset == 3
    assert cursor_in(opened, position(1, 9)).offset == 8


def test_the_word_before_the_cursor_may_have_letters_of_any_script() -> None:
    cursor = cursor_in(document("😋 = größe.län"), position(0, 14))
    assert (cursor.word, cursor.word_start) == ("län", position(0, 11))
