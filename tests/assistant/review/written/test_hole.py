"""What of a model's text fills a hole: tables of a line with its hidden part in brackets, a text, what is taken."""

from __future__ import annotations

import pytest

from dsassist.review.written.hole import Cut, Hole


def hole(line: str, language: str = "python") -> Hole:
    before, _, rest = line.partition("⟦")
    hidden, _, behind = rest.partition("⟧")
    return Hole(before, hidden, behind, language)


@pytest.mark.parametrize(
    ("line", "text", "filling"),
    [
        # Up to what stands behind.
        ("if ⟦a⟧:", "a and b:\n        pass", "a and b"),
        ("if ⟦a⟧:", "a[1:2]:\n", "a[1:2]"),
        ("if ⟦a⟧:", 'a["x:y"]:\n', 'a["x:y"]'),
        ("x = ⟦a⟧ + 1", "b.c + 1\n", "b.c"),
        ("f(⟦a⟧, b)", "a.c, b)\n", "a.c"),
        # The bracket that is closed behind.
        ("f(⟦a⟧)", "a, g(b))\n", "a, g(b)"),
        ("f(⟦⟧)", "a)\nb", "a"),
        ("f(⟦a⟧).g", ")", ""),
        ("f(⟦a⟧, b)", "a)\n", None),
        ("f[⟦a⟧]", "a)", None),
        # One that an earlier line opened.
        ("    ⟦a⟧)", "a, b)\n", "a, b"),
        ("    ⟦a⟧", "a)\n", None),
        # The end of the line, where nothing stands behind but a comment.
        ("return ⟦a⟧", "list(a)\n    x = 1", "list(a)"),
        ("return ⟦a⟧", " list(a)  \n", "list(a)"),
        ("return ⟦a⟧  # why", "list(a)\n", "list(a)"),
        ("return ⟦a⟧", "list(a)  # so", "list(a)"),
        ("x = ⟦a⟧ + 1", "b\n    y = 2", None),
        # A word goes on, and so what stands behind has not begun.
        ("⟦a⟧ in b", "begin b in b", "begin b"),
        # More lines than are hidden.
        ("return ⟦a⟧", "[\n  a,\n]\n", None),
        ("return ⟦[\n  a]⟧", "[\n  b]\n", "[\n  b]"),
        ("f(⟦a,\n  b⟧)", "b,\n  a)", "b,\n  a"),
    ],
)
def test_filling(line: str, text: str, filling: str | None) -> None:
    assert hole(line).cut(text) == Cut(filling)


@pytest.mark.parametrize("text", ["", "a", "a and", "f(a", '"b:'])
def test_a_text_that_may_go_on_is_not_judged_yet(text: str) -> None:
    assert not hole("if ⟦a⟧:").cut(text).is_final


def test_a_text_that_the_model_ended_is_taken_whole_if_its_brackets_are_closed() -> None:
    assert hole("if ⟦a⟧:").cut("a or b", is_ended=True) == Cut("a or b")
    assert hole("if ⟦a⟧:").cut("f(a", is_ended=True).filling is None


def test_each_beginning_of_a_text_is_judged_as_the_whole_or_not_yet() -> None:
    text = "g(a, [b], 'c:d') and e:\n"
    cuts = [hole("if ⟦a⟧:").cut(text[:i]) for i in range(len(text) + 1)]
    assert {cut.filling for cut in cuts if cut.is_final} == {"g(a, [b], 'c:d') and e"}


def test_slashes_begin_a_comment_where_the_language_says_so() -> None:
    assert hole("return ⟦a⟧; // why", "javascript").cut("b; // so") == Cut("b")
    assert hole("return ⟦a⟧", "python").cut("a // b\n") == Cut("a // b")
