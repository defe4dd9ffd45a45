"""What a review says: its findings, and what it did and did not look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dsassist.review.rules import rule_of

if TYPE_CHECKING:
    from dsassist.review.calibration.thresholds import Thresholds
    from dsassist.review.changes import Skipped
    from dsassist.review.source import Source

__all__ = ["SEVERITIES", "Finding", "Related", "Replacement", "Review", "Severity", "finding_at"]

Severity = Literal["info", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""In rising order."""


@dataclass(frozen=True)
class Replacement:
    """Part of a fix: what stands at a place of the finding's file gives way to `text`."""

    line: int
    column: int
    end_line: int
    end_column: int
    text: str


@dataclass(frozen=True)
class Related:
    """Another place that a finding speaks of, and what is to be seen there."""

    path: str
    line: int
    column: int
    note: str


@dataclass(frozen=True)
class Finding:
    """One thing to look at. Lines and columns count from 1, columns in code points; the end is exclusive.

    `function` is qualified, and empty outside of one. `evidence` says in words why. `fix` are replacements that do not
    overlap, in the order of the text. `fingerprint` names it as long as its statement stays. `evidence_nats`, of
    findings by likelihood, is rounded to 0.1, which is coarser than the arithmetic's noise.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    severity: Severity
    family: str
    function: str
    message: str
    source_line: str
    evidence: str = ""
    fix: tuple[Replacement, ...] = ()
    related: tuple[Related, ...] = ()
    original: str = ""
    alternative: str = ""
    evidence_nats: float | None = None
    fingerprint: str = ""

    @property
    def code(self) -> str:
        """By which it is looked up and ignored."""
        return rule_of(self.family).code


def finding_at(
    path: str,
    source: Source,
    span: tuple[int, int],
    *,
    severity: Severity,
    family: str,
    message: str,
    evidence: str,
    function: str = "",
    related: tuple[Related, ...] = (),
    original: str | None = None,
    alternative: str = "",
    is_fix: bool = True,
    evidence_nats: float | None = None,
) -> Finding:
    """The finding at [start, end) of a text, in code points; `original` is what stands there when not given.

    An `alternative` is the fix too, unless `is_fix` is off.
    """
    start, end = span
    (line, column), (end_line, end_column) = source.position(start), source.position(end)
    fix = (Replacement(line, column, end_line, end_column, alternative),) if alternative and is_fix else ()
    return Finding(
        path=path,
        line=line,
        column=column,
        end_line=end_line,
        end_column=end_column,
        severity=severity,
        family=family,
        function=function,
        message=message,
        source_line=source.line_text(line),
        evidence=evidence,
        fix=fix,
        related=related,
        original=source.text[start:end] if original is None else original,
        alternative=alternative,
        evidence_nats=evidence_nats,
    )


@dataclass(frozen=True)
class Review:
    """A finished review; `found` counts all findings, of which the strongest are in `findings`, by place.

    `functions` and `files` count what was reviewed, `files_read` also files without a function to review. `failure`
    says what ended it before its time, and is empty when nothing did. `suppressed` and `baselined` count findings that
    a comment or the baseline keeps quiet, `unknown_codes` are such a comment's with their files. `complete` are the
    paths of which each line was reviewed. `thresholds` are what findings needed, None where no model was asked.
    `within` is what git is doing where the change is no plain commit: "a merge", "a revert of 1a2b3c4".
    """

    findings: tuple[Finding, ...]
    found: int
    functions: int
    files: int
    skipped: tuple[Skipped, ...]
    seconds: float
    files_read: int = 0
    failure: str = ""
    suppressed: int = 0
    baselined: int = 0
    unknown_codes: tuple[Skipped, ...] = ()
    complete: frozenset[str] = frozenset()
    thresholds: Thresholds | None = None
    within: str = ""

    def has_reached(self, level: str) -> bool:
        """Whether a finding is at or above a severity; nothing is above "never"."""
        return level != "never" and any(
            SEVERITIES.index(finding.severity) >= _index(level) for finding in self.findings
        )


def _index(level: str) -> int:
    return [str(severity) for severity in SEVERITIES].index(level)
