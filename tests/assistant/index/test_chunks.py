"""Pieces of files, and the words that they are found by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsassist.index.chunks import chunks_of
from dsassist.index.words import words_of


@given(
    st.lists(st.sampled_from(["", "  ", "x = 1", "    y = 2", "def f():"]), max_size=200), st.sets(st.integers(1, 200))
)
def test_chunks_hold_each_line_with_text_once_and_are_short(lines: list[str], starts: set[int]) -> None:
    chunks = chunks_of(lines, starts)
    held = [line for chunk in chunks for line in range(chunk.start_line, chunk.end_line + 1)]
    assert len(held) == len(set(held))
    assert {n for n, line in enumerate(lines, 1) if line.strip()} <= set(held)
    assert all(chunk.end_line - chunk.start_line < 30 for chunk in chunks)
    assert all(lines[chunk.start_line - 1].strip() and lines[chunk.end_line - 1].strip() for chunk in chunks)


def test_a_file_is_cut_where_a_definition_starts() -> None:
    function = ["def f():", *["    x = 1"] * 15, ""]
    assert [chunk.start_line for chunk in chunks_of(function * 4, {1, 18, 35, 52})] == [1, 18, 35, 52]


def test_words_are_identifiers_and_their_parts_once_each() -> None:
    assert words_of("def load_config(HTTPServer x): return load_config(self)") == [
        "load_config",
        "load",
        "config",
        "httpserver",
        "http",
        "server",
    ]


def test_words_of_every_file_are_none() -> None:
    assert words_of("if self: return None  # __init__") == []


def test_words_keep_other_scripts() -> None:
    assert words_of("größe_straße = 1") == ["größe_straße", "größe", "straße"]
