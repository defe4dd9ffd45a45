"""What an edit says of an offer, for clients that say nothing."""

from __future__ import annotations

import pytest

from dsassist.ledger.inference import LiveOffer, after_change

# The cursor is the bar; an offer for it stands behind the arrow.


def live(before: str, text: str, replaced: int = 0) -> LiveOffer:
    start = before.index("|")
    return LiveOffer(1, before.replace("|", ""), start, start + replaced, text)


@pytest.mark.parametrize(
    ("before", "text", "replaced", "after", "kind", "left"),
    [
        ("x = |\n", "value + 1", 0, "x = value + 1\n", "accepted", None),
        ("x = |\n", "value\ny = 2", 0, "x = value\ny = 2\n", "accepted", None),
        ("f(|)\n", "first, second)", 1, "f(first, second)\n", "accepted", None),
        ("f(|)\n", "first)[0]", 1, "f(first)[0]\n", "accepted", None),
        ("x = |\n", "value + 1", 0, "x = v\n", "typed", "alue + 1"),
        ("x = |\n", "value + 1", 0, "x = val\n", "typed", "ue + 1"),
        ("x = |\n", "value + 1", 0, "x = value\n", "partly", " + 1"),
        ("f(|)\n", "first, second)", 1, "f(first)\n", "partly", ", second)"),
        ("f(|)\n", "a)", 1, "f(a)\n", "typed through", None),
        ("x = |\n", "ab", 0, "x = ab\n", "typed through", None),
        ("print|\n", "(value)", 0, "print()\n", "typed", "value)"),
        ("x = |\n", "value + 1", 0, "x = other\n", "dismissed", None),
        ("x = |\n", "value + 1", 0, "x = \ny\n", "dismissed", None),
        ("x = |\n", "value + 1", 0, "x =\n", "dismissed", None),
        ("x = |\n", "value + 1", 0, "# up here\nx = \n", "dismissed", None),
        ("x = |\n", "value + 1", 0, "x = value + 12\n", "dismissed", None),
        ("x = |\n", "value + 1", 0, "x = \n", "untouched", "value + 1"),
        ("x = |", "😀😀😀😀", 0, "x = 😀😀😀😀", "accepted", None),
    ],
)
def test_an_edit_is_understood(before: str, text: str, replaced: int, after: str, kind: str, left: str | None) -> None:
    became = after_change(live(before, text, replaced), after)
    assert became.kind == kind
    assert (became.left.text if became.left else None) == left


def test_letter_by_letter_to_the_end_is_typed_through() -> None:
    offer, kinds = live("f(|)", "alpha)", 1), []
    for typed in ("f(a)", "f(al)", "f(alp)", "f(alph)", "f(alpha)"):
        became = after_change(offer, typed)
        kinds.append(became.kind)
        if became.left:
            offer = became.left
    assert kinds == ["typed"] * 4 + ["typed through"]


def test_pieces_taken_one_after_the_other_add_up() -> None:
    first = after_change(live("x = |\n", "alpha + beta + gamma"), "x = alpha\n").left
    assert first is not None
    second = after_change(first, "x = alpha + beta\n").left
    assert second is not None
    assert (second.accepted, second.accepted_from, second.text, second.start) == (12, 4, " + gamma", 16)
    assert after_change(second, "x = alpha + beta + gamma\n").kind == "accepted"


def test_a_bracket_that_was_closed_by_the_editor_belongs_to_what_is_replaced() -> None:
    left = after_change(live("print|\n", "(value)"), "print()\n").left
    assert left is not None
    assert left.document[left.start : left.end] == ")"
    assert after_change(left, "print(value)\n").kind == "accepted"
