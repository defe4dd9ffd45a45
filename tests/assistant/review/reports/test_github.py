"""Annotations, read back as GitHub's runner reads a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import pytest

from dsassist.review.changes import Skipped
from dsassist.review.findings import Finding, Related
from dsassist.review.reports import FORMATS, Report

MakeFinding = Callable[..., Finding]
MakeReport = Callable[..., Report]


@dataclass
class Command:
    name: str
    properties: dict[str, str]
    message: str


def commands(log: str) -> Iterator[Command]:
    """What the runner takes as a command: `::name key=value,...::message` at the beginning of a line."""
    for line in log.split("\n"):
        if not line.lstrip().startswith("::"):
            assert "##[" not in line, "the older form counts anywhere in a line that has not the newer"
            continue
        head, _, message = line.lstrip()[2:].partition("::")
        name, _, listed = head.partition(" ")
        pairs = [pair.split("=", 1) for pair in listed.split(",")]
        yield Command(name, {key: unescaped(value) for key, value in pairs}, unescaped(message))


def unescaped(text: str) -> str:
    for code, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, character)
    return text


def test_a_finding_is_a_warning_at_its_place(finding: MakeFinding, report: MakeReport) -> None:
    warning, notice = commands(FORMATS["github"](report(finding())))
    assert warning == Command(
        "warning",
        {"file": "a.py", "line": "4", "endLine": "4", "title": "dsassist DSA101", "col": "12", "endColumn": "15"},
        "`low` may be meant to be `high`\n`high` is 1,600 times as likely here (+7.4 nats)",
    )
    assert notice.message == "reviewed 3 functions in 2 files with some-model in 4.9 s"


@pytest.mark.parametrize(
    "path", ["a:b,c%d.py", "100%0A.py", "new\nline.py", "::stop-commands::x.py", "a=b.py", "ünï.py"]
)
def test_a_path_comes_back_as_it_was(path: str, finding: MakeFinding, report: MakeReport) -> None:
    warning, _ = commands(FORMATS["github"](report(finding(path=path))))
    assert warning.properties["file"] == path


def test_text_of_the_change_begins_no_command(report: MakeReport, odd_findings: list[Finding]) -> None:
    skipped = (Skipped("a\n::error::b.js", "not Python\n::add-path::/x"), Skipped("##[add-path]/x", "y"))
    made = report(*odd_findings, *odd_findings, skipped=skipped)
    log = FORMATS["github"](replace(made, model="m\n::error::x"))
    assert {command.name for command in commands(log)} <= {"error", "warning", "notice"}
    assert all(command.properties["title"].startswith("dsassist") for command in commands(log))


def test_columns_are_left_out_where_the_lines_differ(finding: MakeFinding, report: MakeReport) -> None:
    warning, _ = commands(FORMATS["github"](report(finding(end_line=6, end_column=2))))
    assert not {"col", "endColumn"} & set(warning.properties)


def test_the_strongest_come_first_and_the_others_are_in_the_log(finding: MakeFinding, report: MakeReport) -> None:
    findings = [finding(evidence_nats=float(nats), path=f"f{nats}.py") for nats in range(14)]
    findings += [finding(severity="error", path=f"e{number}.py", evidence_nats=None) for number in range(11)]
    findings += [finding(severity="info", path=f"i{number}.py") for number in range(12)]
    log = FORMATS["github"](report(*findings))
    found = list(commands(log))
    for name, count in (("error", 10), ("warning", 10), ("notice", 10)):
        assert sum(command.name == name for command in found) == count
    warnings = [command.properties["file"] for command in found if command.name == "warning"]
    assert warnings == [f"f{nats}.py" for nats in range(13, 3, -1)]
    assert found[0].name == "error"
    assert found[-1].message.startswith("8 more findings in the log of this step; reviewed 3 functions")
    for finding_ in findings:
        assert finding_.path in log


def test_related_places_are_in_the_message(finding: MakeFinding, report: MakeReport) -> None:
    warning, _ = commands(FORMATS["github"](report(finding(related=(Related("b.py", 7, 2, "still used"),)))))
    assert warning.message.endswith("\nb.py:7: still used")


def test_a_clean_review_is_a_line_of_the_log_and_no_annotation(report: MakeReport) -> None:
    log = FORMATS["github"](report(skipped=(Skipped("b.js", "not Python"),)))
    assert list(commands(log)) == []
    assert log.endswith("not reviewed: b.js (not Python)")
