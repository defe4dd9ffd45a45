"""A finding's fix for a reader: as one replacement, and as the lines before and after it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from dsassist.review.findings import Finding, Replacement
from dsassist.review.reports.report import Report

__all__ = ["LineChange", "is_told", "line_change", "single_replacement"]


@dataclass(frozen=True)
class LineChange:
    """Whole lines from `first` on, as they are and as the fix leaves them."""

    first: int
    before: tuple[str, ...]
    after: tuple[str, ...]


def line_change(report: Report, finding: Finding) -> LineChange | None:
    """The lines that the fix changes; None where there is none, or one of its lines is not known."""
    if not finding.fix:
        return None
    first, last = finding.fix[0].line, max(part.end_line for part in finding.fix)
    before = [report.line(finding, number) for number in range(first, last + 1)]
    if None in before:
        return None
    known = [line or "" for line in before]
    text = "\n".join(known)
    starts = _starts(known)
    for part in reversed(finding.fix):
        start = starts[part.line - first] + part.column - 1
        end = starts[part.end_line - first] + part.end_column - 1
        text = text[:start] + part.text + text[end:]
    return _without_equal_ends(first, known, text.split("\n"))


def single_replacement(report: Report, finding: Finding) -> Replacement | None:
    """The whole fix as one replacement, with the text between its parts; None where that text is not known."""
    if len(finding.fix) <= 1:
        return finding.fix[0] if finding.fix else None
    parts = finding.fix
    text = parts[0].text
    for previous, part in pairwise(parts):
        between = _between(report, finding, previous, part)
        if between is None:
            return None
        text += between + part.text
    return Replacement(parts[0].line, parts[0].column, parts[-1].end_line, parts[-1].end_column, text)


def is_told(finding: Finding) -> bool:
    """Whether the finding's words say all of its fix: one word in the place of another."""
    told = f"{finding.message} {finding.evidence}"
    return (
        all(
            part.line == part.end_line == finding.line and part.text.strip() != "" and f"`{part.text}`" in told
            for part in finding.fix
        )
        and len(finding.fix) <= 1
    )


def _between(report: Report, finding: Finding, previous: Replacement, part: Replacement) -> str | None:
    lines = [report.line(finding, number) for number in range(previous.end_line, part.line + 1)]
    if None in lines:
        return None
    known = [line or "" for line in lines]
    text = "\n".join(known)
    return text[previous.end_column - 1 : len(text) - len(known[-1]) + part.column - 1]


def _starts(lines: list[str]) -> list[int]:
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _without_equal_ends(first: int, before: list[str], after: list[str]) -> LineChange:
    """Only the lines that differ: a replacement up to the start of a line leaves that line as it was."""
    while before and after and before[-1] == after[-1]:
        before, after = before[:-1], after[:-1]
    while before and after and before[0] == after[0]:
        before, after, first = before[1:], after[1:], first + 1
    return LineChange(first, tuple(before), tuple(after))
