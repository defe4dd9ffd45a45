from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist_runtime.engine.text import TextAssembler


def shown(pieces: list[bytes], stop: tuple[str, ...] = ()) -> list[str]:
    assembler = TextAssembler(stop)
    out = []
    for piece in pieces:
        out.append(assembler.push(piece))
        if assembler.stopped:
            return out
    return [*out, assembler.finish()]


def test_a_character_is_shown_when_it_is_whole() -> None:
    assert shown([b"a\xe2", b"\x82", b"\xac", b"b"]) == ["a", "", "€", "b", ""]


def test_a_cut_character_at_the_end_is_never_shown() -> None:
    assert shown([b"a\xf0\x9f"]) == ["a", ""]


def test_a_stop_string_is_not_shown_and_neither_is_its_beginning() -> None:
    assert shown([b"x = 1", b"\n", b"\ny"], ("\n\n",)) == ["x = 1", "", ""]


def test_what_only_looked_like_a_stop_string_is_shown() -> None:
    assert shown([b"a\n", b"b"], ("\n\n",)) == ["a", "\nb", ""]
    assert shown([b"a\n"], ("\n\n",)) == ["a", "\n"]


@given(st.text(), st.integers(1, 5), st.text("ab\n", min_size=1, max_size=3))
def test_the_pieces_together_are_the_text_up_to_the_stop(text: str, size: int, stop: str) -> None:
    data = text.encode("utf-8", "replace")
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    assert "".join(shown(pieces, (stop,))) == data.decode().split(stop)[0]


@pytest.mark.parametrize("stop", [(), ("",)])
def test_no_stop_string_stops_nothing(stop: tuple[str, ...]) -> None:
    assert "".join(shown([b"a", b"b"], stop)) == "ab"
