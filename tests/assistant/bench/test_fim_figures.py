"""Figures from verdicts: shares, ratios, and intervals that hold the value."""

from __future__ import annotations

from dsassist.bench.fim.answer import Answer, Verdict
from dsassist.bench.fim.figures import Arm, arm_figures, filter_figures, ratios
from dsassist.bench.report import Figure

RIGHT = Verdict(
    shown=True, first_line=True, whole=True, next_line=True, similarity=100.0, parses=True, adds_no_error=True
)
WRONG = Verdict(shown=True, parses=True, adds_no_error=True)
BROKEN = Verdict(shown=True, repeats_suffix=True)
NOTHING = Verdict()


def arm(name: str, *verdicts: Verdict, error: str = "") -> Arm:
    return Arm(name, [Answer(prompt_tokens=10, first_line_ms=5.0, error=error)] * len(verdicts), verdicts)


def by_name(figures: list[Figure]) -> dict[str, Figure]:
    return {figure.name: figure for figure in figures}


def test_shares_are_of_all_holes_or_of_what_is_shown() -> None:
    found = by_name(arm_figures(arm("a", RIGHT, WRONG, BROKEN, NOTHING), is_ours=True))
    assert found["first shown line exact, a"].value == 25.0
    assert found["shown, a"].value == 75.0
    assert round(found["first line right, of what is shown, a"].value, 1) == 33.3
    assert found["adds no syntax error, of what is shown, a"].ok is False
    assert found["repeats what follows, of what is shown, a"].ok is False


def test_only_ours_is_held_to_the_bars() -> None:
    assert {figure.bar for figure in arm_figures(arm("b", RIGHT, BROKEN), is_ours=False)} == {None}
    good = by_name(arm_figures(arm("a", RIGHT, WRONG), is_ours=True))
    assert good["adds no syntax error, of what is shown, a"].ok is True
    assert good["repeats what follows, of what is shown, a"].ok is True


def test_an_interval_holds_the_value_and_narrows_with_more_holes() -> None:
    few, many = (arm("a", *[RIGHT, WRONG] * n) for n in (5, 200))
    widths = []
    for one in (few, many):
        low, value, high = by_name(arm_figures(one, is_ours=False))["first shown line exact, a"].samples
        assert low < value == 50.0 < high
        widths.append(high - low)
    assert widths[1] < widths[0] / 3


def test_the_ratio_to_the_peer_is_paired() -> None:
    """Equal answers have a ratio of one in every resample, however few they are."""
    figures, left_out = ratios(arm("a", RIGHT, WRONG, RIGHT), arm("b", RIGHT, WRONG, RIGHT))
    first = by_name(figures)["first shown line exact, a / b"]
    assert first.samples == (1.0, 1.0, 1.0)
    assert (first.bar, first.ok) == (1.1, False)
    assert left_out == []


def test_a_peer_that_has_nothing_right_is_not_divided_by() -> None:
    figures, left_out = ratios(arm("a", RIGHT, WRONG), arm("b", WRONG, NOTHING))
    assert not [figure for figure in figures if "exact" in figure.name]
    assert left_out == ["first shown line exact, a / b: b has none right", "whole hole exact, a / b: b has none right"]


def test_errors_are_counted_and_have_no_times() -> None:
    found = by_name(arm_figures(arm("b", NOTHING, NOTHING, error="gone"), is_ours=False))
    assert found["errors, b"].value == 2.0
    assert "prompt, b" not in found


def test_the_filter_is_judged_by_the_share_that_is_right() -> None:
    filtered, unfiltered = arm("with", RIGHT, NOTHING, NOTHING, WRONG), arm("without", RIGHT, WRONG, WRONG, WRONG)
    ratio = by_name(filter_figures(filtered, unfiltered))[
        "first line right, of what is shown, with / without the confidence filter"
    ]
    assert ratio.value == 2.0
    assert (ratio.bar, ratio.ok) == (1.3, True)
