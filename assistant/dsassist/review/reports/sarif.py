"""SARIF 2.1.0 (OASIS Standard, with errata 01), as GitHub code scanning and many editors read it.

Positions are as ours: from 1, in code points, the end exclusive. Section numbers are the standard's.
"""

from __future__ import annotations

import json
import re
from typing import Any

from dsassist.review.findings import Finding, Related, Replacement, Severity
from dsassist.review.reports.paths import well_formed
from dsassist.review.reports.report import Report
from dsassist.review.reports.summary import reviewed
from dsassist.review.rules import RULES
from dsassist_runtime.version import __version__

__all__ = ["sarif"]

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_ROOT = "%SRCROOT%"
_LEVELS: dict[Severity, str] = {"info": "note", "warning": "warning", "error": "error"}
_LINK = re.compile(r"\](?=\()")
_RULE_INDEX = {rule.code: index for index, rule in enumerate(RULES)}
_NOT_REVIEWED, _ENDED_EARLY = 0, 1
_NOTIFICATIONS = (
    ("not-reviewed", "A file or a function that was left out, with the reason."),
    ("ended-early", "What ended the review before its time."),
)

Json = dict[str, Any]


def sarif(report: Report) -> str:
    """A log of one run."""
    review = report.review
    run = {
        "tool": {"driver": _driver()},
        "automationDetails": {"id": "dsassist/review/"},
        "columnKind": "unicodeCodePoints",
        # 3.14.14: without a URI it only says what the name stands for; a local path is nobody else's business.
        "originalUriBaseIds": {_ROOT: {"description": {"text": "The root of the repository."}}},
        "invocations": [
            {"executionSuccessful": not review.failure, "toolExecutionNotifications": _notifications(report)}
        ],
        "results": [_result(report, finding) for finding in review.findings],
        "properties": {
            "summary": well_formed(reviewed(review, report.model)),
            "model": well_formed(report.model) or None,
            "found": review.found,
            "suppressed": review.suppressed,
            "baselined": review.baselined,
            "functions": review.functions,
            "files": review.files,
            "seconds": round(review.seconds, 3),
        },
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _driver() -> Json:
    return {
        "name": "dsassist",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [
            {
                "id": rule.code,
                "name": rule.family,
                "shortDescription": _text(rule.summary),
                "fullDescription": _text(rule.summary),
                "help": _text(f"{rule.summary} Write `dsassist: ignore[{rule.code}]` in a comment to leave it out."),
                "defaultConfiguration": {"level": "warning"},
            }
            for rule in RULES
        ],
        "notifications": [{"id": name, "shortDescription": _text(about)} for name, about in _NOTIFICATIONS],
    }


def _notifications(report: Report) -> list[Json]:
    found = [_notification(_NOT_REVIEWED, "note", f"{each.what}: {each.reason}") for each in report.review.skipped]
    if report.review.failure:
        found.append(_notification(_ENDED_EARLY, "error", report.review.failure))
    return found


def _notification(index: int, level: str, text: str) -> Json:
    name, _ = _NOTIFICATIONS[index]
    return {"descriptor": {"id": name, "index": index}, "level": level, "message": _text(text)}


def _result(report: Report, finding: Finding) -> Json:
    said = f"{finding.message}: {finding.evidence}" if finding.evidence else finding.message
    result = {
        "ruleId": finding.code,
        "ruleIndex": _RULE_INDEX[finding.code],
        "level": _LEVELS[finding.severity],
        "message": _text(said),
        "locations": [_location(report, finding)],
        "properties": {"family": finding.family, "evidenceNats": finding.evidence_nats},
    }
    if finding.fingerprint:
        result["partialFingerprints"] = {"dsassistStatement/v1": finding.fingerprint}
    if finding.related:
        result["relatedLocations"] = [
            _related(report, number, related) for number, related in enumerate(finding.related, 1)
        ]
    if finding.fix:
        result["fixes"] = [_fix(report, finding)]
    return result


def _location(report: Report, finding: Finding) -> Json:
    physical: Json = {
        "artifactLocation": _artifact(report, finding.path),
        "region": _region(finding.line, finding.column, finding.end_line, finding.end_column),
    }
    if finding.line == finding.end_line and finding.source_line:
        physical["contextRegion"] = {
            "startLine": finding.line,
            "snippet": {"text": well_formed(finding.source_line)},
        }
    location: Json = {"physicalLocation": physical}
    if finding.function:
        location["logicalLocations"] = [{"fullyQualifiedName": well_formed(finding.function), "kind": "function"}]
    return location


def _related(report: Report, number: int, related: Related) -> Json:
    return {
        "id": number,
        "message": _text(related.note),
        "physicalLocation": {
            "artifactLocation": _artifact(report, related.path),
            "region": {"startLine": related.line, "startColumn": related.column},
        },
    }


def _fix(report: Report, finding: Finding) -> Json:
    return {
        "artifactChanges": [
            {
                "artifactLocation": _artifact(report, finding.path),
                "replacements": [_replacement(part) for part in finding.fix],
            }
        ]
    }


def _replacement(part: Replacement) -> Json:
    replacement: Json = {"deletedRegion": _region(part.line, part.column, part.end_line, part.end_column)}
    if part.text:
        replacement["insertedContent"] = {"text": well_formed(part.text)}
    return replacement


def _region(line: int, column: int, end_line: int, end_column: int) -> Json:
    return {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}


def _artifact(report: Report, path: str) -> Json:
    uri, is_relative = report.paths.uri(path)
    return {"uri": uri, "uriBaseId": _ROOT} if is_relative else {"uri": uri}


def _text(text: str) -> Json:
    """A message in plain text: `{` would begin a placeholder (3.11.5), and `[a](b)` is a link (3.11.6)."""
    doubled = well_formed(text).replace("{", "{{").replace("}", "}}")
    return {"text": _LINK.sub("] ", doubled)}
