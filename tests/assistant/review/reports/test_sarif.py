"""SARIF: what the schema cannot say."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

import pytest

from dsassist.review.changes import Skipped
from dsassist.review.findings import Finding, Related, Replacement
from dsassist.review.reports import FORMATS, Report
from dsassist.review.rules import RULES

MakeFinding = Callable[..., Finding]
MakeReport = Callable[..., Report]


def run_of(report: Report) -> Any:
    (run,) = json.loads(FORMATS["sarif"](report))["runs"]
    return run


def result_of(report: Report) -> Any:
    (result,) = run_of(report)["results"]
    return result


def test_every_rule_is_listed_and_results_point_at_theirs(report: MakeReport, odd_findings: list[Finding]) -> None:
    run = run_of(report(*odd_findings))
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == [rule.code for rule in RULES]
    for result, finding in zip(run["results"], odd_findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"] == finding.code


def test_columns_are_code_points_and_the_end_is_exclusive(finding: MakeFinding, report: MakeReport) -> None:
    line = "    '𐐀é文' + low"
    run = run_of(report(finding(line)))
    assert run["columnKind"] == "unicodeCodePoints"
    location = run["results"][0]["locations"][0]["physicalLocation"]
    start = line.index("low") + 1
    assert location["region"] == {"startLine": 4, "startColumn": start, "endLine": 4, "endColumn": start + 3}
    assert location["contextRegion"]["snippet"]["text"] == line


def test_the_fix_applied_gives_the_fixed_line(finding: MakeFinding, report: MakeReport) -> None:
    line = "    '𐐀é文' + low + low"
    at = [line.index("low") + 1, line.rindex("low") + 1]
    fix = tuple(Replacement(4, column, 4, column + 3, "höch") for column in at)
    (change,) = result_of(report(finding(line, fix=fix)))["fixes"][0]["artifactChanges"]
    for part in reversed(change["replacements"]):
        region = part["deletedRegion"]
        line = line[: region["startColumn"] - 1] + part["insertedContent"]["text"] + line[region["endColumn"] - 1 :]
    assert line == "    '𐐀é文' + höch + höch"


def test_a_deletion_inserts_nothing(finding: MakeFinding, report: MakeReport) -> None:
    result = result_of(report(finding(fix=(Replacement(4, 1, 5, 1, ""),))))
    (replacement,) = result["fixes"][0]["artifactChanges"][0]["replacements"]
    assert "insertedContent" not in replacement


def test_related_places_have_a_note_and_a_number(finding: MakeFinding, report: MakeReport) -> None:
    related = (Related("b.py", 7, 2, "still used here"), Related("c.py", 8, 3, "and here"))
    found = result_of(report(finding(related=related)))["relatedLocations"]
    assert [place["id"] for place in found] == [1, 2]
    assert found[1]["message"]["text"] == "and here"
    assert found[1]["physicalLocation"]["region"] == {"startLine": 8, "startColumn": 3}


def test_a_fingerprint_is_passed_on_and_none_is_made_up(finding: MakeFinding, report: MakeReport) -> None:
    with_one = result_of(report(finding(fingerprint="abc")))
    assert list(with_one["partialFingerprints"].values()) == ["abc"]
    assert "partialFingerprints" not in result_of(report(finding()))


@pytest.mark.parametrize("path", ["a b.py", "ünï/𐐀.py", "a:b%c?d#e.py", "\udcff.py", "new\nline.py", "-[x].py"])
def test_a_path_is_a_uri_that_gives_its_bytes_back(path: str, finding: MakeFinding, report: MakeReport) -> None:
    place = result_of(report(finding(path=path)))["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place["uri"].isascii()
    assert not set(place["uri"]) & set(" :?#[]\n")
    assert unquote_to_bytes(place["uri"]) == path.encode("utf-8", "surrogateescape")
    assert place["uriBaseId"] == "%SRCROOT%"


def test_a_file_outside_of_the_repository_has_an_absolute_uri(finding: MakeFinding, report: MakeReport) -> None:
    place = result_of(report(finding(path="/some where/a.py")))["locations"][0]["physicalLocation"]["artifactLocation"]
    assert place == {"uri": "file:///some%20where/a.py"}


def test_no_path_of_this_machine_is_in_the_report(finding: MakeFinding, report: MakeReport, tmp_path: Any) -> None:
    assert str(tmp_path) not in FORMATS["sarif"](report(finding()))


def test_messages_hold_no_placeholder_and_no_link(finding: MakeFinding, report: MakeReport) -> None:
    result = result_of(report(finding(message="`f[0](x)` for {0}", evidence="")))
    assert result["message"]["text"] == "`f[0] (x)` for {{0}}"


def test_what_was_not_reviewed_is_a_notification(report: MakeReport) -> None:
    run = run_of(report(skipped=(Skipped("b.js", "not Python"), Skipped("a.py: f", "deadline"))))
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    notifications = invocation["toolExecutionNotifications"]
    assert [each["message"]["text"] for each in notifications] == ["b.js: not Python", "a.py: f: deadline"]
    descriptors = run["tool"]["driver"]["notifications"]
    for each in notifications:
        assert descriptors[each["descriptor"]["index"]]["id"] == each["descriptor"]["id"] == "not-reviewed"


def test_a_review_that_ended_early_was_not_successful(report: MakeReport) -> None:
    (invocation,) = run_of(report(failure="the engine ended"))["invocations"]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][-1]["level"] == "error"


def test_the_run_says_what_was_reviewed_with_which_model(report: MakeReport) -> None:
    properties = run_of(report())["properties"]
    assert properties["summary"] == "reviewed 3 functions in 2 files with some-model in 4.9 s"
    assert (properties["model"], properties["functions"]) == ("some-model", 3)


def test_every_region_has_a_start(report: MakeReport, odd_findings: list[Finding]) -> None:
    """The schema of errata 01 asks for it, that of the tests does not."""

    def regions(value: Any) -> list[Any]:
        if isinstance(value, list):
            return [found for each in value for found in regions(each)]
        if not isinstance(value, dict):
            return []
        own = [each for key, each in value.items() if key.lower().endswith("region")]
        return own + [found for each in value.values() for found in regions(each)]

    found = regions(run_of(report(*odd_findings)))
    assert len(found) > len(odd_findings)
    assert all(region["startLine"] >= 1 for region in found)
