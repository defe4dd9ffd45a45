"""Annotations for GitHub Actions: workflow commands on stdout, which the runner takes out of the log.

GitHub shows ten of each kind a step, the first that come. So the strongest come first, and what does not fit is in the
log as plain text, with a notice that says so. The log itself is read for commands, so plain lines must hold none.
"""

from __future__ import annotations

from dsassist.review.findings import Finding, Severity
from dsassist.review.reports.display import one_line
from dsassist.review.reports.paths import well_formed
from dsassist.review.reports.report import Report, strongest_first
from dsassist.review.reports.summary import counted, summary, unnamed

__all__ = ["github"]

_COMMANDS: dict[Severity, str] = {"error": "error", "warning": "warning", "info": "notice"}
_SHOWN_OF_EACH = 10


def github(report: Report) -> str:
    """A line for each finding, and one for the end."""
    ordered = sorted(report.review.findings, key=strongest_first)
    annotated: list[Finding] = []
    left: list[Finding] = []
    for finding in ordered:
        same = sum(each.severity == finding.severity for each in annotated)
        # The last notice is kept for what closes the report.
        room = _SHOWN_OF_EACH - (finding.severity == "info")
        (annotated if same < room else left).append(finding)
    lines = [_annotation(report, finding) for finding in annotated]
    lines += [_log_line(report, finding) for finding in left]
    lines += [_harmless(f"dsassist: {each}") for each in unnamed(report.review.skipped)]
    return "\n".join([*lines, _closing(report, left)])


def _closing(report: Report, left: list[Finding]) -> str:
    said = summary(report.review, report.model)
    if not report.review.findings:
        return _harmless(f"dsassist: {said}")
    if left:
        said = f"{counted(len(left), 'more finding')} in the log of this step; {said}"
    return f"::notice title=dsassist::{_data(said)}"


def _annotation(report: Report, finding: Finding) -> str:
    properties = {
        "file": report.paths.from_root(finding.path),
        "line": str(finding.line),
        "endLine": str(finding.end_line),
        "title": f"dsassist {finding.code}",
    }
    if finding.line == finding.end_line:  # columns are refused where the lines differ
        properties |= {"col": str(finding.column), "endColumn": str(finding.end_column)}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    said = [finding.message, finding.evidence]
    said += [f"{report.paths.from_root(each.path)}:{each.line}: {each.note}" for each in finding.related]
    return f"::{_COMMANDS[finding.severity]} {listed}::{_data(chr(10).join(part for part in said if part))}"


def _log_line(report: Report, finding: Finding) -> str:
    path = report.paths.from_root(finding.path)
    return _harmless(
        f"dsassist: {path}:{finding.line}:{finding.column}: {finding.severity}: {finding.message} [{finding.code}]"
    )


def _harmless(line: str) -> str:
    """A line of the log without a command: `::` counts at its beginning only, the older `##[` anywhere."""
    return one_line(well_formed(line)).replace("##[", "## [")


def _data(text: str) -> str:
    lines = [one_line(line) for line in well_formed(text).split("\n")]
    return "%0A".join(line.replace("%", "%25") for line in lines)


def _property(text: str) -> str:
    """A property's value, exact: it may be a file's name."""
    escaped = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return escaped.replace(":", "%3A").replace(",", "%2C")
