"""reviewdog's lines: byte columns, and suggestions that stand for themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dsassist.review.findings import Finding, Related, Replacement
from dsassist.review.reports import FORMATS, Paths, Report

MakeFinding = Callable[..., Finding]
MakeReport = Callable[..., Report]


def line_of(report: Report) -> Any:
    return json.loads(FORMATS["rdjsonl"](report))


def applied(text: str, suggestion: Any) -> str:
    """What reviewdog makes of a suggestion, whose columns are bytes."""
    lines = [line.encode() for line in text.split("\n")]
    start, end = suggestion["range"]["start"], suggestion["range"]["end"]
    before = lines[start["line"] - 1][: start["column"] - 1]
    after = lines[end["line"] - 1][end["column"] - 1 :]
    changed = before + suggestion["text"].encode() + after
    return b"\n".join([*lines[: start["line"] - 1], changed, *lines[end["line"] :]]).decode()


@pytest.mark.parametrize("before", ["    ", "\t", "é = ", "文字 = ", "𐐀 = ", "e\u0301 = "])
def test_columns_count_bytes(before: str, finding: MakeFinding, report: MakeReport) -> None:
    where = line_of(report(finding(f"{before}low + 'é'")))["location"]["range"]
    start = len(before.encode()) + 1
    assert where == {"start": {"line": 4, "column": start}, "end": {"line": 4, "column": start + 3}}


def test_a_suggestion_applied_gives_the_fixed_line(finding: MakeFinding, report: MakeReport) -> None:
    text = "a\nb\nc\n    '𐐀é文' + low"
    (suggestion,) = line_of(report(finding("    '𐐀é文' + low", new="höch")))["suggestions"]
    assert applied(text, suggestion) == "a\nb\nc\n    '𐐀é文' + höch"


def test_a_fix_of_several_parts_is_one_suggestion(finding: MakeFinding, report: MakeReport) -> None:
    lines = ["é", "b", "c", "é low = low", "é low", "", "𐐀 low)"]
    fix = (
        Replacement(4, 3, 4, 6, "x"),
        Replacement(4, 9, 4, 12, "yy"),
        Replacement(5, 3, 5, 6, ""),
        Replacement(7, 3, 7, 6, "z\nz"),
    )
    made = report(finding(lines[3], fix=fix), lines=dict(enumerate(lines, 1)))
    (suggestion,) = line_of(made)["suggestions"]
    assert applied("\n".join(lines), suggestion) == "é\nb\nc\né x = yy\né \n\n𐐀 z\nz)"


def test_a_fix_whose_columns_cannot_be_counted_is_no_suggestion(finding: MakeFinding, report: MakeReport) -> None:
    assert "suggestions" not in line_of(report(finding(fix=(Replacement(4, 5, 6, 3, "x"),))))
    assert "suggestions" not in line_of(report(finding(fix=())))


def test_a_whole_line_can_be_taken_out_though_the_next_is_not_known(finding: MakeFinding, report: MakeReport) -> None:
    (suggestion,) = line_of(report(finding(fix=(Replacement(4, 1, 5, 1, ""),))))["suggestions"]
    assert applied("1\n2\n3\n    return low + high\n5", suggestion) == "1\n2\n3\n5"


def test_a_finding_to_a_line_that_is_not_known_is_one_of_whole_lines(finding: MakeFinding, report: MakeReport) -> None:
    where = line_of(report(finding(end_line=6, end_column=4, fix=())))["location"]["range"]
    assert where == {"start": {"line": 4}, "end": {"line": 6}}


def test_a_related_place_has_a_column_where_its_line_is_known(finding: MakeFinding, report: MakeReport) -> None:
    related = (Related("a.py", 9, 3, "here"), Related("other.py", 9, 3, "there"))
    found = line_of(report(finding(related=related), lines={9: "éé x"}))["related_locations"]
    assert [place["location"]["range"]["start"] for place in found] == [{"line": 9, "column": 5}, {"line": 9}]


def test_paths_count_from_the_working_directory(
    finding: MakeFinding, report: MakeReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path / "src")
    assert line_of(report(finding(path="src/a.py")))["location"]["path"] == "a.py"
    assert line_of(report(finding(path="b.py")))["location"]["path"] == "../b.py"
    here = Report(report(finding(path="c.py")).review, "", Paths(Path.cwd(), tmp_path))
    assert line_of(here)["location"]["path"] == "c.py"


def test_no_line_is_longer_than_reviewdog_reads(finding: MakeFinding, report: MakeReport) -> None:
    """It ends without a word at a line of 64 KiB, and what follows would be lost."""
    endless = finding(new="é" * 40_000, message="m", evidence="")
    lines = FORMATS["rdjsonl"](report(endless, finding(message="é" * 40_000), finding())).split("\n")
    assert all(len(line.encode()) < 64 * 1024 for line in lines)
    assert [("suggestions" in json.loads(line)) for line in lines] == [False, False, True]
