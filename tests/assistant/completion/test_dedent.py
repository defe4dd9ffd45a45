from __future__ import annotations

import pytest

from dsassist.completion.dedent import Dedent, is_deeper
from dsassist.completion.place import Place


def place(document: str) -> Place:
    before, after = document.split("|")
    return Place(before + after, len(before))


def dedent(*documents: str) -> bool:
    """Is the block left at the last of these cursors, each reached by an edit of the one before?"""
    last: Dedent | None = None
    before: Place | None = None
    for here in map(place, documents):
        last = Dedent.after(last, before, here)
        before = here
    return last is not None and before is not None and last.holds(before)


@pytest.mark.parametrize(
    "documents",
    [
        ("if a:\n    b\n    |\n", "if a:\n    b\n|\n"),
        ("if a:\n\t\tb\n\t\t|", "if a:\n\t\tb\n\t|"),
        ("if a:\r\n    b\r\n    |\r\n", "if a:\r\n    b\r\n  |\r\n"),
        ("if a:\n    b\n        |\n", "if a:\n    b\n|    \n"),  # the editor took the blanks at the line's start
        ("a\n    |", "a\n|", "a\n\n|"),
        ("a\n        |", "a\n    |", "a\n|"),
    ],
)
def test_blanks_taken_from_a_blank_line_leave_the_block(documents: tuple[str, ...]) -> None:
    assert dedent(*documents)


@pytest.mark.parametrize(
    "documents",
    [
        ("if a:\n    b|\n", "if a:\n    |\n"),  # a word was deleted
        ("if a:\n    b|\n", "if a:\n    b\n|\n"),  # an editor that does not indent
        ("if a:\n|\n", "if a:\n    |\n"),
        ("a\n    |", "a\n|", "a\n    |"),  # taken back
        ("a\n    |", "a\n|", "a\nb|"),
        ("a\n    |", "a\n|", "a|"),
        ("a\n    |\n    c", "a\n|\n    c", "a\n\n    c|"),
    ],
)
def test_other_edits_do_not(documents: tuple[str, ...]) -> None:
    assert not dedent(*documents)


def test_a_cursor_of_which_nothing_is_known_leaves_no_block() -> None:
    here = place("a\n|")
    assert Dedent.after(Dedent(2, 0), here, None) is None
    assert Dedent.after(None, None, here) is None


@pytest.mark.parametrize(
    ("document", "text", "deeper"),
    [
        ("a\n|", "    b", True),
        ("a\n|", "b\n    c", False),
        ("a\n    |", "\n        b", True),
        ("a\n    |", "\n    b", False),
        ("a\n    |", "\n\nb", False),
        ("a\n    |", "", False),
        ("a\n|", "    ", False),  # nothing yet
        ("a\n\t|", "\n    b", False),
    ],
)
def test_a_text_is_deeper_by_its_first_line_with_anything_in_it(document: str, text: str, *, deeper: bool) -> None:
    assert is_deeper(text, place(document)) is deeper
