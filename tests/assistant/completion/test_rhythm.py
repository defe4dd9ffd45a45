"""How long is waited for a further key."""

from __future__ import annotations

import pytest

from dsassist.completion.rhythm import Rhythm


def typist(gap_s: float, keys: int = 60) -> tuple[Rhythm, float]:
    rhythm, now = Rhythm(), 0.0
    for _ in range(keys):
        now += gap_s
        rhythm.typed(now)
    return rhythm, now


def test_a_quick_typist_is_waited_for_less() -> None:
    quick, at = typist(0.06)
    slow, later = typist(0.25)
    assert quick.delay_s("x = val", at) < slow.delay_s("x = val", later)


@pytest.mark.parametrize("line", ["", "x.", "f(", "    ", "x = ", "if a:"])
def test_people_look_up_at_the_boundaries_of_words(line: str) -> None:
    rhythm, at = typist(0.15)
    assert rhythm.delay_s(line, at) < rhythm.delay_s("    valu", at)


def test_after_a_pause_nothing_is_waited_for() -> None:
    rhythm, at = typist(0.15)
    assert rhythm.delay_s("val", at + 2.0) == 0.0
    assert Rhythm().delay_s("val", 5.0) > 0.0


def test_what_the_editor_waited_already_counts() -> None:
    rhythm, at = typist(0.2)
    assert rhythm.delay_s("val", at + 0.1) == pytest.approx(rhythm.delay_s("val", at) - 0.1)


def test_pauses_do_not_count_as_typing_and_the_wait_has_a_limit() -> None:
    rhythm, at = typist(0.1)
    before = rhythm.delay_s("val", at)
    rhythm.typed(at + 30)
    assert rhythm.delay_s("val", at + 30) == before
    slow, at = typist(0.59)
    assert slow.delay_s("val", at) <= 0.3
