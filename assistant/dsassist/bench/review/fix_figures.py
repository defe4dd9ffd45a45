"""From what was found before and after real fixes to figures, for each source of findings and all together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsassist.bench.intervals import mean
from dsassist.bench.report import Figure
from dsassist.bench.review.alarms import BUDGETS, NOTHING, fitted_threshold, thresholds_for
from dsassist.bench.review.fix_class import FIX_CLASSES
from dsassist.bench.review.fix_mining import Fix
from dsassist.bench.review.offered import offers
from dsassist.bench.review.sources import Scored, strongest

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["FixResult", "Verdict", "fix_figures", "verdict_of"]

_LEAST_OF_CLASS = 5
_LEAST_SPREAD = 0.1
TOGETHER = "all together"


@dataclass(frozen=True)
class Verdict:
    """The strongest finding before the fix, and that after it, which is an alarm; `NOTHING` where there is none."""

    before: float
    after: float
    is_right_line: bool
    is_offered: bool


@dataclass
class FixResult:
    """What was found, by source, and whether the model finds the fix likelier where it is told both lines."""

    fix: Fix
    before: dict[str, list[Scored]] = field(default_factory=dict)
    after: dict[str, list[Scored]] = field(default_factory=dict)
    prefers_fix: bool | None = None
    error: str = ""

    def verdict(self, source: str) -> Verdict:
        """What one source says."""
        return verdict_of(self.fix, self.before[source], self.after[source])


def verdict_of(fix: Fix, before: list[Scored], after: list[Scored]) -> Verdict:
    """Judge what a source found."""
    found, alarm = strongest(before), strongest(after)
    return Verdict(
        NOTHING if found is None else found.strength,
        NOTHING if alarm is None else alarm.strength,
        found is not None and found.finding.line <= fix.line <= found.finding.end_line,
        found is not None and offers(found.finding, fix.before, fix.after, fix.line),
    )


def fix_figures(
    results: Sequence[FixResult],
    sources: Sequence[str],
    threshold_nats: float,
    at_rates: Mapping[str, Sequence[Verdict]] | None = None,
) -> list[Figure]:
    """All figures; `threshold_nats` is what users have by default.

    `at_rates` has what sources say of the results, by their names, where thresholds are fitted to a rate of alarms: as
    users have them, they may need something else that must be fitted.
    """
    verdicts: dict[str, Sequence[Verdict]] = {
        source: [result.verdict(source) for result in results] for source in sources
    }
    groups = [result.fix.repository for result in results]
    rows_of_class = {kind: [i for i, result in enumerate(results) if result.fix.kind == kind] for kind in FIX_CLASSES}
    found = _preference(results, "")
    for source, some in verdicts.items():
        found += _at(some, [threshold_nats] * len(some), f"as shipped ({threshold_nats:g} nats), {source}")
    verdicts |= at_rates or {}
    if len(sources) > 1:
        verdicts[TOGETHER] = _together(groups, verdicts)
    thresholds = {
        (source, budget): thresholds_for(groups, [verdict.after for verdict in some], budget)
        for source, some in verdicts.items()
        for budget in BUDGETS
    }
    for (source, budget), limits in thresholds.items():
        found += _at(verdicts[source], limits, f"at {budget:.0%} alarms, {source}")
    for kind, rows in rows_of_class.items():
        if rows:
            found.append(_share(f"share of the fixes, {kind}", [result.fix.kind == kind for result in results]))
        if len(rows) < _LEAST_OF_CLASS:
            continue
        name = f"{kind} ({len(rows)})"
        found += _preference([results[i] for i in rows], f", {name}")
        for source, some in verdicts.items():
            limits = thresholds[source, BUDGETS[0]]
            about = f"at {BUDGETS[0]:.0%} alarms, {source}, {name}"
            found += _found([some[i] for i in rows], [limits[i] for i in rows], about)
    return found


def _at(verdicts: Sequence[Verdict], thresholds: Sequence[float], about: str) -> list[Figure]:
    alarms = [verdict.after > limit for verdict, limit in zip(verdicts, thresholds, strict=True)]
    rate = mean(f"alarms on fixed versions {about}", _percent(alarms), better="lower")
    return [*_found(verdicts, thresholds, about), rate]


def _found(verdicts: Sequence[Verdict], thresholds: Sequence[float], about: str) -> list[Figure]:
    pairs = list(zip(verdicts, thresholds, strict=True))
    return [
        _share(f"right line {about}", [verdict.before > limit and verdict.is_right_line for verdict, limit in pairs]),
        _share(f"fix offered {about}", [verdict.before > limit and verdict.is_offered for verdict, limit in pairs]),
    ]


def _together(groups: Sequence[str], verdicts: Mapping[str, Sequence[Verdict]]) -> list[Verdict]:
    """Of each case the source that is furthest above its own threshold.

    Strengths of different sources are of different scales. They are made alike by how far the two alarm rates lie
    apart, as seen on other projects: 0 is one source's threshold at the lower rate, -1 that at the higher one.
    """
    scales: dict[tuple[str, str], Callable[[float], float]] = {}
    for source, some in verdicts.items():
        for group in set(groups):
            others = [verdict.after for verdict, other in zip(some, groups, strict=True) if other != group]
            scales[source, group] = _scale(others)
    found = []
    for i, group in enumerate(groups):
        scaled = []
        for source, some in verdicts.items():
            verdict, scale = some[i], scales[source, group]
            scaled.append(
                Verdict(scale(verdict.before), scale(verdict.after), verdict.is_right_line, verdict.is_offered)
            )
        best = max(scaled, key=lambda each: each.before)
        after = max(each.after for each in scaled)
        found.append(Verdict(best.before, after, best.is_right_line, best.is_offered))
    return found


def _scale(others: Sequence[float]) -> Callable[[float], float]:
    if not others:
        return lambda _: NOTHING
    low, high = fitted_threshold(others, BUDGETS[1]), fitted_threshold(others, BUDGETS[0])
    spread = max(high - low, _LEAST_SPREAD) if low > NOTHING else max(abs(high), 1.0)

    def scale(strength: float) -> float:
        return NOTHING if strength <= NOTHING else (strength - high) / spread

    return scale


def _preference(results: Sequence[FixResult], of: str) -> list[Figure]:
    told = [result.prefers_fix for result in results if result.prefers_fix is not None]
    return [_share(f"fix preferred to the bug{of}", told)] if told else []


def _percent(values: Sequence[bool]) -> Numbers:
    import numpy as np

    return 100.0 * np.array(values, dtype=np.float64)


def _share(name: str, values: Sequence[bool]) -> Figure:
    return mean(name, _percent(values))
