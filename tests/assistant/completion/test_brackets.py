from __future__ import annotations

import pytest

from dsassist.completion.brackets import Brackets, bracket_depth


@pytest.mark.parametrize(
    ("text", "depth"),
    [
        ("f(a, [b", 2),
        ("f(a)", 0),
        (")]", -2),
        ("x = '('", 0),
        ("x = '\\'(' + (", 1),
        ("x = 1  # (", 0),
        ("# (\n(", 1),
        ("it's (\n)", -1),  # an apostrophe opens a string, which ends with its line
        ("", 0),
    ],
)
def test_depth_counts_brackets_outside_strings_and_comments(text: str, depth: int) -> None:
    assert bracket_depth(text, None) == depth


@pytest.mark.parametrize(
    ("language", "text", "depth"),
    [
        ("python", 'f"{a', 1),
        ("python", 'f"{a}', 0),
        ("python", '"{a', 0),
        ("python", '"""\n(\n"""', 0),
        ("python", "a // (b", 1),
        ("javascript", "a; // (", 0),
        ("javascript", "`${f(", 2),
        ("javascript", "`(\n(`", 0),
        ("rust", "fn f<'a>(s: &'a str", 1),
        ("rust", "c == '('", 0),
        ("lua", "a -- (", 0),
        ("bash", "${#a", 1),
        ("bash", 'x="$(f "$0")"', 0),
        ("bash", "start) f", 0),
        ("ruby", '"#{f(', 2),
        ("c", "#define F(", 1),
    ],
)
def test_languages_have_their_own_strings_and_comments(language: str, text: str, depth: int) -> None:
    assert bracket_depth(text, language) == depth


@pytest.mark.parametrize(
    ("text", "events"),
    [
        ("(]", ["open", "wrong"]),
        ("(])", ["open", "wrong", "close"]),
        ("a)", ["", "surplus"]),
        ("'a'", ["open", "", "close"]),
    ],
)
def test_each_character_says_what_it_does(text: str, events: list[str]) -> None:
    brackets = Brackets("python")
    assert [brackets.step(character) for character in text] == events
