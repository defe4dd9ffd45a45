"""The alarm rate by the product's own rule: thresholds as `--calibrate` fits them, and what a review then shows.

Both are the product's code. The thresholds are known when all unchanged functions are measured, so the cases are looked
at once more, which costs the engine little: the same question is put to it once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsassist.bench.review.alarms import BUDGETS
from dsassist.bench.review.cases import ALONE, WHOLE, Case, Result, Suspect, Version, groups_of, strongest_of
from dsassist.bench.review.sources import Scorer
from dsassist.review.calibration.calibration import reached_by
from dsassist.review.calibration.fit import Reached, allowed_alarms, fit
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding
from dsassist.review.likelihood.tasks import tasks_of
from dsassist.review.likelihood.wording import finding_of
from dsassist.review.suspects import suspects_of
from dsassist.review.unfinished.tree import Tree
from dsassist.review.usual import unusual
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import ModelUnsupported, RequestRefused

__all__ = ["RULED", "AskedOnce", "ByRule", "reached_in", "ruled", "too_few"]

RULED = (WHOLE, ALONE)
"""The arms that the rule is for: those that are the reviewer."""


class AskedOnce:
    """An engine's scores, of which the same question, refused or not, is asked once."""

    def __init__(self, engine: Scorer) -> None:
        self._engine = engine
        self._known: dict[ScoreRequest, tuple[EditScore, ...] | RequestRefused | ModelUnsupported] = {}

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """The engine's; raises what it raises."""
        if request not in self._known:
            try:
                self._known[request] = self._engine.score(request, timeout_s)
            except (RequestRefused, ModelUnsupported) as error:
                self._known[request] = error
        known = self._known[request]
        if isinstance(known, Exception):
            raise known
        return known


@dataclass(frozen=True)
class ByRule:
    """Of each case at an alarm rate: the thresholds, is the strongest finding on the bug's line, is there an alarm?"""

    thresholds: Sequence[Thresholds]
    right: Sequence[bool]
    alarms: Sequence[bool]


def reached_in(engine: Scorer, case: Case) -> Reached | None:
    """What a calibration learns from the unchanged function; None where it has nothing to ask about."""
    task = case.unchanged.task
    return reached_by(task, engine.score) if task.candidates else None


def ruled(
    engine: Scorer,
    results: Sequence[Result],
    fitted: Sequence[Result],
    before_nats: float,
    trees: Mapping[str, Tree],
) -> dict[tuple[str, float], ByRule]:
    """For each arm and rate what the rule makes of the results.

    Thresholds are fitted on `fitted`, or where that is empty for each group of the results on the others;
    `before_nats` holds where these are too few. `trees` has the files of each repository, by its name.
    """
    thresholds = {budget: _thresholds(results, fitted, before_nats, budget) for budget in BUDGETS}
    found = {}
    for arm in RULED:
        if not all(arm in result.unchanged for result in results):
            continue
        for budget, needed in thresholds.items():
            right, alarms = [], []
            for result, its in zip(results, needed, strict=True):
                case, tree = result.case, trees[result.case.young.repository]
                strongest = strongest_of(_shown(engine, _changed(arm, case.buggy), its, tree))
                right.append(strongest is not None and strongest.is_at(case.bug.lines))
                alarms.append(bool(_shown(engine, _changed(arm, case.unchanged), its, tree)))
            found[arm, budget] = ByRule(needed, right, alarms)
    return found


def too_few(results: Sequence[Result], fitted: Sequence[Result]) -> list[str]:
    """The rates at which there are so few functions to fit on that the rule lets none of them pass, a sentence each."""
    fewest = min(len(functions) for functions in _to_fit_on(results, fitted).values())
    return [
        f"what the rule would allow at {budget:.0%} alarms: of {fewest} functions to fit on none may pass the "
        "threshold, so that the loudest one holds it up"
        for budget in BUDGETS
        if allowed_alarms(fewest, budget) < 1
    ]


def _thresholds(
    results: Sequence[Result], fitted: Sequence[Result], before_nats: float, budget: float
) -> list[Thresholds]:
    known = {}
    for group, functions in _to_fit_on(results, fitted).items():
        learnt = fit(functions, before_nats, budget)
        known[group] = Thresholds(learnt.threshold_nats, learnt.factors)
    return [known[group] for group in groups_of(results)]


def _to_fit_on(results: Sequence[Result], fitted: Sequence[Result]) -> dict[str, list[Reached]]:
    """For each group of the results what was reached in `fitted`, or where that is empty in the other groups."""
    groups = groups_of(results)
    found = {}
    for group in set(groups):
        others = fitted or [result for result, its in zip(results, groups, strict=True) if its != group]
        found[group] = [result.reached for result in others if result.reached is not None]
    return found


def _changed(arm: str, version: Version) -> ChangedFile:
    return version.changed(version.function_lines if arm == WHOLE else version.bug_lines)


def _shown(engine: Scorer, file: ChangedFile, thresholds: Thresholds, tree: Tree) -> list[Suspect]:
    """What a review shows: also without what another file of the repository does in the same words."""
    found: dict[int, tuple[Finding, Suspect]] = {}
    for task in tasks_of(file):
        if isinstance(task, Skipped):
            continue
        n_lines = len({candidate.line for candidate in task.candidates})
        for candidate, nats in suspects_of(task, engine.score, thresholds):
            strength = thresholds.strength_of(candidate.family, nats, n_lines)
            finding = finding_of(task, candidate, nats, "warning")
            found[id(finding)] = finding, Suspect(candidate.line, candidate.end_line, strength)
    return [found[id(finding)][1] for finding in unusual([finding for finding, _ in found.values()], [file], tree)]
