"""Text on a terminal."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist.review.reports import display
from dsassist.review.reports.display import excerpt, one_line, spelled, width


def test_the_examples_are_true() -> None:
    assert doctest.testmod(display).failed == 0


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("ab", 2),
        ("\t", 4),
        ("a\tb", 5),
        ("文\tb", 5),
        ("文字", 4),
        ("e\u0301", 1),
        ("🎉", 2),
        ("\x1b", 4),
        ("\u202e", 6),
    ],
)
def test_the_width_is_what_the_screen_needs(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb", "a b"),
        ("a\nb", "a\\nb"),
        ("\r\x07", "\\x0d\\x07"),
        ("\u2028", "\\u2028"),
        ("\U000e0041", "\\U000e0041"),
    ],
)
def test_what_cannot_be_seen_is_spelled_out(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_the_bytes_of_a_name_stay_as_they_are() -> None:
    assert one_line("\udcff.py") == "\udcff.py"


@settings(deadline=None)
@given(
    st.text(st.characters(exclude_characters="\n"), max_size=300),
    st.integers(0, 300),
    st.integers(0, 60),
    st.integers(10, 90),
)
def test_an_excerpt_fits_and_its_mark_is_inside(line: str, start: int, length: int, columns: int) -> None:
    shown, before, marked = excerpt(line, start, start + length, columns)
    assert width(shown) <= columns
    assert before + marked <= max(columns, before + 1)
    if width(line) <= columns:
        assert shown == spelled(line)
