"""All formats: each takes any text that a repository may hold, and those with a schema keep to it."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import ValidationError

from dsassist.commands.review import COMMAND
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import Skipped
from dsassist.review.findings import Finding
from dsassist.review.reports import FORMATS, Report

Check = Callable[[str, Any], None]
MakeReport = Callable[..., Report]

SKIPPED = (Skipped("b.js", "not Python"), Skipped("c\n\udcff.py", "binary"), Skipped("a.py: f", "deadline"))
LINES = {number: f"    line {number}  # 文𐐀" for number in (5, 6, 7, 8, 9)}


def test_the_command_knows_the_formats_of_the_table() -> None:
    parser = argparse.ArgumentParser()
    COMMAND.add_arguments(parser)
    (option,) = [action for action in parser._actions if action.dest == "format"]
    assert list(option.choices or ()) == list(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_odd_findings_and_says_the_same_twice(
    name: str, report: MakeReport, odd_findings: list[Finding]
) -> None:
    made = report(*odd_findings, skipped=SKIPPED, failure="the engine ended", lines=LINES)
    text = FORMATS[name](made)
    assert text
    assert text == FORMATS[name](made)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_takes_findings_whose_lines_are_not_known(
    name: str, report: MakeReport, odd_findings: list[Finding]
) -> None:
    assert FORMATS[name](report(*odd_findings, found=99))


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("text", "json")])
def test_what_other_programs_read_is_unicode(name: str, report: MakeReport, odd_findings: list[Finding]) -> None:
    text = FORMATS[name](report(*odd_findings, skipped=SKIPPED, lines=LINES))
    assert text.encode("utf-8")
    assert not any(f"\\ud{digit}" in text.replace("\\ud801\\u", "").replace("\\ud83c\\u", "") for digit in "89ab")


@pytest.mark.parametrize("name", ["text", "github", "markdown"])
def test_what_a_terminal_or_a_log_shows_has_no_character_that_it_would_obey(
    name: str, report: MakeReport, odd_findings: list[Finding]
) -> None:
    text = FORMATS[name](report(*odd_findings, skipped=SKIPPED, lines=LINES))
    assert not set(text) & {"\x1b", "\x07", "\x00", "\r", "\u202e", "\u2066", "\u2028", "\u2029", "\x85"}


def test_json_keeps_to_its_schema(report: MakeReport, odd_findings: list[Finding], check_schema: Check) -> None:
    needed = Thresholds(2.3, {"attribute": 1.5})
    made = report(*odd_findings, skipped=SKIPPED, failure="the engine ended", within="a merge", thresholds=needed)
    value = json.loads(FORMATS["json"](made))
    check_schema("review-report.schema", value)
    check_schema("review-report.schema", json.loads(FORMATS["json"](report())))
    for name in value:
        with pytest.raises(ValidationError):
            check_schema("review-report.schema", {**value, name: {"what": "is no such value"}})


def test_sarif_keeps_to_its_schema(report: MakeReport, odd_findings: list[Finding], check_schema: Check) -> None:
    made = report(*odd_findings, skipped=SKIPPED, failure="the engine ended", lines=LINES)
    check_schema("sarif-2.1.0", json.loads(FORMATS["sarif"](made)))
    check_schema("sarif-2.1.0", json.loads(FORMATS["sarif"](report())))


def test_gitlab_keeps_to_its_schema(report: MakeReport, odd_findings: list[Finding], check_schema: Check) -> None:
    check_schema("gitlab-code-quality", json.loads(FORMATS["gitlab"](report(*odd_findings, lines=LINES))))
    assert json.loads(FORMATS["gitlab"](report())) == []


def test_rdjsonl_keeps_to_its_schema(report: MakeReport, odd_findings: list[Finding], check_schema: Check) -> None:
    lines = FORMATS["rdjsonl"](report(*odd_findings, lines=LINES)).split("\n")
    assert len(lines) == len(odd_findings)
    for line in lines:
        check_schema("rdf-diagnostic", json.loads(line))
    assert FORMATS["rdjsonl"](report()) == ""
