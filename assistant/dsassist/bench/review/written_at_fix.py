"""What the model itself would write at real fixes, and what such alternatives gain where nothing is wrong: their nulls.

Nulls are fitted as thresholds are, on the fixed versions of the other repositories. Nothing is asked twice for it: all
is weighed without a null, and whichever is then taken off.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dsassist.bench.report import Figure
from dsassist.bench.review.fix_figures import Verdict, verdict_of
from dsassist.bench.review.fix_mining import Fix
from dsassist.bench.review.sources import Scored
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.source import Source
from dsassist.review.written import NULLS, Null, Weighed, Written, fitted_nulls, scored_of
from dsassist.review.written.change import CHANGES, Change
from dsassist_runtime.api import Engine

__all__ = ["WrittenAtFix"]

Nulls = Mapping[Change, Null]

_NO_NULLS: Nulls = {change: Null(0.0, 0.0) for change in CHANGES}


class WrittenAtFix:
    """A source of findings, which takes off the nulls that users have; it remembers what it weighed."""

    def __init__(self, engine: Engine) -> None:
        self._written = Written(engine, nulls=_NO_NULLS)
        self._weighed: dict[Source, list[Weighed]] = {}

    def __call__(self, fix: Fix, version: Source) -> list[Scored]:
        """What is found when the fix's line reads as in `version`, which is `fix.before` or `fix.after`."""
        tasks = [task for task in tasks_of(fix.version(version)) if isinstance(task, Task)]
        self._weighed[version] = [self._written.weigh(task) for task in tasks]
        return self._scored(version, NULLS)

    def told(self, fix: Fix) -> dict[str, list[dict[str, Any]]]:
        """What all alternatives at a fix gain, by version, as it stands among the details."""
        return {
            name: [
                {"family": each.change, "behind": each.behind_nats, "between": each.between_nats}
                for weighed in self._weighed.get(version, ())
                for each in weighed.judged
            ]
            for name, version in (("before", fix.before), ("after", fix.after))
        }

    def by_nulls_of_others(self, fixes: Sequence[Fix]) -> tuple[list[Verdict], list[Figure]]:
        """The verdicts on fixes that were looked at, and the nulls by which: of each class in each repository."""
        nulls: dict[str, Nulls] = {}
        for repository in dict.fromkeys(fix.repository for fix in fixes):
            nulls[repository] = self._nulls(fix for fix in fixes if fix.repository != repository)
        verdicts = [
            verdict_of(fix, *(self._scored(version, nulls[fix.repository]) for version in (fix.before, fix.after)))
            for fix in fixes
        ]
        return verdicts, [figure for change in CHANGES for figure in _figures(change, nulls.values())]

    def _nulls(self, fixes: Iterable[Fix]) -> Nulls:
        return fitted_nulls([each for weighed in self._weighed[fix.after] for each in weighed.judged] for fix in fixes)

    def _scored(self, version: Source, nulls: Nulls) -> list[Scored]:
        return [Scored(*found) for weighed in self._weighed[version] for found in scored_of(weighed, nulls, "warning")]


def _figures(change: Change, nulls: Iterable[Nulls]) -> list[Figure]:
    of_change = [each[change] for each in nulls]
    return [
        Figure(f"null of {change}, behind", tuple(each.behind_nats for each in of_change), "nats"),
        Figure(f"null of {change}, between", tuple(each.between_nats for each in of_change), "nats"),
    ]
