"""The report for a person, 80 columns wide but for the lines that an editor reads (`path:line:col: severity: ...`).

It says nothing where there is nothing to say: what was reviewed goes to stderr, or to the end of a report in a file.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Protocol

from dsassist import output
from dsassist.review.findings import Finding, Related
from dsassist.review.reports.display import excerpt, one_line, width
from dsassist.review.reports.fixes import is_told, line_change
from dsassist.review.reports.report import Report
from dsassist.review.reports.summary import summary, unnamed

__all__ = ["findings_text", "text"]

_SEVERITY_COLORS: dict[str, output.Style] = {"info": "blue", "warning": "yellow", "error": "red"}
_COLUMNS = 80
_LINES_OF_A_FIX = 4


class Styled(Protocol):
    """`output.style`, or what leaves the text as it is."""

    def __call__(self, text: str, *names: output.Style) -> str: ...


def text(report: Report) -> str:
    """The findings without colour, and what was reviewed, for a file."""
    found = findings_text(report, _plain)
    end = "\n".join([summary(report.review, report.model), *unnamed(report.review.skipped)])
    return f"{found}\n\n{end}" if found else end


def findings_text(report: Report, style: Styled = output.style) -> str:
    """All findings; empty where there is none."""
    return "\n".join(line for finding in report.review.findings for line in _finding_lines(report, finding, style))


def _plain(text: str, *_names: output.Style) -> str:
    return text


def _finding_lines(report: Report, finding: Finding, style: Styled) -> Iterator[str]:
    """A finding: the place and what may be wrong, then the line itself, marked, with the evidence.

    shapes.py:3:25: warning: `width` may be meant to be `height` [DSA101]
        3 |     return self.width * width
          |                         ^^^^^
          = `height` is 1,600 times as likely here (+7.4 nats)
    """
    severity = style(finding.severity, "bold", _SEVERITY_COLORS[finding.severity])
    place = style(f"{one_line(finding.path)}:{finding.line}:{finding.column}:", "bold")
    yield f"{place} {severity}: {one_line(finding.message)} {style(f'[{finding.code}]', 'dim')}"
    yield from _excerpt(finding, style)
    if not is_told(finding):
        yield from _fix(report, finding, style)
    for related in finding.related:
        yield _note(related, style)


def _excerpt(finding: Finding, style: Styled) -> Iterator[str]:
    """The line with a mark below what the finding speaks of, and the evidence beside or below the mark."""
    number, evidence = str(finding.line), one_line(finding.evidence)
    margin = " " * len(number)
    if not finding.source_line:
        yield from _wrapped(f"    {margin} = ", evidence)
        return
    room = _COLUMNS - len(f"    {number} | ")
    end = finding.end_column - 1 if finding.end_line == finding.line else len(finding.source_line)
    line, start, columns = excerpt(finding.source_line, finding.column - 1, end, room)
    yield f"    {number} | {line}"
    below = f"    {margin} | {' ' * start}{style('^' * columns, 'yellow')}"
    if evidence and start + columns + 1 + width(evidence) <= room:
        yield f"{below} {evidence}"
    else:
        yield below
        yield from _wrapped(f"    {margin} = ", evidence)


def _wrapped(first: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text, _COLUMNS, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
    )


def _fix(report: Report, finding: Finding, style: Styled) -> Iterator[str]:
    """The lines that the fix changes, as a diff; none where they are not known."""
    change = line_change(report, finding)
    if change is None:
        return
    margin = " " * len(str(finding.line))
    at = "" if change.first == finding.line else f" from line {change.first} on"
    yield f"    {margin} = fix{at}:"
    yield from _diff_lines(margin, "-", change.before, style, "red")
    yield from _diff_lines(margin, "+", change.after, style, "green")


def _diff_lines(margin: str, sign: str, lines: tuple[str, ...], style: Styled, color: output.Style) -> Iterator[str]:
    prefix = f"    {margin} {sign} "
    for line in lines[:_LINES_OF_A_FIX]:
        shown, _, _ = excerpt(line, 0, 0, _COLUMNS - len(prefix))
        yield style(f"{prefix}{shown}".rstrip(), color)
    if len(lines) > _LINES_OF_A_FIX:
        yield f"{prefix}({len(lines) - _LINES_OF_A_FIX} more)"


def _note(related: Related, style: Styled) -> str:
    place = style(f"{one_line(related.path)}:{related.line}:{related.column}:", "bold")
    return f"{place} {style('note', 'bold', 'cyan')}: {one_line(related.note)}"
