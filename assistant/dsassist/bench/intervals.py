"""Shares and means over cases, with their 95 % intervals.

Intervals are bootstrapped over cases (Efron and Tibshirani 1993, the percentile method). A statistic of two arms, or of
a case in two versions, draws the same cases for both: one that is hard is hard for both.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dsassist.bench.report import Better, Figure

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["difference", "figure", "mean", "ratio", "share"]

_RESAMPLES = 2000
_SEED = 95


def mean(name: str, values: Numbers, unit: str = "%", better: Better = "higher", bar: float | None = None) -> Figure:
    """The mean of the cases' values; of a share in percent they are 0 and 100."""
    return figure(name, len(values), lambda counts: counts @ values / counts.sum(axis=1), unit, better, bar)


def difference(name: str, one: Numbers, other: Numbers, unit: str = "points") -> Figure:
    """How much more it is on the mean; of shares of the cases in percentage points."""
    return mean(name, one - other, unit=unit)


def share(name: str, values: Numbers, of: Numbers, better: Better, bar: float | None = None) -> Figure:
    """How much `values` is of `of`, both of which count cases, in percent."""
    return figure(name, len(values), lambda counts: 100.0 * _rate(counts, values, of), "%", better, bar)


def ratio(name: str, over: tuple[Numbers, Numbers], under: tuple[Numbers, Numbers], bar: float) -> Figure:
    """One share over another: of each the values, and what they are a share of."""

    def statistic(counts: Numbers) -> Numbers:
        import numpy as np

        bottom = _rate(counts, *under)
        return _rate(counts, *over) / np.where(bottom > 0, bottom, np.nan)

    return figure(name, len(over[0]), statistic, "x", "higher", bar)


def figure(
    name: str, n_cases: int, statistic: Callable[[Numbers], Numbers], unit: str, better: Better, bar: float | None
) -> Figure:
    """The figure over all cases, between the bounds of its interval: three samples, of which it is the median.

    `statistic` gets how often each case counts in each draw, `(n_draws, n_cases)`, and may give no number for some.
    """
    import numpy as np

    value = float(statistic(np.ones((1, n_cases)))[0])
    draws = np.random.default_rng(_SEED).multinomial(n_cases, np.full(n_cases, 1.0 / n_cases), size=_RESAMPLES)
    found = statistic(draws.astype(np.float64))
    low, high = np.percentile(found[~np.isnan(found)], [2.5, 97.5])
    return Figure(name, (min(float(low), value), value, max(float(high), value)), unit, better, bar)


def _rate(counts: Numbers, values: Numbers, of: Numbers) -> Numbers:
    """Per draw; not a number where nothing is there to be a share of."""
    import numpy as np

    total = counts @ of
    return (counts @ values) / np.where(total > 0, total, np.nan)
