"""How answers are judged, and what llama.vim makes of a model's text."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from dsassist.bench.fim import vim
from dsassist.bench.fim.answer import Shown, judge
from dsassist.bench.fim.hole import Hole, Kind, Visit


def hole(marked: str, kind: Kind = "line", language: str = "python") -> Hole:
    """A hole from a text in which ⟦ and ⟧ stand around what is cut out."""
    before, rest = marked.split("⟦")
    expected, after = rest.split("⟧")
    path = {"python": "a.py", "go": "a.go"}[language]
    return Hole(Path(), "r", "c", path, language, kind, kind, before + after, len(before), expected)


def at_cursor(found: Hole, text: str, n_replaced: int = 0) -> Shown:
    return Shown(text, found.offset, found.offset + n_replaced)


LINE = hole("def f(a):\n    total = 0\n    ⟦for b in a: total += b⟧\n    return total\n")
BLOCK = hole("def f(a):\n    ⟦b = a + 1\n    return b⟧\n\n\nf(1)\n", "block")
CLOSERS = hole("x = f(a, ⟦b)(c⟧)\ny = 2\n", "mid-line")


def test_what_the_person_wrote_is_right_in_every_way() -> None:
    for found in (LINE, BLOCK, CLOSERS):
        verdict = judge(found, at_cursor(found, found.expected))
        assert verdict.shown
        assert verdict.first_line
        assert verdict.whole
        assert verdict.next_line
        assert verdict.parses
        assert verdict.adds_no_error
        assert verdict.similarity == 100.0
        assert not verdict.repeats_suffix


def test_blanks_at_the_ends_of_lines_do_not_count() -> None:
    assert judge(BLOCK, at_cursor(BLOCK, "b = a + 1  \n    return b \n")).whole


def test_a_right_first_line_of_a_block_is_not_the_whole_hole() -> None:
    verdict = judge(BLOCK, at_cursor(BLOCK, "b = a + 1"))
    assert verdict.first_line
    assert not verdict.whole
    assert 0.0 < verdict.similarity < 100.0


def test_a_text_that_replaces_the_closing_bracket_is_as_right_as_one_before_it() -> None:
    assert judge(CLOSERS, at_cursor(CLOSERS, "b)(c)", n_replaced=1)).whole
    assert not judge(CLOSERS, at_cursor(CLOSERS, "b)(c)")).whole


def test_other_blanks_within_the_line_are_only_right_as_the_next_line() -> None:
    verdict = judge(LINE, at_cursor(LINE, "for b in a:  total+=b"))
    assert verdict.next_line
    assert not verdict.first_line


@pytest.mark.parametrize("text", ["", " \n  "])
def test_a_blank_text_is_not_shown(text: str) -> None:
    assert not judge(LINE, at_cursor(LINE, text)).shown
    assert not judge(LINE, None).shown


@pytest.mark.parametrize(
    ("found", "text", "adds_no_error", "parses"),
    [
        (LINE, "total = sum(a)", True, True),
        (LINE, "total = sum(a", False, False),
        (LINE, "if a:", False, False),
        (BLOCK, "if a:", False, False),
        (BLOCK, "pass\nreturn", False, False),
        (hole("x = f(⟦a)⟧\n", "mid-line"), "a,", True, False),  # half typed as before
        (hole("x = f(⟦a)⟧\n", "mid-line"), "a))", True, False),
        (hole("x = ⟦1⟧\n", "mid-line"), "1)", True, False),
        (hole("x = a⟦b⟧\n", "mid-line"), "b)", False, False),
        (hole("func f() {\n\t⟦g()⟧\n}\n", language="go"), "g(", False, False),
        (hole("func f() {\n\t⟦g()⟧\n}\n", language="go"), "h()", True, True),
    ],
)
def test_syntax_errors_are_found(found: Hole, text: str, adds_no_error: bool, parses: bool) -> None:
    verdict = judge(found, at_cursor(found, text))
    assert (verdict.adds_no_error, verdict.parses) == (adds_no_error, parses)


@pytest.mark.parametrize(
    ("found", "text", "repeats"),
    [
        (LINE, "total = 1\n    return total", True),
        (LINE, "return total", True),
        (LINE, "return total + 1", False),
        (CLOSERS, "b)(c)", True),
        (CLOSERS, "b(c)", False),  # what it closes it has opened
        (hole("f(⟦a⟧, b)\n", "mid-line"), "a, b)", True),
        (hole("func f() {\n\t⟦g()⟧\n}\n", language="go"), "g()\n}", True),
        (hole("func f() {\n\t⟦g()⟧\n}\n", language="go"), "if a {\n\t\tg()\n\t}", False),
    ],
)
def test_a_repeated_suffix_is_found(found: Hole, text: str, repeats: bool) -> None:
    assert judge(found, at_cursor(found, text)).repeats_suffix == repeats


def vim_shows(found: Hole, content: str) -> str | None:
    """The document after accepting what llama.vim shows."""
    shown = vim.shown(found, content)
    return None if shown is None else found.text[: shown.start] + shown.text + found.text[shown.end :]


def test_vim_takes_the_indentation_off_that_stands_there() -> None:
    assert vim_shows(LINE, "    for b in a: total += b\n") == LINE.whole


def test_vim_keeps_a_text_that_leaves_the_block() -> None:
    assert vim_shows(LINE, "x = 1") == LINE.text.replace("\n    \n", "\nx = 1\n")


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\n\n",
        "   ",
        "    return total\n",  # the next line
        "    return total\n\n",
        "\n    return total",  # an empty line, and the next one
    ],
)
def test_vim_shows_nothing_of_a_plain_repetition(content: str) -> None:
    assert vim_shows(LINE, content) is None


def test_vim_shows_nothing_of_what_stands_right_of_the_cursor() -> None:
    assert vim_shows(CLOSERS, ")") is None
    assert vim_shows(CLOSERS, "b))") == CLOSERS.text.replace("a, )", "a, b)))")


def test_vim_sends_an_empty_line_without_its_indentation() -> None:
    body = vim.request_body(LINE, [], 1)
    assert body["input_prefix"] == "def f(a):\n    total = 0\n"
    assert (body["prompt"], body["n_indent"]) == ("", 0)
    assert body["input_suffix"] == "\n    return total\n\n"


def test_vim_sends_at_most_256_lines_above_and_64_below() -> None:
    found = hole("".join(f"a{n} = {n}\n" for n in range(300)) + "b = ⟦1⟧\n" + "c = 2\n" * 100, "mid-line")
    body = vim.request_body(found, [], 1)
    assert body["input_prefix"].split("\n")[0] == "a44 = 44"
    assert body["prompt"] == "b = "
    assert body["input_suffix"].count("c = 2") == 64


def test_vims_ring_leaves_out_what_is_like_the_view_or_like_another_chunk() -> None:
    other = "".join(f"def other_{n}(value_{n}):\n    return value_{n} * {n}\n" for n in range(10))
    visits = [
        Visit("like.py", LINE.text, 0),
        Visit("one.py", other, 3),
        Visit("two.py", other, 3),
        Visit("s.py", "x", 0),
    ]
    assert [chunk["filename"] for chunk in vim.chunks(LINE, visits, Random(1))] == ["two.py"]
