"""How much the model's log-probabilities speak for an alternative, in nats, and how much of it each family needs.

The measure: at the site, the alternative's tokens against what is written, each floored at -6 (one token that the
tokenizer makes rare must not decide); behind it, the next 20 tokens, which both versions share. 2.3 nats are ten
times as likely.

Text that is put in pays for every token at the site and text that is taken out gains, whatever it means. So where the
edit only adds or only removes, the shared tokens decide, and the site may only take away from them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsassist.review.likelihood.site import Family
    from dsassist_runtime.api import EditScore

__all__ = ["LEAST_EVIDENCE", "MEASURED", "evidence_nats", "gain_nats", "needed_nats", "strength_of"]

_FLOOR_NATS = -6.0

LEAST_EVIDENCE: dict[Family, float] = {
    "name": 1.0,
    "attribute": 1.2,
    "comparison": 1.0,
    "boolean": 0.7,
    "swapped-arguments": 0.7,
    "missing-not": 0.6,
    "missing-await": 0.8,
    # Not measured yet, and so hardly ever enough.
    "arithmetic": 3.0,
    "bitwise": 3.0,
    "swapped-operands": 3.0,
    "dropped-operand": 3.0,
    "identity": 3.0,
    "any-all": 3.0,
    "min-max": 3.0,
    "exception": 3.0,
    "missing-self": 3.0,
    "missing-return": 3.0,
    # Numbers, constants and what only the file knows were guesswork when measured on real fixes.
    "off-by-one": 4.0,
    "bound": 4.0,
    "flag": 4.0,
    "default-argument": 4.0,
    "file-attribute": 4.0,
    "file-name": 4.0,
}
"""What a finding of each family needs, as a multiple of `review.threshold_nats` (docs/review.md: Evidence)."""

MEASURED: frozenset[Family] = frozenset(
    {"name", "attribute", "comparison", "boolean", "swapped-arguments", "missing-not", "missing-await"}
)
"""The families whose number comes from a measurement."""

_NATS_PER_LOG_LINE = 1.5


def needed_nats(family: Family, threshold_nats: float, lines: int) -> float:
    """How much evidence a finding needs when alternatives on so many lines of its function were asked about.

    The more is asked, the likelier one answer is odd by chance: what would be convincing on the one line that somebody
    changed is found somewhere in every tenth function.
    """
    return threshold_nats * LEAST_EVIDENCE[family] + _NATS_PER_LOG_LINE * math.log(max(lines, 1))


def strength_of(family: Family, nats: float, lines: int) -> float:
    """The threshold for which the evidence is just enough, since `needed_nats` grows evenly with it."""
    least = needed_nats(family, 0.0, lines)
    return (nats - least) / (needed_nats(family, 1.0, lines) - least)


def evidence_nats(score: EditScore) -> float:
    """How much likelier the alternative makes the text; negative when what is written is the likelier."""
    if not _only_adds_or_removes(score):
        return gain_nats(score)
    site = _floored(score.site_alternative) - _floored(score.site_original)
    suffix = sum(score.suffix_alternative) - sum(score.suffix_original)
    # What both versions have may be counted to the site, behind what only one has.
    shared = min(len(score.site_original), len(score.site_alternative))
    both = _floored(score.site_alternative[-shared:]) - _floored(score.site_original[-shared:]) if shared else 0.0
    return min(both, site) + suffix


def gain_nats(score: EditScore) -> float:
    """How much likelier the whole is with the alternative, each token at the site floored."""
    site = _floored(score.site_alternative) - _floored(score.site_original)
    return site + sum(score.suffix_alternative) - sum(score.suffix_original)


def _floored(log_probabilities: tuple[float, ...]) -> float:
    return sum(max(value, _FLOOR_NATS) for value in log_probabilities)


def _only_adds_or_removes(score: EditScore) -> bool:
    return score.edit.start == score.edit.end or not score.edit.replacement
