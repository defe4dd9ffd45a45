"""Which tokens go on with bytes that are given."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist_runtime.llama.beginnings import Beginnings
from dsassist_runtime.llama.model import Model

WORDS = [b"", b"im", b"import", b"i", b"m", b"import", b"\xff", b"\xff\xff", b"\xe2\x82\xac", b"\n", b"\n\n", b" "]


def of(words: list[bytes]) -> Beginnings:
    return Beginnings(len(words), words.__getitem__)


@given(st.lists(st.binary(max_size=4), min_size=1, max_size=40), st.binary(min_size=1, max_size=5))
def test_what_fits_is_what_a_look_at_every_token_finds(words: list[bytes], owed: bytes) -> None:
    expected = [i for i, word in enumerate(words) if word and (word.startswith(owed) or owed.startswith(word))]
    assert sorted(of(words).fitting(owed).tolist()) == expected


def test_tokens_without_bytes_are_never_chosen() -> None:
    assert 0 not in of(WORDS).fitting(b"i")
    assert of(WORDS).fitting(b"x").tolist() == []


def test_only_what_has_a_token_for_each_byte_can_be_spelled() -> None:
    assert of(WORDS).can_spell(b"imi \n\xff")
    assert not of(WORDS).can_spell(b"imp")


def test_the_table_is_read_in_parts_and_is_whole_whoever_asks_first() -> None:
    table = of(WORDS)
    assert 3 <= sum(table.advance(5) for _ in range(100)) < 20, "and then it is done"
    assert table.fitting(b"impor").tolist() == of(WORDS).fitting(b"impor").tolist()


@pytest.mark.parametrize(
    ("pieces", "count"),
    [
        ([], 0),
        ([b"x"], 1),
        ([b"x", b"i", b"m"], 2),  # "im" begins "import", "xim" nothing
        ([b"x", b"xi", b"m"], 2),  # and so does the end of "xim"
        ([b"\n", b"\n"], 1),  # a line above stays
        ([b"i", b"m", b"z"], 1),
    ],
)
def test_as_much_is_taken_back_as_one_token_could_spell(pieces: list[bytes], count: int) -> None:
    assert of(WORDS).taken_back(pieces) == count


def test_marks_of_a_model_are_not_offered(builtin_model: Path) -> None:
    with closing(Model(builtin_model)) as model:
        vocabulary = model.vocabulary
        marks = {special.token for special in vocabulary.special}
        for first in range(256):
            assert vocabulary.beginnings.can_spell(bytes([first]))
            assert marks.isdisjoint(vocabulary.beginnings.fitting(bytes([first])).tolist())


@pytest.mark.real_model
def test_a_real_vocabulary_spells_every_byte_and_offers_no_mark(real_model: Path) -> None:
    with closing(Model(real_model)) as model:
        vocabulary = model.vocabulary
        fitting = [vocabulary.beginnings.fitting(bytes([first])) for first in range(256)]
        assert all(len(tokens) for tokens in fitting)
        offered = {int(token) for tokens in fitting for token in tokens}
        assert offered.isdisjoint({special.token for special in vocabulary.special})
        assert len(offered) > 151_000
        assert not any(vocabulary.is_end(token) for token in offered)


def test_whether_the_line_ends_is_decided_by_all_tokens_that_end_it_and_all_that_do_not() -> None:
    pieces = [b"[", b"[\n", b"['", b'["', b"[\n\n"]
    beginnings = Beginnings(len(pieces), pieces.__getitem__)
    fitting = beginnings.fitting(b"[")
    probabilities = np.array([0.2, 0.35, 0.2, 0.2, 0.05], dtype=np.float32)
    half = beginnings.likelier_half(fitting, b"[", np.log(probabilities))
    assert sorted(half.tolist()) == [0, 2, 3]
    probabilities[1] = 1.0
    assert sorted(beginnings.likelier_half(fitting, b"[", np.log(probabilities)).tolist()) == [1, 4]


def test_where_a_line_break_is_owed_nothing_is_decided() -> None:
    pieces = [b"\n", b"\n\n", b"\n    "]
    beginnings = Beginnings(len(pieces), pieces.__getitem__)
    fitting = beginnings.fitting(b"\n")
    assert len(beginnings.likelier_half(fitting, b"\n", np.zeros(3, dtype=np.float32))) == 3


def test_blanks_are_not_spelled_one_by_one() -> None:
    pieces = [b" " * n for n in range(1, 9)] + [b" x", b"        x"]
    beginnings = Beginnings(len(pieces), pieces.__getitem__)
    fitting = beginnings.fitting(b" " * 8)
    assert {pieces[token] for token in fitting} == {b" " * 8, b" " * 7, b"        x"}
