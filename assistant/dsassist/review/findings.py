"""What a review says: its findings, and what it did and did not look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dsassist.review.changes import Skipped
from dsassist.review.evidence import ratio
from dsassist.review.site import Family

__all__ = ["SEVERITIES", "Finding", "Review", "Severity"]

Severity = Literal["info", "warning", "error"]

SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")
"""In rising order."""

_MESSAGES: dict[Family, str] = {
    "name": "`{original}` may be meant to be `{alternative}`",
    "attribute": "`{original}` may be meant to be `{alternative}`",
    "comparison": "`{original}` may be meant to be `{alternative}`",
    "boolean": "`{original}` may be meant to be `{alternative}`",
    "swapped-arguments": "arguments may be swapped: `{alternative}`",
    "missing-not": "condition may be the wrong way round: `{alternative}`",
    "missing-await": "`await` may be missing: `{alternative}`",
}


@dataclass(frozen=True)
class Finding:
    """A place where the model finds another text far likelier; lines and columns count from 1, the end is exclusive.

    Columns are code points. `evidence_nats` is rounded to 0.1, which is coarser than the arithmetic's noise.
    """

    path: str
    line: int
    column: int
    end_line: int
    end_column: int
    code: str
    severity: Severity
    family: Family
    function: str
    original: str
    alternative: str
    evidence_nats: float
    source_line: str

    @property
    def message(self) -> str:
        """One line for the reader."""
        return _MESSAGES[self.family].format(original=_short(self.original), alternative=_short(self.alternative))

    @property
    def evidence(self) -> str:
        """How sure the model is, in words."""
        return f"{ratio(self.evidence_nats)} as likely here (+{self.evidence_nats:.1f} nats)"


@dataclass(frozen=True)
class Review:
    """A finished review; `found` counts all findings, of which the strongest are in `findings`, by place.

    `functions` and `files` count what was reviewed, `files_read` also files without a function to review. `failure`
    says what ended it before its time, and is empty when nothing did.
    """

    findings: tuple[Finding, ...]
    found: int
    functions: int
    files: int
    skipped: tuple[Skipped, ...]
    seconds: float
    files_read: int = 0
    failure: str = ""

    def has_reached(self, level: str) -> bool:
        """Whether a finding is at or above a severity; nothing is above "never"."""
        return level != "never" and any(
            SEVERITIES.index(finding.severity) >= _index(level) for finding in self.findings
        )


def _index(level: str) -> int:
    return [str(severity) for severity in SEVERITIES].index(level)


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 60 else f"{one_line[:57]}..."
