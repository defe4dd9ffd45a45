from __future__ import annotations

import pytest

from dsassist.syntax.validity import Validity, Verdict


def verdict(language: str | None, document: str, replacement: str, replaced: int = 0) -> Verdict:
    before, after = document.split("|")
    validity = Validity(language, before + after, len(before))
    return validity.judge(len(before) + replaced, replacement)


@pytest.mark.parametrize(
    ("language", "document", "replacement"),
    [
        ("python", "x = |\n", "1"),
        ("python", "def f():\n    |\n", "return 1"),
        ("python", "def f():\n    |\n", "if a:\n        return 1"),
        ("python", "call(\n    a,\n    |\n", "b)"),
        ("python", "@|\ndef f(): ...\n", "cache"),
        ("python", "%matplotlib inline\n|\n", "x = 1"),
        ("python", "|\n", "%time f()"),
        ("python", "class A:\n    x = 1\n    |\n\n    def f(self): ...\n", "y = 2"),
        ("python", "def broken(:\n    pass\n\ndef f():\n    return |\n", "1"),
        ("python", "x = '\ud83d'; y = |\n", "1"),
        ("python", "rows = |\n", "await fetch()"),  # a notebook's cell
        ("python", "def f():\n    n = 0\n    def g():\n        |\n", "nonlocal n\n        n += 1"),
        ("python", "x = 1\r\nif x:\r\n    |\r\n", "y = 2\r\n    z = 3"),
        ("javascript", "if (a) {\n  |\n}\n", "b();"),
        ("go", "package a\n\nfunc f() int {\n\t|\n}\n", "return 1"),
        ("json", '{"a": |}\n', "1"),
        ("yaml", "a:\n  |\n", "b: 1"),
    ],
)
def test_a_text_that_fits_is_clean(language: str, document: str, replacement: str) -> None:
    assert verdict(language, document, replacement) is Verdict.CLEAN


@pytest.mark.parametrize(
    ("language", "document", "replacement"),
    [
        ("python", "x = 1\n|\n", "y = (2"),
        ("python", "x = 1\n|\n", "    y = 2"),  # the indentation, on which tree-sitter is lenient
        ("python", "def f():\n    x = 1\n    |\n    return x\n", "if x:"),
        ("python", "def f():\n    return 1\n|\n", "  x = 1"),
        ("python", "try:\n    x = 1\nexcept E:\n    pass\n|\n", "else"),
        ("python", "call(\n    ok=True,\n    |\n)\n", "ok=True,"),
        ("python", "def f(a, |): ...\n", "a"),
        ("python", "def f():\n    x = 1\n    |\n", "await g()"),
        ("python", "if x:\n    |\n", "break"),
        ("javascript", "f();\n|\n", "}"),
        ("json", '{"a": 1|}\n', ", 2"),
        ("rust", "fn f() {\n    |\n}\n", "let x = (1;"),
    ],
)
def test_a_text_that_adds_an_error_is_worse(language: str, document: str, replacement: str) -> None:
    assert verdict(language, document, replacement) is Verdict.WORSE


@pytest.mark.parametrize(
    ("language", "document", "replacement"),
    [("python", "for x in |\n", "items:"), ("javascript", "if (a |\n", "&& b) {"), ("python", "@|\n", "cache")],
)
def test_a_head_without_its_body_is_no_worse_than_its_beginning(language: str, document: str, replacement: str) -> None:
    assert verdict(language, document, replacement) is Verdict.NO_WORSE


def test_what_is_replaced_counts() -> None:
    assert verdict("javascript", "f(|);\n", "a);", replaced=2) is Verdict.CLEAN
    assert verdict("javascript", "f(|);\n", "a);") is Verdict.WORSE


def test_a_closer_that_the_document_lacks_is_clean() -> None:
    assert verdict("javascript", "function f() {\n  |\n", "g();\n}") is Verdict.CLEAN
    assert verdict("javascript", "function f() {\n  |\n}\n", "g();\n}") is Verdict.WORSE


def test_without_a_language_everything_is_clean() -> None:
    assert verdict(None, "x = |\n", "(((") is Verdict.CLEAN


def test_a_doubtful_escape_in_the_file_warns_nobody() -> None:
    assert verdict("python", "x = '\\d'; y = |\n", "1") is Verdict.CLEAN


def test_a_syntax_deeper_than_python_reads_is_not_judged_by_it() -> None:
    deep = "x = " + "(" * 400 + "1" + ")" * 400
    assert verdict("python", f"{deep}\ny = |\n", "1") is Verdict.CLEAN
