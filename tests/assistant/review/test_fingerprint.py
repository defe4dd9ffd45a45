"""A finding's name lasts as long as its statement."""

from __future__ import annotations

import pytest

from dsassist.review.findings import Finding
from dsassist.review.fingerprint import with_fingerprints
from dsassist.review.statement import Statements

TEXT = """\
class Box:
    def area(self, width, height):
        if width < 0:
            return width * width
        return width * width
"""
JS = "class Box {\n  area(width, height) {\n    return width * width;\n  }\n}\n"


def finding(text: str, line: int, column: int = 9, path: str = "a.py") -> Finding:
    return Finding(
        path=path, line=line, column=column, end_line=line, end_column=column + 5, severity="warning", family="name",
        function="Box.area", message="m", source_line=text.split("\n")[line - 1],
    )  # fmt: skip


def name_at(text: str, line: int, *, path: str = "a.py", language: str | None = "python") -> str:
    (found,) = with_fingerprints([finding(text, line, path=path)], Statements(language, text))
    return found.fingerprint


LAST = name_at(TEXT, 5)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("import os\n\n\n" + TEXT, 8),
        (TEXT.replace("if width < 0:", "if height < 1:  # another condition"), 5),
        (TEXT.replace("        return width * width", "        return width  *  width  # both"), 5),
        (TEXT.replace("self, width, height", "self, width, height, depth=1"), 5),
        (TEXT + "\n    def other(self, width):\n        return width * width\n", 5),
    ],
)  # fmt: skip
def test_edits_elsewhere_leave_it_alone(text: str, line: int) -> None:
    assert name_at(text, line) == LAST


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (TEXT.replace("        return width * width", "        return width * height"), 5),
        (TEXT.replace("def area", "def size"), 5),
        (TEXT.replace("class Box", "class Tin"), 5),
        (TEXT.replace("return width * width", "yield width * width"), 5),
    ],
)
def test_it_goes_when_the_statement_or_what_is_around_it_changes(text: str, line: int) -> None:
    assert name_at(text, line) != LAST


def test_equal_statements_of_a_function_have_names_of_their_own() -> None:
    assert name_at(TEXT, 4) != name_at(TEXT, 5)


def test_another_path_has_another_name() -> None:
    assert name_at(TEXT, 5, path="b.py") != LAST


def test_several_findings_of_a_statement_differ() -> None:
    found = with_fingerprints([finding(TEXT, 5, 24), finding(TEXT, 5, 16)], Statements("python", TEXT))
    assert [each.column for each in found] == [16, 24]
    assert found[0].fingerprint != found[1].fingerprint


def test_what_a_condition_guards_is_not_part_of_it() -> None:
    assert name_at(TEXT, 3) == name_at(TEXT.replace("return width * width", "return 0", 1), 3)


def test_text_in_strings_counts_to_the_last_blank() -> None:
    one, other = "f('a  \\n b')\n", "f('a  \\n c')\n"
    names = [name_at(text, 1) for text in (one, other)]
    assert names[0] != names[1]


def test_other_languages_have_statements_too() -> None:
    moved = JS.replace("return", "if (height) {\n      log(height);\n    }\n    return")
    assert name_at(JS, 3, path="a.js", language="javascript") == name_at(moved, 6, path="a.js", language="javascript")


def test_without_a_grammar_the_line_counts_without_its_blanks() -> None:
    assert name_at("width * width\n", 1, language=None) == name_at("\n\n  width  *  width\n", 3, language=None)
    assert name_at("width * width\n", 1, language=None) != name_at("width * height\n", 1, language=None)


def test_a_path_that_is_no_unicode_has_one() -> None:
    assert len(name_at(TEXT, 5, path="a\udce9.py")) == 16
