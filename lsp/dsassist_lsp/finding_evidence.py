"""What the model was asked in a review and what it answered, so that a person can be told why something was found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dsassist_runtime.api import (
    EditScore,
    Engine,
    InfillRequest,
    ModelFacts,
    Priority,
    ScoreRequest,
    TextStream,
)

if TYPE_CHECKING:
    from dsassist.review.dismissals import Dismissals
    from dsassist.review.findings import Finding
    from dsassist.review.source import Source

__all__ = ["Answered", "Reading", "WatchedScores", "readings_of", "why"]

Answered = tuple[ScoreRequest, tuple[EditScore, ...]]
"""What was asked, and the answer."""

_MOST_SHOWN = 8
_LONGEST_SHOWN = 60
_MOST_NATS = 50.0  # of which the exponential is a number still


@dataclass(frozen=True)
class Reading:
    """A text that could stand at a place, and how much likelier than what is written, in nats."""

    text: str
    nats: float


class WatchedScores:
    """An engine that is asked at a priority; its answers are kept in `answered`.

    Implements `Engine`. `check` is called before each question; what it raises ends the review.
    """

    def __init__(self, engine: Engine, priority: Priority, answered: list[Answered], check: Callable[[], None]) -> None:
        self._engine = engine
        self._priority = priority
        self._answered = answered
        self._check = check

    def facts(self) -> ModelFacts:
        """The engine's."""
        return self._engine.facts()

    def infill(self, request: InfillRequest) -> TextStream:
        """The engine's."""
        return self._engine.infill(request)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """The engine's, once whoever goes before has theirs."""
        self._check()
        scores = self._engine.score(replace(request, priority=self._priority), timeout_s)
        self._answered.append((request, scores))
        return scores

    def close(self) -> None:
        """Nothing: the engine is the editor's."""


def readings_of(finding: Finding, source: Source, answered: Sequence[Answered]) -> list[Reading]:
    """The alternatives to what stands at a finding, the likeliest first; `source` is the text that was asked about."""
    if finding.evidence_nats is None:
        return []
    start = source.line_start(finding.line) + finding.column - 1
    end = source.line_start(finding.end_line) + finding.end_column - 1
    found: dict[str, float] = {}
    for text, nats in _alternatives(start, end, source.text, answered):
        found[text] = max(nats, found.get(text, nats))
    return [Reading(text, nats) for text, nats in sorted(found.items(), key=lambda each: (-each[1], each[0]))]


def _alternatives(start: int, end: int, text: str, answered: Sequence[Answered]) -> Iterator[tuple[str, float]]:
    from dsassist.review.likelihood.evidence import evidence_nats

    for request, scores in answered:
        at = text.find(request.text)
        for score in scores if at >= 0 else ():
            first, last = at + score.edit.start, at + score.edit.end
            if start <= first and last <= end:
                yield text[start:first] + score.edit.replacement + text[last:end], round(evidence_nats(score), 1)


def why(finding: Finding, readings: Sequence[Reading], dismissals: Dismissals) -> str:
    """The evidence for a finding in Markdown, for a person."""
    from dsassist.review.rules import rule_of

    parts = [f"# {finding.code} at line {finding.line}", f"{finding.message}."]
    parts.append("\n".join(f"    {line}" for line in finding.source_line.strip().split("\n")))
    if finding.evidence:
        parts.append(f"{finding.evidence}.")
    if readings:
        parts += [_table(finding.original, readings), _TABLE_MEANS]
    parts += [f"- {each.path}:{each.line}: {each.note}" for each in finding.related]
    parts.append(f"{finding.code} ({finding.family}): {rule_of(finding.family).summary}")
    if (count := dismissals.count(finding.family)) > 0:
        parts.append(_dismissed(finding, count, dismissals.raised_nats.get(finding.family, 0.0)))
    return "\n\n".join(parts) + "\n"


_TABLE_MEANS = (
    "Evidence is how much likelier the alternative makes the code here and behind it, in nats: 2.3 are ten times. The "
    "share is what each would have if there were no others. Both are the model's, which may be wrong."
)


def _table(written: str, readings: Sequence[Reading]) -> str:
    shown = readings[:_MOST_SHOWN]
    weights = [math.exp(min(each.nats, _MOST_NATS)) for each in shown]
    total = 1.0 + sum(weights)
    rows = ["| text | evidence | share |", "|---|---|---|", f"| {_code(written)}, as written | | {1 / total:.1%} |"]
    rows += [
        f"| {_code(each.text)} | {each.nats:+.1f} | {weight / total:.1%} |"
        for each, weight in zip(shown, weights, strict=True)
    ]
    return "\n".join(rows)


def _dismissed(finding: Finding, count: int, raised: float) -> str:
    findings = "1 finding" if count == 1 else f"{count} findings"
    by = f", so it needs {raised:.1f} nats more than by itself" if raised else ""
    return f"You have dismissed {findings} of the family {finding.family} on this machine{by}."


def _code(text: str) -> str:
    """A text as code in a cell of a table."""
    line = " ".join(text.split())
    line = line if len(line) <= _LONGEST_SHOWN else f"{line[: _LONGEST_SHOWN - 3]}..."
    marks = "``" if "`" in line else "`"
    space = " " if "`" in line else ""
    return f"{marks}{space}{line.replace('|', chr(92) + '|')}{space}{marks}"
