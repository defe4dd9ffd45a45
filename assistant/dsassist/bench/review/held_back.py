"""Does the review see a change that was left unfinished, and does it keep quiet where one was finished?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from random import Random
from typing import Any, TextIO

from dsassist.bench.details import details_file
from dsassist.bench.history import names_of
from dsassist.bench.intervals import mean
from dsassist.bench.report import Figure, Report
from dsassist.bench.review.held_back_cases import KINDS, HeldBack, HeldBackKind, held_back
from dsassist.bench.review.held_back_history import Repository, Sides, changed_file, gone_file
from dsassist.bench.review.progress import Progress
from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.passes.subject import Subject
from dsassist.review.passes.syntax_errors import find_syntax_errors
from dsassist.review.unfinished import Tree, find_unfinished
from dsassist_runtime.errors import NotDone

__all__ = ["HeldBackBench", "run_held_back_bench"]

_ALARMS_BAR = 1.0  # percent of whole commits
_GROUPS: tuple[tuple[str, tuple[HeldBackKind, ...], float], ...] = (
    ("names and signatures", ("name", "signature"), 60.0),
    ("twins and copied blocks", ("twin", "copy"), 30.0),
)


@dataclass(frozen=True)
class HeldBackBench:
    """What to measure: of each repository at most `most` commits since a day, drawn by the seed."""

    repositories: tuple[Path, ...]
    since: date
    most: int | None = None
    seed: int = 1
    details: Path | None = None


@dataclass
class _Results:
    """Of each whole commit, whether there was an alarm; of each held-back place by kind, whether it was found."""

    alarms: list[bool] = field(default_factory=list)
    found: dict[HeldBackKind, list[bool]] = field(default_factory=lambda: {kind: [] for kind in KINDS})


@dataclass(frozen=True)
class _Commit:
    repository: Repository
    name: str


def run_held_back_bench(bench: HeldBackBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure; no model is asked. Ctrl-C gives the report of what is there; `NotDone` where there is nothing."""
    commits = list(_commits(bench))
    results = _Results()
    left_out: list[str] = []
    told = Progress(progress, "commit")
    with details_file(bench.details) as details:
        try:
            for _ in told.each(commits, _shown, lambda commit: _measure(commit, bench.seed, results, details)):
                pass
        except KeyboardInterrupt:
            left_out.append("the commits that were not reached before Ctrl-C")
    if told.n_failed:
        left_out.append(f"{told.n_failed} commits that git could not show: {told.last_error}")
    if not results.alarms:
        raise NotDone(f"no commit since {bench.since} changes a source file; name an earlier day with --since")
    settings = {
        "repositories": ", ".join(names_of(bench.repositories)),
        "since": bench.since.isoformat(),
        "whole commits": len(results.alarms),
        "held back": sum(map(len, results.found.values())),
        "seed": bench.seed,
    }
    return Report("review --held-back", settings, _figures(results, left_out), left_out, machine)


def _commits(bench: HeldBackBench) -> Iterator[_Commit]:
    for root, name in zip(bench.repositories, names_of(bench.repositories), strict=True):
        repository = Repository(root, name)
        commits = repository.history.commits_since(bench.since)
        if bench.most is not None and len(commits) > bench.most:
            commits = Random(f"{bench.seed}:{name}").sample(commits, bench.most)  # noqa: S311  (a sample, not a secret)
        yield from (_Commit(repository, commit) for commit in commits)


def _shown(commit: _Commit) -> str:
    return f"{commit.repository.name}, {commit.name[:10]}"


def _measure(commit: _Commit, seed: int, results: _Results, details: TextIO | None) -> None:
    sides = commit.repository.sides(commit.name)
    if not any(each.old is not None for each in sides):
        return
    tree = commit.repository.tree(commit.name)
    gone = [gone_file(path, text) for path, text in commit.repository.gone(commit.name).items()]
    alarms = _findings(sides, gone, tree)
    results.alarms.append(bool(alarms))
    _write(details, commit, "whole", alarms)
    for case in held_back(sides, Random(f"{seed}:{commit.name}")):  # noqa: S311  (a choice, not a secret)
        findings = _findings(case.sides, gone, tree)
        is_found = any(_names(finding, case) for finding in findings)
        results.found[case.kind].append(is_found)
        _write(details, commit, case.kind, findings, case, is_found)


def _findings(sides: Sequence[Sides], gone: Sequence[ChangedFile], tree: Tree) -> list[Finding]:
    """What a review says of it without a model: a keyword that is given twice is a syntax error, for one."""
    files = [changed_file(each) for each in sides]
    errors = [error for file in files for error in find_syntax_errors(Subject(file, file, []))]
    return [*find_unfinished([*files, *gone], tree), *errors]


def _names(finding: Finding, case: HeldBack) -> bool:
    """Does a finding name the place that was put back, as its own or as a related one?"""
    places = [(finding.path, finding.line), *((each.path, each.line) for each in finding.related)]
    return any(path == case.path and line in case.lines for path, line in places)


def _figures(results: _Results, left_out: list[str]) -> list[Figure]:
    import numpy as np

    def share(name: str, values: Sequence[bool], better: str, bar: float | None) -> Figure:
        numbers = np.array([100.0 * each for each in values])
        return mean(name, numbers, better="lower" if better == "lower" else "higher", bar=bar)

    figures = [share("whole commits with an alarm", results.alarms, "lower", _ALARMS_BAR)]
    for name, kinds, bar in _GROUPS:
        values = [each for kind in kinds for each in results.found[kind]]
        if values:
            figures.append(share(f"found, {name} ({len(values)})", values, "higher", bar))
        else:
            left_out.append(f"{name}: no commit changes such a thing in several places")
        figures += [
            share(f"- {kind} ({len(results.found[kind])})", results.found[kind], "higher", None)
            for kind in kinds
            if results.found[kind]
        ]
    return figures


def _write(
    details: TextIO | None,
    commit: _Commit,
    kind: str,
    findings: Sequence[Finding],
    case: HeldBack | None = None,
    is_found: bool = False,
) -> None:
    if details is None:
        return
    told: dict[str, Any] = {"repository": commit.repository.name, "commit": commit.name, "kind": kind}
    if case is not None:
        told |= {"path": case.path, "lines": sorted(case.lines), "what": case.what, "found": is_found}
    told["findings"] = [
        {"code": each.code, "path": each.path, "line": each.line, "message": each.message} for each in findings
    ]
    details.write(json.dumps(told) + "\n")
    details.flush()
