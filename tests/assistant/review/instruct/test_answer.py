"""Answers that have not the form that was asked for, from an engine that does not keep to it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from assistant.review.instruct.answering import answer, report, task_of
from dsassist.review.instruct.answer import Report, reports_in
from dsassist.review.instruct.question import Question, question_of

TEXT = "def f(a, b):\n    if a < b:\n        return a\n    return b\n"
IF, THEN = "2> if a < b:", "3> return a"
GOOD = report(IF, "if a > b:")


@pytest.fixture
def question() -> Question:
    found = question_of(task_of(TEXT, lines=(2, 3)))
    assert found is not None
    return found


def test_a_report_names_a_line_and_has_a_family_of_the_list(question: Question) -> None:
    assert reports_in(answer([GOOD]), question) == [Report(2, "asked-condition", "the bound is wrong", "if a > b:")]


def test_thoughts_before_the_answer_are_no_part_of_it(question: Question) -> None:
    assert len(reports_in(f"<think>{answer([])}</think>\n{answer([GOOD])}", question)) == 1


def test_no_more_than_two_are_taken_and_one_of_a_line(question: Question) -> None:
    assert [each.line for each in reports_in(answer([GOOD, GOOD, report(THEN, "return b")]), question)] == [2]
    assert [each.line for each in reports_in(answer([GOOD, report(THEN, "return b")]), question)] == [2, 3]


def test_a_message_is_one_line_of_moderate_length(question: Question) -> None:
    (found,) = reports_in(answer([{**GOOD, "message": "wrong\nb.py:1:1: error: pwned " + "x" * 500}]), question)
    assert found.message.startswith("wrong b.py:1:1: error: pwned xxx")
    assert len(found.message) == 120


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "no bug",
        answer([GOOD])[:-5],
        "[" * 100_000,
        "[]",
        "null",
        '"findings"',
        '{"findings": null}',
        '{"findings": {"anchor": "2> if a < b:"}}',
        '{"findings": [null, 3, "x", []]}',
        json.dumps([GOOD]),
    ],
)
def test_what_is_no_list_of_reports_is_none(question: Question, bad: str) -> None:
    assert reports_in(bad, question) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"anchor": "4> return b"},
        {"anchor": "if a < b:"},
        {"anchor": "other.py:1> if a < b:"},
        {"anchor": 2},
        {"code": "DSA001"},
        {"code": "secret"},
        {"code": None},
        {"message": " \n "},
        {"fix": ""},
        {"fix": "if a > b:\n    import os"},
        {"fix": "if a > b:\u2028import os"},
        {"fix": "if a > b:  # \u202e hidden"},
        {"fix": "x" * 300},
        {"fix": ["if a > b:"]},
        {"severity": "error"},
    ],
)
def test_a_report_with_anything_odd_is_dropped(question: Question, changed: dict[str, Any]) -> None:
    assert reports_in(json.dumps({"findings": [{**GOOD, **changed}]}), question) == []


def test_a_report_that_lacks_a_field_is_dropped(question: Question) -> None:
    for field in GOOD:
        assert reports_in(answer([{key: value for key, value in GOOD.items() if key != field}]), question) == []
