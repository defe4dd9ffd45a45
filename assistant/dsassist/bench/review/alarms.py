"""Thresholds for an alarm rate, always fitted on other projects than those they are used on."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["BUDGETS", "NOTHING", "fitted_threshold", "thresholds_for"]

BUDGETS = (0.01, 0.05)
"""Alarms on each unchanged function: the first is what a team bears, the second is for comparison."""

NOTHING = -1e9
"""The strength of a case in which nothing was found; a number, so that it can be ranked."""


def fitted_threshold(strengths: Sequence[float], budget: float) -> float:
    """The least threshold above which at most the share `budget` of the strengths lies; without any, none is safe."""
    if not strengths:
        return math.inf
    falling = sorted(strengths, reverse=True)
    n_allowed = math.floor(budget * len(falling) + 1e-9)
    return falling[n_allowed] if n_allowed < len(falling) else NOTHING


def thresholds_for(
    groups: Sequence[str], strengths: Sequence[float], budget: float, fit: Sequence[float] = ()
) -> list[float]:
    """For each case the threshold to use on it; alarms lie above it.

    `groups` and `strengths` are of the unchanged cases. With `fit`, the strengths of unchanged cases of other projects,
    it is the same for all; without, a group's threshold comes from all groups but its own.
    """
    if fit:
        return [fitted_threshold(fit, budget)] * len(groups)
    found = {}
    for group in set(groups):
        others = [strength for other, strength in zip(groups, strengths, strict=True) if other != group]
        found[group] = fitted_threshold(others, budget)
    return [found[group] for group in groups]
