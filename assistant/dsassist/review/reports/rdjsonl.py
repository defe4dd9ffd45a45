"""Lines of JSON for reviewdog (`reviewdog -f=rdjsonl`): its Diagnostic, one a line.

Columns count from 1 in bytes of UTF-8, the end is exclusive. Paths count from the working directory, for reviewdog
resolves them there.
"""

from __future__ import annotations

import json
from typing import Any

from dsassist.review.findings import Finding, Related, Severity
from dsassist.review.reports.fixes import single_replacement
from dsassist.review.reports.paths import well_formed
from dsassist.review.reports.report import Report

__all__ = ["rdjsonl"]

_SEVERITIES: dict[Severity, str] = {"info": "INFO", "warning": "WARNING", "error": "ERROR"}
_LIMIT_BYTES = 64 * 1024 - 1
"""reviewdog reads lines by Go's `bufio.Scanner`, which ends without a word at a longer one."""

Json = dict[str, Any]


def rdjsonl(report: Report) -> str:
    """A line for each finding."""
    return "\n".join(_line(report, finding) for finding in report.review.findings)


def _line(report: Report, finding: Finding) -> str:
    diagnostic = _diagnostic(report, finding)
    for left_out in ("suggestions", "related_locations"):
        if len(line := json.dumps(diagnostic)) <= _LIMIT_BYTES:
            return line
        diagnostic.pop(left_out, None)
    diagnostic["message"] = diagnostic["message"][:1000]
    return json.dumps(diagnostic)


def _diagnostic(report: Report, finding: Finding) -> Json:
    said = f"{finding.message}\n{finding.evidence}" if finding.evidence else finding.message
    where = _range(report, finding, finding.line, finding.column, finding.end_line, finding.end_column)
    diagnostic: Json = {
        "message": well_formed(said),
        "location": {
            "path": report.paths.from_here(finding.path),
            # Without columns a range is one of whole lines, the last one included.
            "range": where or {"start": {"line": finding.line}, "end": {"line": finding.end_line}},
        },
        "severity": _SEVERITIES[finding.severity],
        "source": {"name": "dsassist"},
        "code": {"value": finding.code},
    }
    if suggestion := _suggestion(report, finding):
        diagnostic["suggestions"] = [suggestion]
    if finding.related:
        diagnostic["related_locations"] = [_related(report, finding, related) for related in finding.related]
    return diagnostic


def _suggestion(report: Report, finding: Finding) -> Json | None:
    """The fix as one edit, for each suggestion stands for itself; none where its columns are not known."""
    whole = single_replacement(report, finding)
    if whole is None:
        return None
    where = _range(report, finding, whole.line, whole.column, whole.end_line, whole.end_column)
    return {"range": where, "text": well_formed(whole.text)} if where else None


def _related(report: Report, finding: Finding, related: Related) -> Json:
    start = {"line": related.line}
    is_same_file = related.path == finding.path
    line = report.line(finding, related.line) if is_same_file else report.source_line(related.path, related.line)
    if line is not None:
        start["column"] = _byte_column(line, related.column)
    return {
        "message": well_formed(related.note),
        "location": {"path": report.paths.from_here(related.path), "range": {"start": start}},
    }


def _range(report: Report, finding: Finding, line: int, column: int, end_line: int, end_column: int) -> Json | None:
    first, last = report.line(finding, line), report.line(finding, end_line)
    if end_column == 1 and last is None:
        last = ""  # before a line's first character there is nothing to count
    if first is None or last is None:
        return None
    return {
        "start": {"line": line, "column": _byte_column(first, column)},
        "end": {"line": end_line, "column": _byte_column(last, end_column)},
    }


def _byte_column(line: str, column: int) -> int:
    return len(line[: column - 1].encode("utf-8", "surrogatepass")) + 1
