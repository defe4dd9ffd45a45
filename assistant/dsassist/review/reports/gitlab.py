"""GitLab's code quality report: an array of violations, each with a fingerprint of its own."""

from __future__ import annotations

import hashlib
import json
from collections import Counter

from dsassist.review.findings import Finding, Severity
from dsassist.review.reports.paths import well_formed
from dsassist.review.reports.report import Report

__all__ = ["gitlab"]

_SEVERITIES: dict[Severity, str] = {"info": "info", "warning": "minor", "error": "major"}


def gitlab(report: Report) -> str:
    """The findings; the format has no place for what was reviewed."""
    seen: Counter[str] = Counter()
    violations = []
    for finding in report.review.findings:
        path = report.paths.from_root(finding.path)
        fingerprint = finding.fingerprint or _hash(finding.code, path, finding.source_line.strip())
        seen[fingerprint] += 1
        if (number := seen[fingerprint]) > 1:  # GitLab shows one violation for each fingerprint
            fingerprint = _hash(fingerprint, str(number))
        violations.append(_violation(finding, path, fingerprint))
    return json.dumps(violations, indent=2)


def _violation(finding: Finding, path: str, fingerprint: str) -> dict[str, object]:
    said = f"{finding.message}: {finding.evidence}" if finding.evidence else finding.message
    return {
        "description": well_formed(said),
        "check_name": finding.code,
        "fingerprint": fingerprint,
        "severity": _SEVERITIES[finding.severity],
        "location": {"path": path, "lines": {"begin": finding.line, "end": finding.end_line}},
    }


def _hash(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
