"""llama.vim's ring: which chunks come in, which go."""

from __future__ import annotations

import random

from dsassist.bench.typing.ring import CHUNK_LINES, Ring


def lines(word: str, count: int) -> list[str]:
    return [f"{word}_{n} = {word}({n})" for n in range(count)]


def ring() -> Ring:
    return Ring(random.Random(1))


def test_a_chunk_waits_until_the_ring_advances() -> None:
    chunks = ring()
    chunks.pick(lines("a", 5), evicts=True)
    assert chunks.live == []
    assert chunks.advance()
    assert chunks.live == [lines("a", 5)]
    assert not chunks.advance()


def test_little_text_is_no_chunk_and_much_is_cut() -> None:
    chunks = ring()
    chunks.pick(lines("a", 2), evicts=True)
    chunks.pick(lines("b", 200), evicts=True)
    assert chunks.advance()
    assert not chunks.advance()
    assert len(chunks.live[0]) == CHUNK_LINES // 2 + 1


def test_a_chunk_much_like_another_takes_its_place_or_stays_out() -> None:
    for evicts, kept in ((True, "new"), (False, "old")):
        chunks = ring()
        chunks.pick([*lines("a", 20), "old"], evicts=True)
        chunks.advance()
        chunks.pick([*lines("a", 20), "new"], evicts=evicts)
        chunks.advance()
        assert [chunk[-1] for chunk in chunks.live] == [kept]


def test_a_chunk_like_the_view_goes_and_another_stays() -> None:
    chunks = ring()
    for word in ("a", "b"):
        chunks.pick(lines(word, 20), evicts=True)
        chunks.advance()
    chunks.evict_like(lines("a", 20))
    assert chunks.live == [lines("b", 20)]


def test_the_oldest_goes_when_there_are_too_many() -> None:
    chunks = ring()
    for n in range(20):
        chunks.pick(lines(f"word{n}", 4), evicts=True)
        chunks.advance()
    assert len(chunks.live) == 16
    assert chunks.live[0] == lines("word4", 4)
