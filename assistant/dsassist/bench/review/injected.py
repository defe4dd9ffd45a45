"""The bench of injected bugs as a whole: the cases, the arms that look at each of them, and the report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, TextIO

from dsassist.bench.details import details_file
from dsassist.bench.history import History, names_of
from dsassist.bench.interruptible import sigterm_as_ctrl_c
from dsassist.bench.kept_engine import kept_in
from dsassist.bench.private_engine import private_engine
from dsassist.bench.report import Report
from dsassist.bench.review.alarms import BUDGETS
from dsassist.bench.review.cases import (
    Arm,
    Case,
    Result,
    arms_of,
    cases_of,
    has_repair,
    prefers_original,
    ruff_lines,
)
from dsassist.bench.review.injected_figures import Bars, bars_of, injected_figures
from dsassist.bench.review.progress import Progress
from dsassist.bench.review.prose import Chatter
from dsassist.bench.review.ruff import RULES, find_ruff
from dsassist.bench.review.rule import AskedOnce, ByRule, reached_in, ruled, too_few
from dsassist.bench.review.sources import Alternatives, enumerated, further, measured
from dsassist.bench.review.young import young_functions
from dsassist.git import Treeish, run_git
from dsassist.options import ReviewConfig
from dsassist.review.calibration.current import shipped_thresholds
from dsassist.review.unfinished.tree import GitTree, Tree
from dsassist_runtime.api import Engine
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models.store import resolve

__all__ = ["InjectedBench", "measure_injected", "run_injected_bench"]

_LEAST_FOR_BARS = 300  # functions: with fewer the figures are too uncertain to be held to anything


@dataclass(frozen=True)
class InjectedBench:
    """What to measure. Thresholds are fitted on `fit`, or where that is empty on the other ones of `repositories`.

    `further`: the families of alternatives that users are not told of yet take the place of those they are.
    """

    repositories: tuple[Path, ...]
    fit: tuple[Path, ...] = ()
    model: str = "builtin"
    since: date = date(2025, 1, 1)
    n_functions: int = 300
    seed: int = 1
    baselines: bool = True
    details: Path | None = None
    further: bool = False
    line_alone: bool = True
    answers: Path | None = None

    @property
    def alternatives(self) -> Alternatives:
        """What the bugs are drawn from, and what the reviewer asks about."""
        return further if self.further else measured


def run_injected_bench(bench: InjectedBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure with an engine of its own. Ctrl-C gives the report of what is there.

    `machine` is `report.machine()` from before. `NotDone` where there is no function to measure with.
    """
    model = resolve(bench.model)
    with details_file(bench.details) as details, sigterm_as_ctrl_c(), private_engine(model.path) as alone:
        engine = kept_in(bench.answers, alone, model)
        return measure_injected(bench, engine, model.path.name, machine, details, progress)


def measure_injected(
    bench: InjectedBench,
    engine: Engine,
    model_name: str,
    machine: dict[str, Any],
    details: TextIO | None,
    progress: Callable[[str], None],
) -> Report:
    """Measure with an engine that is given."""
    progress("what is in the histories")
    roots = (*bench.repositories, *bench.fit)
    names = names_of(roots)
    reported = _cases(bench, bench.repositories, names[: len(bench.repositories)])
    fit = _cases(bench, bench.fit, names[len(bench.repositories) :])
    if not reported:
        raise NotDone(
            f"there is no Python function that is younger than {bench.since}; name an earlier day with --since"
        )
    left_out: list[str] = []
    if len(reported) < bench.n_functions:
        left_out.append(f"{bench.n_functions - len(reported)} of {bench.n_functions} functions: there are no more")
    trees = {name: _head_of(root) for root, name in zip(roots, names, strict=True)}
    run = _Run(bench, engine, details, left_out)
    try:
        run.measure(fit, reported, progress)
    except KeyboardInterrupt:
        if not run.results:
            raise
        left_out.append(f"{len(reported) - len(run.results)} of {len(reported)} functions: interrupted")
    bars = bars_of(model_name) if len(run.results) >= _LEAST_FOR_BARS and not bench.further else Bars()
    by_rule = run.by_rule(model_name, trees)
    figures, not_told = injected_figures(run.results, run.fit_results, list(run.arms), by_rule, bars)
    settings = _settings(bench, model_name, names, run)
    return Report("review", settings, figures, [*left_out, *not_told], machine)


def _head_of(root: Path) -> Tree:
    return GitTree(root, Treeish("object", run_git(["rev-parse", "HEAD^{tree}"], root).decode("ascii").strip()))


def _cases(bench: InjectedBench, roots: Sequence[Path], names: Sequence[str]) -> list[Case]:
    veins = [
        young_functions(History(root), name, bench.since, Random(f"{bench.seed}:{name}"))  # noqa: S311
        for root, name in zip(roots, names, strict=True)
    ]
    return cases_of(veins, bench.n_functions, bench.seed, bench.alternatives)


class _Run:
    """The results so far."""

    def __init__(self, bench: InjectedBench, engine: Engine, details: TextIO | None, left_out: list[str]) -> None:
        self._asked_once = AskedOnce(engine)
        self._further = bench.further
        self._alternatives = bench.alternatives
        self._details = details
        self._left_out = left_out
        self._ruff = find_ruff() if bench.baselines else None
        chats = isinstance(engine, Chatter) and engine.facts().has_chat_template
        self.arms: dict[str, Arm] = arms_of(
            engine,
            enumerated(self._asked_once, bench.alternatives),
            line_alone=bench.line_alone,
            baselines=bench.baselines,
            chats=chats,
        )
        self.results: list[Result] = []
        self.fit_results: list[Result] = []
        if not bench.line_alone:
            left_out.append("functions of which only the bug's line changed: --whole-only")
        if not bench.baselines:
            left_out.append("what the reviewer is compared with: --no-baselines")
            return
        if not chats:
            left_out.append("asking in prose: the model has no chat template")
        if self._ruff is None:
            left_out.append("ruff's bug rules: ruff is not installed")

    def measure(self, fit: Sequence[Case], reported: Sequence[Case], progress: Callable[[str], None]) -> None:
        """Look at all cases; of those that thresholds are fitted on only at the unchanged versions."""
        ids_of_fit = {id(case) for case in fit}
        told = Progress(progress, "function")
        cases = [*fit, *reported]
        for case, result in told.each(cases, _name, lambda case: self._result(case, is_fit=id(case) in ids_of_fit)):
            is_fit = id(case) in ids_of_fit
            if result is not None:
                (self.fit_results if is_fit else self.results).append(result)
            self._write(case, result or Result(case, error=told.last_error), is_fit=is_fit)
        if told.n_failed:
            self._left_out.append(f"{told.n_failed} of {len(cases)} functions: {told.last_error}")
        if not self.results:
            raise NotDone(f"no function could be measured: {told.last_error}")

    def by_rule(self, model_name: str, trees: Mapping[str, Tree]) -> dict[tuple[str, float], ByRule]:
        """What is shown by the rule of `--calibrate`; nothing of families that it does not know."""
        if self._further:
            return {}
        before = shipped_thresholds(model_name, ReviewConfig().threshold_nats)
        self._left_out += too_few(self.results, self.fit_results)
        try:
            return ruled(self._asked_once, self.results, self.fit_results, before.threshold_nats, trees)
        except NotDone as error:  # a question more may come up after the engine has gone
            self._left_out.append(f"what is shown by the rule of --calibrate: {error}")
            return {}

    def _result(self, case: Case, *, is_fit: bool) -> Result:
        result = Result(case)
        for name, look in self.arms.items():
            result.unchanged[name] = look(case.unchanged)
            if not is_fit:
                result.buggy[name] = look(case.buggy)
        if not self._further:
            result.reached = reached_in(self._asked_once, case)
        if not is_fit:
            result.prefers_original = prefers_original(self._asked_once, case, self._alternatives)
            result.has_repair = has_repair(case, self._alternatives)
            if self._ruff is not None:
                result.ruff_lines = ruff_lines(self._ruff, case)
        return result

    def _write(self, case: Case, result: Result, *, is_fit: bool) -> None:
        if self._details is None:
            return
        bug = case.bug
        line = {
            "repository": case.young.repository,
            "path": case.young.path,
            "function": case.young.function.name,
            "text": case.young.function.text,
            "fit": is_fit,
            "family": bug.family,
            "edit": asdict(bug.edit),
            "written": bug.repair.replacement,
            "lines": sorted(bug.lines),
            "prefers_original": result.prefers_original,
            "has_repair": result.has_repair,
            "reached": result.reached,
            "buggy": result.buggy,
            "unchanged": result.unchanged,
            "ruff_lines": result.ruff_lines,
            "error": result.error,
        }
        print(json.dumps(line), file=self._details, flush=True)


def _name(case: Case) -> str:
    return f"{case.young.repository}, {case.young.path}: {case.young.function.name}"


def _settings(bench: InjectedBench, model_name: str, names: Sequence[str], run: _Run) -> dict[str, Any]:
    reported, fit = names[: len(bench.repositories)], names[len(bench.repositories) :]
    return {
        "what": "one injected bug a function, and the unchanged function beside it",
        "model": model_name,
        "repositories": ", ".join(reported),
        "thresholds from": ", ".join(fit) if fit else _where_fitted(run),
        "functions": len(run.results),
        "families": "those that users are not told of yet" if bench.further else "those that users are told of",
        "younger than": bench.since.isoformat(),
        "seed": bench.seed,
        "alarm rates": " and ".join(f"{budget:.0%}" for budget in BUDGETS) + " of unchanged functions",
        "thresholds": "the plain quantile" if bench.further else "by the rule of --calibrate, or the plain quantile",
        "ruff": f"--select {RULES}",
        "least and most": "the 95 % interval, bootstrapped over functions",
    }


def _where_fitted(run: _Run) -> str:
    many = len({result.case.young.repository for result in run.results}) > 1
    return "the other repositories, for each in turn" if many else "the other half of the repository's files"
