"""What a written alternative must gain, over and above what such alternatives gain in code that is right.

There are two gains, both in nats. *Behind*: how much likelier the tokens become that follow the alternative and that
both versions share, which is neutral to its length. *Between*: how much likelier its line is with both sides in view.
The model wrote the alternative itself, so both are biased, and differently for each class: a guard added to a
condition that needs none may still make what follows likelier. That is the class's null, and it is taken off first;
what is left of the smaller gain is the evidence.

`NULLS` is the place for measured nulls (`dsassist bench review --fixes` fits them). Until then they are guesses on the
safe side: a gain of twenty times is taken for nothing, and twice the threshold is asked of what is left.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from dsassist.review.written.change import CHANGES, Change

__all__ = ["NULLS", "Gains", "Null", "evidence_nats", "fitted_nulls", "needed_nats"]


class Gains(Protocol):
    """What an alternative gains."""

    @property
    def change(self) -> Change:
        """Its class."""

    @property
    def behind_nats(self) -> float:
        """How much likelier it makes what follows."""

    @property
    def between_nats(self) -> float:
        """How much likelier it is itself, with both sides in view."""


@dataclass(frozen=True)
class Null:
    """The gains that a class has in unchanged code, where the best alternative of a function is taken.

    `functions` is the number of unchanged functions that this was measured on, 0 where it is a guess.
    """

    behind_nats: float = 3.0
    between_nats: float = 3.0
    functions: int = 0

    @property
    def is_measured(self) -> bool:
        """Whether a finding of this class may be more than a remark."""
        return self.functions >= _LEAST_FUNCTIONS


NULLS: dict[Change, Null] = {change: Null() for change in CHANGES}
"""By class; none is measured yet."""

_LEAST_FUNCTIONS = 100
_TIMES_UNMEASURED = 2.0
_NATS_PER_LOG_SPAN = 1.5
_SHARE_BELOW = 0.95


def evidence_nats(gains: Gains, null: Null) -> float:
    """What both measures agree on."""
    return min(gains.behind_nats - null.behind_nats, gains.between_nats - null.between_nats)


def needed_nats(null: Null, threshold_nats: float, spans: int) -> float:
    """The evidence that a finding needs when so many spans of its function were filled anew."""
    times = 1.0 if null.is_measured else _TIMES_UNMEASURED
    return threshold_nats * times + _NATS_PER_LOG_SPAN * math.log(max(spans, 1))


def fitted_nulls(functions: Iterable[Sequence[Gains]]) -> dict[Change, Null]:
    """The nulls by what was weighed in unchanged functions, one sequence each: what 95 of 100 of them do not exceed.

    A function without an alternative of a class gains nothing by it, and counts. The best of each measure is taken by
    itself, which errs on the safe side.
    """
    behind: dict[Change, list[float]] = defaultdict(list)
    between: dict[Change, list[float]] = defaultdict(list)
    n_functions = 0
    for gains in functions:
        n_functions += 1
        for change in CHANGES:
            of_class = [each for each in gains if each.change == change]
            behind[change].append(max((each.behind_nats for each in of_class), default=0.0))
            between[change].append(max((each.between_nats for each in of_class), default=0.0))
    if not n_functions:
        return dict(NULLS)
    return {
        change: Null(_exceeded_by_few(behind[change]), _exceeded_by_few(between[change]), n_functions)
        for change in CHANGES
    }


def _exceeded_by_few(values: Sequence[float]) -> float:
    ordered = sorted(values)
    place = min(math.ceil(_SHARE_BELOW * len(ordered)), len(ordered) - 1)
    return max(ordered[place], 0.0)
