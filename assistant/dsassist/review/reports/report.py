"""What a report is made of: the review, and what a format must know beyond it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dsassist.review.findings import Finding, Review
from dsassist.review.reports.paths import Paths

__all__ = ["Report", "strongest_first"]

_SEVEREST_FIRST = {"error": 0, "warning": 1, "info": 2}


def _unknown(_path: str, _line: int) -> str | None:
    return None


@dataclass(frozen=True)
class Report:
    """A review to report on.

    `model` is the model's name, empty where none was asked. `source_line(path, line)` gives a line of a reviewed file
    without its end, None where it is not known: a finding brings its first line along, but its fix may touch others.
    """

    review: Review
    model: str = ""
    paths: Paths = field(default_factory=Paths)
    source_line: Callable[[str, int], str | None] = _unknown

    def line(self, finding: Finding, number: int) -> str | None:
        """A line of the finding's file as the finding shows it, for it may hide a secret of its own line."""
        return finding.source_line if number == finding.line else self.source_line(finding.path, number)


def strongest_first(finding: Finding) -> tuple[int, float, str, int, int, str]:
    """A sort key: errors before warnings, what is true without a model before what is likely, then by evidence."""
    likelihood = float("inf") if finding.evidence_nats is None else finding.evidence_nats
    return _SEVEREST_FIRST[finding.severity], -likelihood, finding.path, finding.line, finding.column, finding.code
