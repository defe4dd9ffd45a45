"""Symbols of real code in each language; the files in `symbols/` hold a source and below it what must be found."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsassist.syntax.symbols import symbols

CASES = sorted((Path(__file__).parent / "symbols").glob("*.txt"))
LANGUAGES = [file.stem for file in CASES]


@pytest.mark.parametrize("file", CASES, ids=LANGUAGES)
def test_the_symbols_of_a_language_are_those_written_below_its_source(file: Path) -> None:
    source, _, expected = file.read_text().partition("=====\n")
    found = [
        f"{each.start_line}-{each.end_line} {each.kind} {f'{each.container}.{each.name}'.lstrip('.')}: {each.signature}"
        + (f" -- {each.doc}" if each.doc else "")
        for each in symbols(file.stem, source)
    ]
    assert found == expected.splitlines()


def test_every_language_that_is_promised_has_cases() -> None:
    promised = "python javascript typescript tsx go rust java c cpp ruby php lua bash c_sharp kotlin swift scala"
    assert set(promised.split()) <= set(LANGUAGES)


@pytest.mark.parametrize("file", CASES, ids=LANGUAGES)
def test_half_a_file_gives_symbols_and_no_error(file: Path) -> None:
    source = file.read_text().partition("=====\n")[0]
    for end in range(0, len(source), 37):
        for each in symbols(file.stem, source[:end]):
            assert "\n" not in each.signature
            assert 1 <= each.start_line <= each.end_line <= source[:end].count("\n") + 1


@given(st.text(max_size=200), st.sampled_from(LANGUAGES))
def test_any_text_gives_symbols_on_its_lines(text: str, language: str) -> None:
    n_lines = text.count("\n") + 1
    assert all(1 <= each.start_line <= each.end_line <= n_lines for each in symbols(language, text))


def test_a_language_without_queries_has_no_symbols() -> None:
    assert symbols("json", '{"a": 1}') == []


def test_a_long_signature_is_cut_at_a_word() -> None:
    parameters = ", ".join(f"parameter_{i}: dict[str, int]" for i in range(30))
    (found,) = symbols("python", f"def f({parameters}): pass\n")
    assert len(found.signature) <= 240
    assert found.signature.endswith(" …")


def test_what_stands_inside_a_function_is_local() -> None:
    source = "def outer():\n    class Local:\n        def method(self): ...\n    def inner(): ...\n"
    assert [each.name for each in symbols("python", source)] == ["outer"]


def test_a_comment_behind_other_code_is_no_documentation() -> None:
    found = symbols("python", "x = 1  # about x\ndef f(): ...\n")
    assert [each.doc for each in found] == ["", ""]
