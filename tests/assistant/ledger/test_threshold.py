"""The learnt threshold, on users that are made up: it finds where offers are worth showing, and stays there."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from dsassist.ledger.threshold import TuningRow, threshold_for, tuned_threshold

DEFAULT = 0.3
User = Callable[[float], float]  # the chance that an offer of a probability is taken


def calibrated(probability: float) -> float:
    return 0.9 * probability


def demanding(probability: float) -> float:
    return 0.02 if probability < 0.6 else 0.7


def thankful(_probability: float) -> float:
    return 0.5


def annoyed(_probability: float) -> float:
    return 0.03


def live_with(user: User, rounds: int, seed: int, threshold: float = DEFAULT) -> list[float]:
    """The thresholds of a user over time: only what is shown is learnt from, and each 100 offers it is set anew."""
    rng = random.Random(seed)
    rows: list[TuningRow] = []
    history = []
    for _ in range(rounds):
        shown = len(rows)
        while len(rows) < shown + 100:
            probability = rng.random()
            if probability >= threshold_for(threshold, DEFAULT, rng.random()):
                rows.append(TuningRow(probability, float(rng.random() < user(probability))))
        threshold = tuned_threshold(rows[-2000:], DEFAULT)
        history.append(threshold)
    return history


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    ("user", "least", "most"),
    [(calibrated, 0.10, 0.32), (demanding, 0.54, 0.66), (thankful, 0.10, 0.12), (annoyed, 0.89, 0.91)],
)
def test_it_settles_where_the_chance_reaches_the_target(user: User, least: float, most: float, seed: int) -> None:
    settled = live_with(user, 30, seed)[-8:]
    assert least <= min(settled)
    assert max(settled) <= most


@pytest.mark.parametrize("seed", range(3))
def test_it_does_not_creep_by_its_own_choice(seed: int) -> None:
    history = live_with(calibrated, 60, seed)
    early, late = history[20:30], history[-10:]
    assert abs(sum(early) / len(early) - sum(late) / len(late)) < 0.12


@pytest.mark.parametrize("seed", range(3))
def test_it_comes_down_again_from_too_high(seed: int) -> None:
    assert live_with(thankful, 30, seed, threshold=0.9)[-1] < 0.15


def test_it_stays_within_a_third_and_three_times_the_default() -> None:
    never = [TuningRow(number / 500, 0.0) for number in range(500)]
    always = [TuningRow(number / 500, 1.0) for number in range(500)]
    assert tuned_threshold(never, 0.1) == pytest.approx(0.3)
    assert tuned_threshold(always, 0.3) == pytest.approx(0.1)
    assert tuned_threshold(never, 0.5) == 0.95
    assert tuned_threshold(never, 0.97) == 0.97


def test_it_is_not_lower_than_what_was_ever_shown() -> None:
    assert tuned_threshold([TuningRow(0.4 + number / 1000, 1.0) for number in range(300)], DEFAULT) == 0.4


def test_few_lucky_offers_far_below_do_not_lower_it() -> None:
    rows = [TuningRow(0.11, 1.0)] * 2 + [TuningRow(0.12 + number / 1000, 0.0) for number in range(200)]
    rows += [TuningRow(0.5 + number / 1000, 1.0) for number in range(200)]
    assert tuned_threshold(rows, DEFAULT) == 0.5


def test_one_request_in_twenty_explores() -> None:
    assert threshold_for(0.6, DEFAULT, 0.049) == pytest.approx(0.1)
    assert threshold_for(0.6, DEFAULT, 0.051) == 0.6
