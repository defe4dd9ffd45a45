"""From what unchanged functions reached to thresholds."""

from __future__ import annotations

from math import comb
from random import Random

import pytest

from dsassist.review.calibration.fit import BUDGET, LEAST_FUNCTIONS, Reached, allowed_alarms, fit
from dsassist.review.likelihood.evidence import LEAST_EVIDENCE


def names(*nats: float) -> list[Reached]:
    return [{"name": each} for each in nats]


@pytest.mark.parametrize(("functions", "allowed"), [(160, -1), (161, 0), (299, 1), (427, 2), (790, 5)])
def test_so_many_may_pass_that_the_bound_is_within_the_budget(functions: int, allowed: int) -> None:
    assert allowed_alarms(functions, BUDGET) == allowed

    def at_most(k: int) -> float:
        return sum(comb(functions, i) * 0.01**i * 0.99 ** (functions - i) for i in range(k + 1))

    assert at_most(allowed) <= 0.2 < at_most(allowed + 1)
    assert LEAST_FUNCTIONS == 161


def test_as_many_functions_pass_the_threshold_as_are_allowed() -> None:
    found = fit(names(*(number / 40 for number in range(400))), 5.5)
    assert (found.functions, found.alarms) == (400, 1)
    assert 9.95 < found.threshold_nats <= 9.975
    assert found.factors == {}


def test_with_few_functions_a_threshold_is_only_raised() -> None:
    assert fit([], 5.5).threshold_nats == 5.5
    assert fit(names(*[0.5] * 100), 5.5).threshold_nats == 5.5
    assert fit(names(*[0.5] * 100, 7.0), 5.5).threshold_nats == 7.01
    assert fit(names(*[0.5] * 400), 5.5).threshold_nats < 5.5


def test_however_quiet_a_model_is_less_than_ten_times_as_likely_is_no_evidence() -> None:
    assert fit(names(*[-5.0] * 400), 5.5).threshold_nats == 2.3
    assert fit([{"name": None}] * 400, 5.5).threshold_nats == 2.3


def test_the_strongest_family_of_a_function_counts_by_what_it_needs() -> None:
    weak: Reached = {"name": 3.0, "missing-not": 3.0, "attribute": None}
    (one,) = (fit([weak], 0.0).threshold_nats,)
    assert one == pytest.approx(3.0 / LEAST_EVIDENCE["missing-not"] + 0.01, abs=0.011)


def test_a_family_that_would_raise_all_others_gets_a_factor() -> None:
    draw = Random(3)
    quiet: list[Reached] = [
        {"name": draw.uniform(-5, 4), "comparison": draw.uniform(4, 8) if number % 10 == 0 else -3.0}
        for number in range(600)
    ]
    found = fit(quiet, 5.5)
    assert list(found.factors) == ["comparison"]
    assert 1.2 <= found.factors["comparison"] <= 2.0
    alone = fit([{"name": each["name"]} for each in quiet], 5.5)
    plain = fit([{"name": max(each["name"], each["comparison"])} for each in quiet], 5.5)  # type: ignore[type-var]
    assert alone.threshold_nats <= found.threshold_nats < plain.threshold_nats
    assert found.alarms <= allowed_alarms(600, BUDGET)


def test_a_family_of_few_functions_gets_none() -> None:
    few: list[Reached] = [{"name": 1.0, "comparison": 9.0} if number < 300 else {"name": 1.0} for number in range(600)]
    assert fit(few, 5.5).factors == {}


def test_the_budget_holds_on_functions_that_were_not_looked_at() -> None:
    """Over many samples: the share of all functions that pass, of which few samples have more than 1 of 100."""
    draw = Random(5)
    shares = []
    for _ in range(200):
        threshold = fit(names(*(draw.expovariate(1.0) for _ in range(430))), 0.0).threshold_nats
        shares.append(sum(draw.expovariate(1.0) >= threshold for _ in range(4000)) / 4000)
    assert sum(share > 0.0125 for share in shares) < 0.2 * len(shares)
    assert 0.004 < sum(shares) / len(shares) < 0.01
