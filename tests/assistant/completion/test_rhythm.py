"""How long is waited for a further key."""

from __future__ import annotations

import pytest

from dsassist.completion.rhythm import Rhythm

LINE = ("a.py", 40)


def typist(gap_s: float, keys: int = 60) -> tuple[Rhythm, float]:
    rhythm, now = Rhythm(), 0.0
    for _ in range(keys):
        now += gap_s
        rhythm.typed(now)
    return rhythm, now


def test_a_quick_typist_is_waited_for_less() -> None:
    quick, at = typist(0.06)
    slow, later = typist(0.25)
    assert quick.delay_s(LINE, "x = val", at) < slow.delay_s(LINE, "x = val", later)


@pytest.mark.parametrize("line", ["", "x.", "f(", "    ", "x = ", "if a:"])
def test_people_look_up_at_the_boundaries_of_words(line: str) -> None:
    rhythm, at = typist(0.15)
    assert rhythm.delay_s(LINE, line, at) < rhythm.delay_s(LINE, "    valu", at)


def test_after_a_pause_nothing_is_waited_for() -> None:
    rhythm, at = typist(0.15)
    assert rhythm.delay_s(LINE, "val", at + 2.0) == 0.0
    assert Rhythm().delay_s(LINE, "val", 5.0) > 0.0


def test_what_the_editor_waited_already_counts() -> None:
    rhythm, at = typist(0.2)
    assert rhythm.delay_s(LINE, "val", at + 0.1) == pytest.approx(rhythm.delay_s(LINE, "val", at) - 0.1)


def test_pauses_do_not_count_as_typing_and_the_wait_has_a_limit() -> None:
    rhythm, at = typist(0.1)
    before = rhythm.delay_s(LINE, "val", at)
    rhythm.typed(at + 30)
    assert rhythm.delay_s(LINE, "val", at + 30) == before
    slow, at = typist(0.59)
    assert slow.delay_s(LINE, "val", at) <= 0.4


def test_a_line_of_which_the_model_knows_nothing_is_asked_about_less_often() -> None:
    rhythm, at = typist(0.1)
    delays = [rhythm.delay_s(LINE, "    x.", at)]
    for _ in range(4):
        rhythm.answered(LINE, shown=False)
        delays.append(rhythm.delay_s(LINE, "    x.", at))
    assert delays[0] < delays[1] < delays[2]
    assert delays[3] == delays[4], "in the end it is asked all the same"
    assert rhythm.delay_s(("a.py", 60), "    x.", at) == delays[0], "another line starts anew"
    rhythm.answered(LINE, shown=True)
    assert rhythm.delay_s(LINE, "    x.", at) == delays[0]
