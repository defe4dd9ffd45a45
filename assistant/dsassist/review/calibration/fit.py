"""From what unchanged functions reached to thresholds that at most 1 of 100 such functions passes.

A share seen in few functions is uncertain, so the bound counts, not the share: so many of n functions may pass that, if
1 of 100 did in truth, as few or fewer would be seen in at most one sample of five (the one-sided 80 % bound of Clopper
and Pearson, 1934). That is none of 161 functions, 1 of 299, 2 of 427, 5 of 790. Below 161 not even none is enough:
then the threshold that there was before can only be raised.

First one scale is fitted on the numbers of `LEAST_EVIDENCE`. A family that needs clearly more than all others to stay
within half of the budget gets a factor, so that it does not raise the others' threshold; then the scale is fitted
again. That needs 322 functions with alternatives of that family, and as many with others. No family is lowered against
the others: that it was quiet on correct code does not make it right more often elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsassist.review.likelihood.evidence import LEAST_EVIDENCE
from dsassist.review.likelihood.site import Family

__all__ = ["BUDGET", "LEAST_FUNCTIONS", "LEAST_NATS", "Fit", "Reached", "allowed_alarms", "fit"]

Reached = Mapping[Family, float | None]
"""Of an unchanged function the most evidence of each family that it has alternatives of, less the term of the lines.

None where none of them was among those that the model ranked best.
"""

BUDGET = 0.01
"""Alarms on each unchanged function."""

LEAST_FUNCTIONS = 161
"""With fewer no threshold can be said to keep the budget."""

_DOUBT = 0.2
_SHARE_OF_ONE = 0.5  # of the budget, for a family with a factor
_LEAST_FACTOR, _MOST_FACTOR = 1.2, 2.0
_FUZZ = 1e-6  # 9.95 * 100 is a little less than 995
LEAST_NATS = 2.3
"""No threshold is lower: ten times as likely is the least that is any evidence, however quiet the model is."""


@dataclass(frozen=True)
class Fit:
    """Thresholds, from how many functions, and how many of these pass them."""

    threshold_nats: float
    factors: Mapping[Family, float]
    functions: int
    alarms: int


def fit(functions: Sequence[Reached], before_nats: float, budget: float = BUDGET) -> Fit:
    """Thresholds for a budget; `before_nats` is the least threshold where there are too few functions to tell."""
    factors = _factors(functions, budget * _SHARE_OF_ONE)
    strengths = [_strength(function, factors) for function in functions]
    threshold = max(_threshold(strengths, budget, before_nats), LEAST_NATS)
    return Fit(threshold, factors, len(functions), sum(strength >= threshold for strength in strengths))


def allowed_alarms(functions: int, budget: float) -> int:
    """How many of so many functions may pass for the budget to be kept in all likelihood; -1 where none is too many."""
    probability = (1.0 - budget) ** functions  # of exactly k
    at_most, k = probability, 0
    while at_most <= _DOUBT and k < functions:
        probability *= (functions - k) / (k + 1) * budget / (1.0 - budget)
        k += 1
        at_most += probability
    return k - 1


def _threshold(strengths: Sequence[float], budget: float, before_nats: float) -> float:
    falling = sorted(strengths, reverse=True)
    allowed = allowed_alarms(len(falling), budget)
    if allowed >= 0:
        return _above(falling[allowed])
    return max(before_nats, _above(falling[0])) if falling else before_nats


def _above(strength: float) -> float:
    """The next hundredth of a nat."""
    return math.floor(strength * 100.0 + 1.0 + _FUZZ) / 100.0 if math.isfinite(strength) else -math.inf


def _factors(functions: Sequence[Reached], budget: float) -> dict[Family, float]:
    """What the families need more than all others, where there are enough functions to tell."""
    found: dict[Family, float] = {}
    for family in sorted({family for function in functions for family in function}):
        own = [_strength({family: each[family]}, {}) for each in functions if family in each]
        others_of = ({key: nats for key, nats in each.items() if key != family} for each in functions)
        rest = [_strength(each, {}) for each in others_of if each]
        if allowed_alarms(min(len(own), len(rest)), budget) < 0:
            continue
        needed, others = _threshold(own, budget, 0.0), max(_threshold(rest, budget, 0.0), LEAST_NATS)
        if needed >= _LEAST_FACTOR * others:
            found[family] = round(min(needed / others, _MOST_FACTOR), 2)
    return found


def _strength(function: Reached, factors: Mapping[Family, float]) -> float:
    """The highest threshold that the function passes; minus infinity where nothing was measured."""
    return max(
        (
            nats / (LEAST_EVIDENCE[family] * factors.get(family, 1.0))
            for family, nats in function.items()
            if nats is not None
        ),
        default=-math.inf,
    )
