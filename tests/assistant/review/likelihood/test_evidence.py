"""The arithmetic of evidence, with numbers that can be checked by hand."""

from __future__ import annotations

import pytest

from dsassist.review.likelihood.evidence import LEAST_EVIDENCE, MEASURED, evidence_nats, needed_nats
from dsassist.review.likelihood.wording import ratio
from dsassist_runtime.api import Edit, EditScore

REPLACED, ADDED, REMOVED = Edit(5, 9, "other"), Edit(5, 5, "not "), Edit(5, 9, "")


@pytest.mark.parametrize(
    ("edit", "site", "suffix", "nats"),
    [
        # (-1) - (-5) at the site, (-2) - (-3) behind it.
        (REPLACED, ((-5.0,), (-1.0,)), ((-3.0,), (-2.0,)), 5.0),
        # A token is worth 6 nats at most, on either side, but only at the site.
        (REPLACED, ((-50.0,), (-1.0,)), ((-3.0,), (-3.0,)), 5.0),
        (REPLACED, ((-1.0,), (-50.0, -2.0)), ((-3.0,), (-3.0,)), -7.0),
        (REPLACED, ((-1.0,), (-1.0,)), ((-30.0, -1.0), (-1.0, -1.0)), 29.0),
        # An added word pays for itself, though it helps what follows.
        (ADDED, ((), (-4.0,)), ((-9.0, -1.0), (-1.0, -1.0)), 4.0),
        (ADDED, ((), (-0.5,)), ((-1.0,), (-1.0,)), -0.5),
        # A removed word gains nothing by being short: only what follows it counts.
        (REMOVED, ((-5.0,), ()), ((-2.0,), (-2.0,)), 0.0),
        (REMOVED, ((-5.0,), ()), ((-6.0,), (-2.0,)), 4.0),
        # The engine may give the token behind the removed one as part of the site.
        (REMOVED, ((-5.0, -3.0), (-1.0,)), ((-2.0,), (-2.0,)), 2.0),
        (REMOVED, ((-0.1, -0.1), (-4.0,)), ((-2.0,), (-2.0,)), -3.9),
        (REPLACED, ((-1.0,), (-1.0,)), ((), ()), 0.0),
    ],
)
def test_evidence(
    edit: Edit,
    site: tuple[tuple[float, ...], tuple[float, ...]],
    suffix: tuple[tuple[float, ...], tuple[float, ...]],
    nats: float,
) -> None:
    assert evidence_nats(EditScore(edit, *site, *suffix)) == pytest.approx(nats)


def test_what_is_written_and_the_alternative_change_signs_when_changed_over() -> None:
    there = EditScore(REPLACED, (-5.0, -1.0), (-0.5,), (-3.0,), (-2.0,))
    back = EditScore(REPLACED, (-0.5,), (-5.0, -1.0), (-2.0,), (-3.0,))
    assert evidence_nats(there) == pytest.approx(-evidence_nats(back))


@pytest.mark.parametrize(
    ("nats", "words"),
    [
        (2.303, "10 times"),
        (3.0, "20 times"),
        (7.4, "1,600 times"),
        (13.0, "440,000 times"),
        (14.0, "over a million times"),
    ],
)
def test_a_ratio_is_told_in_two_digits(nats: float, words: str) -> None:
    assert ratio(nats) == words


def test_more_lines_need_more_evidence() -> None:
    assert needed_nats("name", 5.0, 1) == 5.0
    assert needed_nats("name", 5.0, 20) == pytest.approx(9.49, abs=0.01)
    assert needed_nats("missing-not", 5.0, 20) < needed_nats("name", 5.0, 20)
    assert needed_nats("name", 5.0, 0) == 5.0


def test_a_family_without_a_measurement_needs_more_than_any_with_one() -> None:
    without = LEAST_EVIDENCE.keys() - MEASURED
    assert min(LEAST_EVIDENCE[family] for family in without) > 2 * max(LEAST_EVIDENCE[family] for family in MEASURED)
