"""GitLab's code quality report."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from dsassist.review.findings import Finding
from dsassist.review.reports import FORMATS, Report

MakeFinding = Callable[..., Finding]
MakeReport = Callable[..., Report]


def violations(report: Report) -> list[Any]:
    found = json.loads(FORMATS["gitlab"](report))
    assert isinstance(found, list)
    return found


def test_a_finding_is_a_violation_at_its_lines(finding: MakeFinding, report: MakeReport) -> None:
    (found,) = violations(report(finding(path="src/ü.py", end_line=6)))
    assert found["location"] == {"path": "src/ü.py", "lines": {"begin": 4, "end": 6}}
    assert (found["check_name"], found["severity"]) == ("DSA101", "minor")
    assert found["description"].startswith("`low` may be meant to be `high`: ")


@pytest.mark.parametrize(("ours", "theirs"), [("info", "info"), ("warning", "minor"), ("error", "major")])
def test_severities_are_gitlabs(ours: str, theirs: str, finding: MakeFinding, report: MakeReport) -> None:
    assert violations(report(finding(severity=ours)))[0]["severity"] == theirs


def test_every_violation_has_a_fingerprint_of_its_own(report: MakeReport, odd_findings: list[Finding]) -> None:
    """GitLab shows one of those that share it."""
    found = violations(report(*odd_findings, *odd_findings))
    assert len({each["fingerprint"] for each in found}) == 2 * len(odd_findings)


def test_the_fingerprint_is_the_findings_own_where_it_has_one(finding: MakeFinding, report: MakeReport) -> None:
    assert violations(report(finding(fingerprint="abc")))[0]["fingerprint"] == "abc"


def test_a_fingerprint_stays_when_the_line_moves_and_goes_when_it_changes(
    finding: MakeFinding, report: MakeReport
) -> None:
    def fingerprint(made: Finding) -> str:
        return str(violations(report(made))[0]["fingerprint"])

    written = fingerprint(finding())
    assert fingerprint(finding("        return low + high")) == written
    assert fingerprint(replace(finding(), line=40, end_line=40)) == written
    assert fingerprint(finding("    return low - high")) != written
    assert fingerprint(finding(path="b.py")) != written
    assert fingerprint(finding(family="comparison")) != written
