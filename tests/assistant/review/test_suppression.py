"""Comments that keep a finding quiet, in each language's own form, and what only looks like one."""

from __future__ import annotations

import pytest

from dsassist.review.findings import Finding
from dsassist.review.statement import Statements
from dsassist.review.suppression import Suppressions, ignore_comment


def suppressions(text: str, language: str | None = "python") -> Suppressions:
    return Suppressions(text, Statements(language, text))


def covered(text: str, line: int, language: str | None = "python", family: str = "name", column: int = 1) -> bool:
    finding = Finding(
        path="a", line=line, column=column, end_line=line, end_column=column + 1, severity="warning", family=family,
        function="", message="", source_line="",
    )  # fmt: skip
    return suppressions(text, language).covers(finding)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = f(a)  # dsassist: ignore[DSA101]\n", 1),
        ("x = f(a)  # noqa  dsassist:ignore\n", 1),
        ("# dsassist: ignore[DSA103, dsa101] as it is meant\nx = f(a)\n", 2),
        ("# dsassist: ignore\n# and a word about why\n\nx = f(a)\n", 4),
        ("x = f(  # dsassist: ignore\n    a,\n    b,\n)\n", 3),
        ("x = f(\n    a,\n    b,\n)  # dsassist: ignore\n", 2),
        ("# dsassist: ignore\nx = f(\n    a,\n)\n", 3),
        ("x = [\n    a,\n    b,  # dsassist: ignore\n]\n", 3),
        ("# dsassist: ignore-file[DSA101]\nimport os\n\nx = f(a)\n", 4),
    ],
)
def test_a_comment_covers_its_line_and_its_statement(text: str, line: int) -> None:
    assert covered(text, line)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = f(a)\ny = 2  # dsassist: ignore\n", 1),
        ("x = f(a)  # dsassist: ignore\ny = 2\n", 2),
        ("x = f(a)  # dsassist: ignore[DSA102]\n", 1),
        ("x = f(a)  # dsassist: ignore[]\n", 1),
        ("x = f(a)  # dsassist: ignored\n", 1),
        ("x = f('# dsassist: ignore')\n", 1),
        ("x = [\n    a,\n    b,  # dsassist: ignore\n    c,\n]\n", 2),
        ("# dsassist: ignore\nif a:\n    x = f(a)\n", 3),
        ("\n" * 20 + "# dsassist: ignore-file\nx = f(a)\n", 22),
        ("'''\n# dsassist: ignore-file\n'''\nx = f(a)\n", 4),
    ],
)
def test_a_comment_covers_nothing_else(text: str, line: int) -> None:
    content = text.split("\n")[line - 1]
    assert not covered(text, line, column=len(content) - len(content.lstrip()) + 1)


@pytest.mark.parametrize(
    ("language", "text", "line"),
    [
        ("javascript", "f(a); // dsassist: ignore\n", 1),
        ("typescript", "/* dsassist: ignore */\nf(a);\n", 2),
        ("go", "package a\n\nfunc f() {\n\t// dsassist: ignore[DSA101]\n\tg(a)\n}\n", 5),
        ("rust", "fn f() {\n    g(a); // dsassist: ignore\n}\n", 2),
        ("java", "class A {\n  int a = b; // dsassist: ignore\n}\n", 2),
        ("c", "int a = 1; /* dsassist: ignore */\n", 1),
        ("ruby", "f(a) # dsassist: ignore\n", 1),
        ("lua", "f(a) -- dsassist: ignore\n", 1),
        ("html", "<!-- dsassist: ignore -->\n<p>a</p>\n", 2),
        ("css", "a { /* dsassist: ignore */\n  b: c;\n}\n", 1),
        ("yaml", "a: b # dsassist: ignore\n", 1),
        (None, "some text # dsassist: ignore\n", 1),
        (None, "; dsassist: ignore\nkey = 1\n", 2),
    ],
)
def test_each_language_has_its_own_comments(language: str | None, text: str, line: int) -> None:
    column = len(text.split("\n")[line - 1]) - len(text.split("\n")[line - 1].lstrip()) + 1
    assert covered(text, line, language, column=column)


def test_codes_that_no_rule_has_are_named_once() -> None:
    text = "x = 1  # dsassist: ignore[DSA999, DSA101]\ny = 1  # dsassist: ignore[DSA999]\n"
    assert suppressions(text).unknown_codes == ["DSA999"]
    assert suppressions("x = '# dsassist: ignore[DSA999]'\n").unknown_codes == []


@pytest.mark.parametrize("language", ["python", "go", "lua", "css", "html", "typescript"])
def test_the_comment_that_is_written_is_one_that_is_read(language: str) -> None:
    comment = ignore_comment("DSA101", language)
    assert comment is not None
    assert suppressions(f"{comment}\n", language).unknown_codes == []
    line = {"css": "a { b: c }", "html": "<p>a</p>", "go": "package a"}.get(language, "f(a)")
    assert covered(f"{comment}\n{line}\n", 2, language)


def test_a_language_without_comments_has_no_comment() -> None:
    assert ignore_comment("DSA101", "json") is None
    assert ignore_comment("DSA101", None) is None
