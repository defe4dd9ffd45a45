"""What a finding needs: a threshold for all families, and what single ones need more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsassist.review.likelihood.evidence import needed_nats, strength_of

if TYPE_CHECKING:
    from dsassist.review.likelihood.site import Family

__all__ = ["Thresholds"]


@dataclass(frozen=True)
class Thresholds:
    """`threshold_nats` is what `review.threshold_nats` sets, `factors` are multiplied with it for their families.

    `source` says in words where the numbers come from.
    """

    threshold_nats: float
    factors: Mapping[Family, float] = field(default_factory=dict)
    source: str = "review.threshold_nats"

    def needed_nats(self, family: Family, lines: int) -> float:
        """What a finding needs where alternatives on so many lines of its function were asked about."""
        return needed_nats(family, self.threshold_nats * self.factors.get(family, 1.0), lines)

    def strength_of(self, family: Family, nats: float, lines: int) -> float:
        """By which findings of several families are compared: the `threshold_nats` for which it is just enough."""
        return strength_of(family, nats, lines) / self.factors.get(family, 1.0)
