"""What written alternatives need, with numbers that can be checked by hand."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from dsassist.review.written.change import CHANGES, Change
from dsassist.review.written.evidence import NULLS, Null, evidence_nats, fitted_nulls, needed_nats

MEASURED = Null(2.0, 1.0, functions=200)


@dataclass(frozen=True)
class Gain:
    change: Change
    behind_nats: float
    between_nats: float


@pytest.mark.parametrize(
    ("behind", "between", "nats"),
    [(9.0, 20.0, 7.0), (20.0, 9.0, 8.0), (20.0, -1.0, -2.0), (1.0, 20.0, -1.0)],
)
def test_evidence_is_what_both_measures_agree_on(behind: float, between: float, nats: float) -> None:
    assert evidence_nats(Gain("missing-guard", behind, between), MEASURED) == nats


def test_a_class_that_is_not_measured_needs_twice_as_much() -> None:
    assert needed_nats(MEASURED, 5.0, 1) == 5.0
    assert needed_nats(Null(), 5.0, 1) == 10.0
    assert needed_nats(Null(functions=5), 5.0, 1) == 10.0


def test_more_holes_need_more_evidence() -> None:
    assert needed_nats(MEASURED, 5.0, 4) == pytest.approx(7.08, abs=0.01)
    assert needed_nats(MEASURED, 5.0, 0) == 5.0


def test_each_class_has_a_null_and_none_claims_a_measurement() -> None:
    assert set(NULLS) == set(CHANGES)
    assert not any(null.is_measured for null in NULLS.values())
    assert all(null.behind_nats > 0 and null.between_nats > 0 for null in NULLS.values())


def test_a_null_is_what_few_unchanged_functions_exceed() -> None:
    functions = [[Gain("missing-guard", float(i), 100.0 - i), Gain("missing-guard", 0.5, 0.5)] for i in range(100)]
    fitted = fitted_nulls(functions)
    assert fitted["missing-guard"] == Null(95.0, 96.0, 100)
    assert fitted["missing-call"] == Null(0.0, 0.0, 100), "no alternative of the class, and so no gain"
    exceeding = sum(max(gain.behind_nats for gain in gains) > 95.0 for gains in functions)
    assert exceeding <= 5


def test_nothing_measured_leaves_the_nulls_as_they_are() -> None:
    assert fitted_nulls([]) == NULLS
