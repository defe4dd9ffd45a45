"""From suspects to figures: preference, ranking, the right line at an alarm rate, and the rate that came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.bench.intervals import figure, mean
from dsassist.bench.report import Figure
from dsassist.bench.review.alarms import BUDGETS, NOTHING, thresholds_for
from dsassist.bench.review.cases import PROSE, SURPRISE, WHOLE, Result, Suspect, groups_of, strongest_of
from dsassist.bench.review.rule import RULED, ByRule

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["Bars", "bars_of", "injected_figures"]

_LEAST_OF_FAMILY = 5
_RATE_TOLERANCE = 1.5  # the alarm rate may come out at so many times the budget
_TOP = (1, 3)


@dataclass(frozen=True)
class Bars:
    """What a model is held to, whole functions counting as changed; shares in percent, by alarm rate."""

    preference: float | None = None
    auroc: float | None = None
    top_3: float | None = None
    right_line: tuple[float | None, ...] = (None,) * len(BUDGETS)
    alarms: tuple[float | None, ...] = (None,) * len(BUDGETS)


_ALARM_BARS = tuple(100.0 * _RATE_TOLERANCE * budget for budget in BUDGETS)
_BARS = {
    "qwen2.5-coder-0.5b": Bars(88.0, 0.82, 92.0, (35.0, 50.0), _ALARM_BARS),
    "qwen2.5-coder-1.5b": Bars(None, None, None, (45.0, 60.0), _ALARM_BARS),
}


def bars_of(model_name: str) -> Bars:
    """The bars of a model's file; none for a model that has none."""
    return next((bars for name, bars in _BARS.items() if model_name.lower().startswith(name)), Bars())


def injected_figures(
    results: Sequence[Result],
    fit: Sequence[Result],
    arms: Sequence[str],
    by_rule: Mapping[tuple[str, float], ByRule],
    bars: Bars,
) -> tuple[list[Figure], list[str]]:
    """The figures, and what there are too few functions for."""
    found = _preference(results, "", bars.preference)
    found.append(_share_of("what was written is among the alternatives", [result.has_repair for result in results]))
    looked = {arm: _Looked(arm, results, fit) for arm in arms}
    for arm, each in looked.items():
        of_arm = bars if arm == WHOLE else Bars()
        found += each.ranking(of_arm, results)
        for budget, right, alarms in zip(BUDGETS, of_arm.right_line, of_arm.alarms, strict=True):
            if (ruled := by_rule.get((arm, budget))) is not None:
                found += _by_rule(ruled, f"at {budget:.0%} alarms, {arm}", right, alarms)
    for budget in BUDGETS:
        if (ruled := by_rule.get((WHOLE, budget))) is not None:
            needed = tuple(each.threshold_nats for each in ruled.thresholds)
            found.append(Figure(f"threshold at {budget:.0%} alarms", needed, "nats"))
    for each in looked.values():
        found += each.by_quantile()
    found += _random_line(results)
    found += _ruff(results)
    families = sorted({result.case.bug.family for result in results})
    rare = []
    for family in families:
        rows = [i for i, result in enumerate(results) if result.case.bug.family == family]
        if len(rows) < _LEAST_OF_FAMILY:
            rare.append(family)
            continue
        some = [results[i] for i in rows]
        found += _preference(some, f", {family} ({len(some)})", None)
        about = f"what was written is among the alternatives, {family} ({len(some)})"
        found.append(_share_of(about, [result.has_repair for result in some]))
        for (arm, budget), ruled in by_rule.items():
            about = f"right line at {budget:.0%} alarms, {arm}, {family} ({len(some)})"
            found.append(_share_of(about, [ruled.right[i] for i in rows]))
        if not by_rule:
            for arm in filter(looked.__contains__, RULED):
                found += looked[arm].of_family(rows, f"{family} ({len(some)})")
    return found, [f"families with fewer than {_LEAST_OF_FAMILY} bugs: {', '.join(rare)}"] if rare else []


class _Looked:
    """What one arm says of all cases, as numbers."""

    def __init__(self, arm: str, results: Sequence[Result], fit: Sequence[Result]) -> None:
        self._arm = arm
        self._results = results
        self._buggy = [strongest_of(result.buggy[arm]) for result in results]
        self._unchanged = [strongest_of(result.unchanged[arm]) for result in results]
        groups = groups_of(results)
        fitted = [_strength(strongest_of(result.unchanged[arm])) for result in fit]
        self._thresholds = {
            budget: thresholds_for(groups, [_strength(each) for each in self._unchanged], budget, fitted)
            for budget in BUDGETS
        }

    def ranking(self, bars: Bars, results: Sequence[Result]) -> list[Figure]:
        """What needs no threshold."""
        found = [_auroc(f"AUROC, {self._arm}", self._numbers(self._buggy), self._numbers(self._unchanged), bars.auroc)]
        if self._arm in (WHOLE, SURPRISE):
            for k in _TOP:
                hits = [_is_in_top(result.buggy[self._arm], result, k) for result in results]
                found.append(
                    _share_of(f"right line among the top {k}, {self._arm}", hits, bars.top_3 if k == 3 else None)
                )
        if self._arm == PROSE:
            hits = [_is_in_top(result.buggy[self._arm], result, 1) for result in results]
            found.append(_share_of(f"right line among the top 1, {self._arm}", hits))
        return found

    def by_quantile(self) -> list[Figure]:
        """The right line and the alarms where the threshold is the plain quantile, which every arm has."""
        found = []
        for budget in BUDGETS:
            at = f"at {budget:.0%} alarms by quantile, {self._arm}"
            found.append(_share_of(f"right line {at}", self._right(budget)))
            wrong = [
                _strength(each) > threshold
                for each, threshold in zip(self._unchanged, self._thresholds[budget], strict=True)
            ]
            found.append(mean(f"alarms on unchanged functions {at}", _percent(wrong), better="lower"))
        return found

    def of_family(self, rows: Sequence[int], name: str) -> list[Figure]:
        """The right line by the plain quantile for some of the cases."""
        return [
            _share_of(
                f"right line at {budget:.0%} alarms by quantile, {self._arm}, {name}",
                [self._right(budget)[i] for i in rows],
            )
            for budget in BUDGETS
        ]

    def _right(self, budget: float) -> list[bool]:
        """Whether the strongest suspect is above the threshold and on the bug's line."""
        return [
            suspect is not None and suspect.strength > threshold and suspect.is_at(result.case.bug.lines)
            for suspect, threshold, result in zip(self._buggy, self._thresholds[budget], self._results, strict=True)
        ]

    def _numbers(self, suspects: Sequence[Suspect | None]) -> Numbers:
        import numpy as np

        return np.array([_strength(each) for each in suspects])


def _by_rule(ruled: ByRule, at: str, right: float | None, alarms: float | None) -> list[Figure]:
    """The right line and the alarms by the rule that users have."""
    return [
        _share_of(f"right line {at}", ruled.right, right),
        mean(f"alarms on unchanged functions {at}", _percent(ruled.alarms), better="lower", bar=alarms),
    ]


def _strength(suspect: Suspect | None) -> float:
    return NOTHING if suspect is None else suspect.strength


def _is_in_top(suspects: Sequence[Suspect], result: Result, k: int) -> bool:
    best = sorted(suspects, key=lambda each: -each.strength)[:k]
    return any(suspect.is_at(result.case.bug.lines) for suspect in best)


def _percent(values: Sequence[bool]) -> Numbers:
    import numpy as np

    return 100.0 * np.array(values, dtype=np.float64)


def _share_of(name: str, values: Sequence[bool], bar: float | None = None) -> Figure:
    return mean(name, _percent(values), bar=bar)


def _preference(results: Sequence[Result], of: str, bar: float | None) -> list[Figure]:
    told = [result.prefers_original for result in results if result.prefers_original is not None]
    return [_share_of(f"original preferred to the bug{of}", told, bar)] if told else []


def _random_line(results: Sequence[Result]) -> list[Figure]:
    """What a random choice among the lines of the function would reach."""
    import numpy as np

    n_lines = [sum(bool(line.strip()) for line in result.case.young.function.text.split("\n")) for result in results]
    found = [
        mean(f"right line among the top {k}, random line", np.array([100.0 * min(k, n) / n for n in n_lines]))
        for k in _TOP
    ]
    return found + [
        mean(f"right line at {budget:.0%} alarms, random line", np.array([100.0 * budget / n for n in n_lines]))
        for budget in BUDGETS
    ]


def _ruff(results: Sequence[Result]) -> list[Figure]:
    asked = [(result, result.ruff_lines) for result in results if result.ruff_lines is not None]
    if not asked:
        return []
    return [
        _share_of("flagged, ruff's bug rules", [bool(lines) for _, lines in asked]),
        _share_of(
            "right line, ruff's bug rules",
            [any(line in result.case.bug.lines for line in lines) for result, lines in asked],
        ),
    ]


def _auroc(name: str, buggy: Numbers, unchanged: Numbers, bar: float | None) -> Figure:
    """How often a function with a bug is suspected more than an unchanged one; of equals half counts."""
    wins = (buggy[:, None] > unchanged[None, :]) + 0.5 * (buggy[:, None] == unchanged[None, :])

    def statistic(counts: Numbers) -> Numbers:
        found: Numbers = ((counts @ wins) * counts).sum(axis=1) / counts.sum(axis=1) ** 2
        return found

    return figure(name, len(buggy), statistic, "", "higher", bar)
