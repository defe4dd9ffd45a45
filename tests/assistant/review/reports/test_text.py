"""The report for a person."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dsassist import output
from dsassist.review.changes import Skipped
from dsassist.review.findings import Finding, Related, Replacement
from dsassist.review.reports import FORMATS, Report, findings_text
from dsassist.review.reports.display import width

MakeFinding = Callable[..., Finding]
MakeReport = Callable[..., Report]

BESIDE = "`high` is 1,600 times as likely here (+7.4 nats)"


def test_a_clean_review_has_no_text(report: MakeReport) -> None:
    assert findings_text(report()) == ""


def test_a_finding_is_its_place_the_marked_line_and_the_evidence(finding: MakeFinding, report: MakeReport) -> None:
    assert findings_text(report(finding())) == (
        "a.py:4:12: warning: `low` may be meant to be `high` [DSA101]\n"
        "    4 |     return low + high\n"
        f"      |            ^^^ {BESIDE}"
    )


def test_the_evidence_moves_below_where_80_columns_do_not_hold_it(finding: MakeFinding, report: MakeReport) -> None:
    text = findings_text(report(finding("    return one_long_name + another_one < low")))
    *_, mark, evidence = text.split("\n")
    assert mark.endswith("^^^")
    assert evidence == f"      = {BESIDE}"


def test_long_evidence_is_wrapped_at_80_columns(finding: MakeFinding, report: MakeReport) -> None:
    text = findings_text(report(finding(evidence="as said here and again " * 10)))
    _, line, mark, *evidence = text.split("\n")
    assert len(evidence) > 2
    assert all(part.startswith("      = " if part is evidence[0] else "        ") for part in evidence)
    assert all(len(part) <= 80 for part in [line, mark, *evidence])


@pytest.mark.parametrize(
    "line",
    [
        "\tif low:",
        "  \tx =\tlow",
        "    文字列 = low",
        "    cafe\u0301 = low",
        "    x = '𐐀🎉' + low",
        "x = '\x1b[31m\u202e' + low",
    ],
)
def test_the_mark_stands_below_its_word_on_the_screen(line: str, finding: MakeFinding, report: MakeReport) -> None:
    _, shown, mark, *_ = findings_text(report(finding(line))).split("\n")
    before, marked, _ = mark.partition("^^^")
    assert marked == "^^^"
    assert width(before) == width(shown[: shown.index("low")])


@pytest.mark.parametrize("at", [0, 30, 90, 500, 990])
def test_of_a_long_line_the_part_around_the_word_is_shown(at: int, finding: MakeFinding, report: MakeReport) -> None:
    line = "a" * at + " low " + "b" * (1000 - at)
    _, shown, mark, *_ = findings_text(report(finding(line))).split("\n")
    assert shown[mark.index("^") :].startswith("low")
    assert len(shown) <= 80
    assert ("…" in shown[:12]) == (at > 70)
    assert shown.endswith("…") == (at < 990)


def test_a_word_that_is_longer_than_the_screen_is_marked_as_far_as_it_is_shown(
    finding: MakeFinding, report: MakeReport
) -> None:
    _, shown, mark, *_ = findings_text(report(finding(f"x = {'w' * 300}", "w" * 300))).split("\n")
    assert len(mark) <= len(shown) <= 80


def test_a_finding_over_several_lines_is_marked_to_the_end_of_its_first(
    finding: MakeFinding, report: MakeReport
) -> None:
    _, shown, mark, *_ = findings_text(report(finding(end_line=9, end_column=2))).split("\n")
    assert mark.count("^") == len("low + high")
    assert mark.index("^") == shown.index("low")


def test_a_fix_that_the_words_do_not_tell_is_a_diff(finding: MakeFinding, report: MakeReport) -> None:
    guarded = finding("    return low", "low", "low if low else 0", message="a guard is missing", evidence="")
    assert findings_text(report(guarded)).split("\n")[3:] == [
        "      = fix:",
        "      -     return low",
        "      +     return low if low else 0",
    ]


def test_a_fix_of_other_lines_says_from_which_on(finding: MakeFinding, report: MakeReport) -> None:
    fix = (Replacement(9, 5, 9, 8, "new"), Replacement(10, 5, 10, 8, "new"))
    made = report(finding(fix=fix), lines={9: "    old()", 10: "    old(2)"})
    assert findings_text(made).split("\n")[3:] == [
        "      = fix from line 9 on:",
        "      -     old()",
        "      -     old(2)",
        "      +     new()",
        "      +     new(2)",
    ]


def test_a_long_fix_is_cut_and_counted(finding: MakeFinding, report: MakeReport) -> None:
    made = report(finding(fix=(Replacement(4, 5, 4, 8, "\n".join("abcdefg")),)))
    assert findings_text(made).split("\n")[-1] == "      + (3 more)"


def test_a_fix_whose_lines_are_not_known_is_left_out(finding: MakeFinding, report: MakeReport) -> None:
    text = findings_text(report(finding(fix=(Replacement(9, 5, 9, 8, "new"),))))
    assert "fix" not in text


def test_related_places_are_notes(finding: MakeFinding, report: MakeReport) -> None:
    related = (Related("b.py", 7, 2, "`low` is still used here"), Related("odd\nname.py", 1, 1, "and here"))
    assert findings_text(report(finding(related=related))).split("\n")[3:] == [
        "b.py:7:2: note: `low` is still used here",
        "odd\\nname.py:1:1: note: and here",
    ]


def test_a_file_has_no_colour_and_ends_with_what_was_reviewed_and_what_was_not(
    finding: MakeFinding, report: MakeReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(output, "_mode", "always")
    made = report(finding(), skipped=(Skipped("b.js", "not Python"),))
    assert "\x1b[" in findings_text(made)
    text = FORMATS["text"](made)
    assert "\x1b[" not in text
    assert text.endswith(
        "\n\nreviewed 3 functions in 2 files with some-model in 4.9 s; not reviewed: b.js (not Python)"
    )


def test_names_cannot_begin_a_line_of_the_summary(report: MakeReport) -> None:
    text = FORMATS["text"](report(skipped=(Skipped("a\n::error::b.js", "not\rPython"),)))
    assert text.split("\n") == [
        "reviewed 3 functions in 2 files with some-model in 4.9 s; not reviewed: a\\n::error::b.js (not\\x0dPython)"
    ]


def test_what_was_kept_quiet_is_counted(report: MakeReport) -> None:
    assert FORMATS["text"](report(found=12, suppressed=2, baselined=1)) == (
        "reviewed 3 functions in 2 files with some-model in 4.9 s; 0 of 12 findings shown, the strongest; "
        "2 ignored by comments; 1 in the baseline"
    )
