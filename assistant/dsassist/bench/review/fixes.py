"""The bench of real fixes as a whole: each is reviewed as it was before and as it was after, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, TextIO

from dsassist.bench.details import details_file
from dsassist.bench.history import names_of
from dsassist.bench.interruptible import sigterm_as_ctrl_c
from dsassist.bench.kept_engine import kept_in
from dsassist.bench.private_engine import private_engine
from dsassist.bench.report import Figure, Report
from dsassist.bench.review.fix_figures import FixResult, Verdict, fix_figures
from dsassist.bench.review.fix_mining import Fix, fixes_in
from dsassist.bench.review.fix_sources import TITLES, FixSource, SourceName, fix_sources
from dsassist.bench.review.held_back_history import Repository
from dsassist.bench.review.offered import offers
from dsassist.bench.review.progress import Progress
from dsassist.bench.review.sources import Scored, Scorer, scores_around
from dsassist.bench.review.written_at_fix import WrittenAtFix
from dsassist.common_length import common_length
from dsassist.options import ReviewConfig
from dsassist.review.calibration.current import shipped_thresholds
from dsassist.review.likelihood.evidence import evidence_nats
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist_runtime.api import Edit, Engine
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models.store import resolve

__all__ = ["FixesBench", "measure_fixes", "run_fixes_bench"]


@dataclass(frozen=True)
class FixesBench:
    """What to measure: all one-line fixes of the repositories since a day, or so many of them drawn."""

    repositories: tuple[Path, ...]
    model: str = "builtin"
    since: date = date(2025, 1, 1)
    most: int | None = None
    seed: int = 1
    details: Path | None = None
    sources: tuple[SourceName, ...] = tuple(TITLES)
    answers: Path | None = None

    def named_repositories(self) -> dict[str, Repository]:
        """The repositories by the names that fixes carry."""
        names = names_of(self.repositories)
        return {name: Repository(root, name) for root, name in zip(self.repositories, names, strict=True)}


def run_fixes_bench(bench: FixesBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure with an engine of its own. Ctrl-C gives the report of what is there.

    `machine` is `report.machine()` from before. `NotDone` where no fix is found.
    """
    model = resolve(bench.model)
    with details_file(bench.details) as details, sigterm_as_ctrl_c(), private_engine(model.path) as alone:
        engine = kept_in(bench.answers, alone, model)
        return measure_fixes(bench, engine, model.path.name, machine, details, progress)


def measure_fixes(
    bench: FixesBench,
    engine: Engine,
    model_name: str,
    machine: dict[str, Any],
    details: TextIO | None,
    progress: Callable[[str], None],
) -> Report:
    """Measure with an engine that is given."""
    progress("what is in the histories")
    repositories = bench.named_repositories()
    fixes = _fixes(bench, repositories)
    if not fixes:
        raise NotDone(f"no commit since {bench.since} fixes one line of a Python function; name an earlier day")
    sources = fix_sources(bench.sources, engine, repositories)
    written = next((source for source in sources.values() if isinstance(source, WrittenAtFix)), None)
    told = Progress(progress, "fix")
    results: list[FixResult] = []
    left_out = [f"the source {title}: not among --sources" for title in TITLES.values() if title not in sources]
    try:
        for fix, result in told.each(fixes, _name, lambda fix: _result(engine, sources, fix)):
            if result is not None:
                results.append(result)
            _write(details, result or FixResult(fix, error=told.last_error), written)
    except KeyboardInterrupt:
        if not results:
            raise
        left_out.append(f"{len(fixes) - len(results) - told.n_failed} of {len(fixes)} fixes: interrupted")
    if told.n_failed:
        left_out.append(f"{told.n_failed} of {len(fixes)} fixes: {told.last_error}")
    if not results:
        raise NotDone(f"no fix could be reviewed: {told.last_error}")
    if len({result.fix.repository for result in results}) < 2:
        left_out.append("thresholds of other repositories: there is only one, so nothing is found at an alarm rate")
    threshold_nats = shipped_thresholds(model_name, ReviewConfig().threshold_nats).threshold_nats
    at_rates: dict[str, list[Verdict]] = {}
    nulls: list[Figure] = []
    if written is not None:
        at_rates[TITLES["written"]], nulls = written.by_nulls_of_others([result.fix for result in results])
    figures = fix_figures(results, list(sources), threshold_nats, at_rates)
    return Report("review", _settings(bench, model_name, results), [*figures, *nulls], left_out, machine)


def _fixes(bench: FixesBench, repositories: Mapping[str, Repository]) -> list[Fix]:
    """In the order of the draw, so that what an interrupted run has done is a fair sample, too."""
    found = [fix for name, each in repositories.items() for fix in fixes_in(each.history, name, bench.since)]
    most = len(found) if bench.most is None else min(bench.most, len(found))
    return Random(f"{bench.seed}:fixes").sample(found, most)  # noqa: S311  (a sample, not a secret)


def _name(fix: Fix) -> str:
    return f"{fix.repository}, {fix.commit[:10]}: {fix.path}:{fix.line}"


def _result(engine: Scorer, sources: Mapping[str, FixSource], fix: Fix) -> FixResult:
    return FixResult(
        fix,
        {name: find(fix, fix.before) for name, find in sources.items()},
        {name: find(fix, fix.after) for name, find in sources.items()},
        _prefers_fix(engine, fix),
    )


def _prefers_fix(engine: Scorer, fix: Fix) -> bool | None:
    """Whether the model finds the fixed line likelier, by the measure of the likelihood reviewer."""
    task = next((task for task in tasks_of(fix.version(fix.before)) if isinstance(task, Task)), None)
    if task is None:
        return None
    written, fixed = fix.texts
    head = common_length(written, fixed)
    tail = common_length(written[head:][::-1], fixed[head:][::-1])
    place = fix.before.line_start(fix.line) + head - task.function.start
    end = place + len(written) - head - tail
    edit = Edit(place, end, fixed[head : len(fixed) - tail])
    scores = list(scores_around(engine, task.context, task.function.text, (edit,)))
    return evidence_nats(scores[0][1]) > 0 if scores else None


def _write(details: TextIO | None, result: FixResult, written: WrittenAtFix | None) -> None:
    if details is None:
        return
    fix = result.fix
    line = {
        "repository": fix.repository,
        "commit": fix.commit,
        "subject": fix.subject,
        "path": fix.path,
        "line": fix.line,
        "function": fix.function,
        "class": fix.kind,
        "written": fix.texts[0],
        "fixed": fix.texts[1],
        "prefers_fix": result.prefers_fix,
        "before": {name: [_told(fix, each) for each in found] for name, found in result.before.items()},
        "after": {name: [_told(fix, each) for each in found] for name, found in result.after.items()},
        "weighed": {} if written is None else written.told(fix),
        "error": result.error,
    }
    print(json.dumps(line), file=details, flush=True)


def _told(fix: Fix, scored: Scored) -> dict[str, Any]:
    finding = scored.finding
    return {
        "line": finding.line,
        "family": finding.family,
        "original": finding.original,
        "alternative": finding.alternative,
        "strength": scored.strength,
        "nats": finding.evidence_nats,
        "is_the_fix": offers(finding, fix.before, fix.after, fix.line),
    }


def _settings(bench: FixesBench, model_name: str, results: Sequence[FixResult]) -> dict[str, Any]:
    return {
        "what": "one-line fixes, reviewed before and after as if the line had just been written",
        "model": model_name,
        "repositories": ", ".join(names_of(bench.repositories)),
        "fixes": len(results),
        "sources": ", ".join(TITLES[name] for name in TITLES if name in bench.sources),
        "commits since": bench.since.isoformat(),
        "thresholds and nulls from": "the fixed versions of the other repositories, for each in turn",
        "least and most": "the 95 % interval, bootstrapped over fixes",
    }
