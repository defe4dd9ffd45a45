"""The probability from which on offers are shown, learnt from what the user did with those that were.

An offer is worth showing when what its acceptance saves, times the chance of it, is more than what reading it costs.
To read a line of ghost text and decide takes most of a second; the 30 or so characters of an accepted one take about
six to type: the break-even lies at a chance of 0.15, which is `TARGET`. This is asked of the offers at the threshold,
not of the average above it: the average depends on which offers were shown, so a rule on it would feed on its own
choice and creep; the chance of an offer of a given probability does not.

A threshold can only be lowered again if something below it is shown now and then: one request in twenty is shown from
the lowest threshold on (`threshold_for`), which costs little, as most offers lie above anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["EXPLORED_SHARE", "MIN_ROWS", "TARGET", "TuningRow", "threshold_for", "tuned_threshold"]

TARGET = 0.15
MIN_ROWS = 200
EXPLORED_SHARE = 0.05

_RANGE = 3.0
_HIGHEST = 0.95  # some offers stay possible whatever the default is


@dataclass(frozen=True)
class TuningRow:
    """An offer that was shown: the probability of its first line, and the share of it that was taken (and kept)."""

    probability: float
    taken: float


def tuned_threshold(rows: Sequence[TuningRow], default: float) -> float:
    """The lowest probability at which offers are taken often enough; the default below 200 rows.

    Never below a third of the default, nor above three times it.
    """
    if len(rows) < MIN_ROWS:
        return default
    lowest, highest = _bounds(default)
    worth = (block.lowest for block in _isotonic(rows) if block.mean >= TARGET)
    return min(max(next(worth, highest), lowest), highest)


def threshold_for(tuned: float, default: float, draw: float) -> float:
    """The threshold of one request; `draw` is a random number from 0 to 1."""
    return min(tuned, _bounds(default)[0]) if draw < EXPLORED_SHARE else tuned


def _bounds(default: float) -> tuple[float, float]:
    return default / _RANGE, max(default, min(default * _RANGE, _HIGHEST))


@dataclass(frozen=True)
class _Block:
    lowest: float
    total: float
    count: int

    @property
    def mean(self) -> float:
        return self.total / self.count


def _isotonic(rows: Sequence[TuningRow]) -> list[_Block]:
    """The chance by probability, never falling: least squares by pooling neighbours that are out of order.

    (Pool adjacent violators: Barlow et al., Statistical Inference under Order Restrictions, 1972.)
    """
    blocks: list[_Block] = []
    for row in sorted(rows, key=lambda each: each.probability):
        block = _Block(row.probability, row.taken, 1)
        while blocks and (blocks[-1].mean >= block.mean or blocks[-1].lowest == block.lowest):
            last = blocks.pop()
            block = _Block(last.lowest, last.total + block.total, last.count + block.count)
        blocks.append(block)
    return blocks
