"""The report as one JSON object, with all that the text says; its names do not change from version to version.

`docs/review-report.schema.json` describes it.

A name's bytes that are no UTF-8 are the surrogates by which Python knows them (`os.fsencode` gives the name back).
"""

from __future__ import annotations

import json
from dataclasses import asdict

from dsassist.review.reports.report import Report

__all__ = ["as_json"]


def as_json(report: Report) -> str:
    """The review as one JSON object."""
    review = report.review
    return json.dumps(
        {
            "findings": [{"code": finding.code, **asdict(finding)} for finding in review.findings],
            "found": review.found,
            "suppressed": review.suppressed,
            "baselined": review.baselined,
            "reviewed": {"functions": review.functions, "files": review.files},
            "within": review.within or None,
            "not_reviewed": [asdict(each) for each in review.skipped],
            "failure": review.failure or None,
            "model": report.model or None,
            "thresholds": None if review.thresholds is None else asdict(review.thresholds),
            "seconds": round(review.seconds, 3),
        },
        indent=2,
    )
