"""What one run of the hook told, and whether that is true: of what was cut, of the findings, to the byte."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from dsassist_runtime.errors import NotDone

__all__ = ["CUT", "HookRun", "accounts_for_all", "has_findings_of", "n_differing", "read_run"]

CUT = "deadline"
"""The reason that a report gives for what the deadline cut."""

_SECONDS = re.compile(rb'"seconds": [0-9.]+')


@dataclass(frozen=True)
class HookRun:
    """One run. `report` is the JSON report but for its time, `functions` how many it says that it reviewed.

    `cut` are functions as a report names them, `path: Class.method`, or whole files.
    """

    seconds: float
    report: bytes
    functions: int
    cut: tuple[str, ...]
    findings: tuple[dict[str, Any], ...]


def read_run(report: bytes, seconds: float) -> HookRun:
    """The run that wrote a report; `NotDone` where something else than the deadline kept it from reviewing all."""
    told = json.loads(report)
    if told["failure"] is not None:
        raise NotDone(f"the review of the bench ended early: {told['failure']}")
    for each in told["not_reviewed"]:
        if each["reason"] != CUT:
            raise NotDone(f"the bench's {each['what']} was not reviewed: {each['reason']}")
    cut = tuple(each["what"] for each in told["not_reviewed"])
    return HookRun(seconds, _SECONDS.sub(b"", report), told["reviewed"]["functions"], cut, tuple(told["findings"]))


def accounts_for_all(run: HookRun, functions: Sequence[str]) -> bool:
    """Whether each of the change's functions was either counted as reviewed or listed, once."""
    listed = [function for each in run.cut for function in _named_by(each, functions)]
    is_known = all(_named_by(each, functions) for each in run.cut)
    return is_known and len(set(listed)) == len(listed) and run.functions + len(listed) == len(functions)


def has_findings_of(run: HookRun, whole: HookRun, functions: Sequence[str]) -> bool:
    """Whether it found what the whole review found, but for what a model says of functions that were cut."""
    cut = {function for each in run.cut for function in _named_by(each, functions)}
    expected = [
        each
        for each in whole.findings
        if each["evidence_nats"] is None or f"{each['path']}: {each['function']}" not in cut
    ]
    return list(run.findings) == expected


def n_differing(runs: Iterable[HookRun]) -> int:
    """How many different reports there are besides one for each coverage."""
    of_coverage: dict[tuple[str, ...], set[bytes]] = defaultdict(set)
    for run in runs:
        of_coverage[run.cut].add(run.report)
    return sum(len(reports) - 1 for reports in of_coverage.values())


def _named_by(listed: str, functions: Sequence[str]) -> list[str]:
    """The functions that an entry of a report's list stands for: one, or all of a file."""
    return [each for each in functions if each == listed or each.partition(": ")[0] == listed]
