from __future__ import annotations

import pytest

from dsassist.completion.ending import Ending
from dsassist.completion.surroundings import bracket_depth, look_around, wrong_closer


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
    assert bracket_depth(text) == depth


@pytest.mark.parametrize(("text", "at"), [("f(a]", 3), ("[(])", 2), ("f(a)", None), ("a]", None), ("('[)'", None)])
def test_a_wrong_closer_is_found_where_it_stands(text: str, at: int | None) -> None:
    assert wrong_closer(text) == at


def test_a_file_on_one_line_costs_no_more_than_a_short_one() -> None:
    """Half a megabyte of it was once scanned with each token: 16 seconds for one line."""
    line = "f(a,[b,{c:1}]);" * 40_000
    around = look_around(line, line)
    assert len(around.line_before) == len(around.line_after) == 1_000
    assert Ending(look_around(line + "\n", "\n" + line)).push("x = 1") == "x = 1"


@pytest.mark.parametrize(
    ("before", "block"),
    [
        ("def f():\n    ", 0),
        ("def f(\n    a,\n) -> int:\n    ", 0),
        ("class A:\n    def f(self):\n        ", 4),
        ("if x:\n", 0),
        ("x = 1\n", None),
        ("    # a comment\n    ", 3),
        ("x = {'a':\n    ", 0),
        ("", None),
    ],
)
def test_a_block_is_due_below_its_opener(before: str, block: int | None) -> None:
    assert look_around(before, "\n").block_indent == block
