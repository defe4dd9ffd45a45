"""A text that is being written while a person types: what is left of it, and whether it still fits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dsassist.completion.draft import Draft, Drafts
from dsassist.completion.plan import prompt_at
from dsassist_runtime.api import GenerationEnd, TextPiece, TokenLogprob

END = GenerationEnd("stop", 10, 0, 4, 1.0, 2.0)


def draft_of(before: str, after: str, *texts: str) -> Draft:
    draft = Draft(before, after, prompt_at(before, after, 100))
    for text in texts:
        draft.push(TextPiece(text, 1, logprobs=(TokenLogprob(0, text, -0.5),)))
    return draft


def rest(draft: Draft, before: str, after: str) -> str | None:
    typed = draft.typed(before, after)
    return None if typed is None else "".join(piece.text for piece in draft.pieces_from(typed))


def test_what_was_typed_is_taken_off() -> None:
    draft = draft_of("x = ", "\n", "foo", "(1)", "\n")
    assert rest(draft, "x = ", "\n") == "foo(1)\n"
    assert rest(draft, "x = fo", "\n") == "o(1)\n"
    assert rest(draft, "x = foo(1)\n", "\n") == ""


def test_other_text_fits_nothing() -> None:
    draft = draft_of("x = ", "\n", "foo")
    assert draft.typed("x = b", "\n") is None
    assert draft.typed("x =", "\n") is None
    assert draft.typed("y = f", "\n") is None
    assert draft.typed("x = f", "\nmore\n") is None


def test_a_bracket_closed_by_the_editor_still_fits() -> None:
    draft = draft_of("x = ", "\n", "foo(", "1)")
    assert rest(draft, "x = foo(", ")\n") == "1)"
    assert rest(draft, 'x = foo("', '")\n') is None
    assert draft.typed("x = foo(", "] + y\n") is None


def test_a_running_text_may_become_what_was_typed_faster() -> None:
    draft = draft_of("x = ", "\n", "fo")
    assert draft.typed("x = foob", "\n") is None
    assert draft.may_become("x = foob", "\n")
    assert not draft.may_become("x = fab", "\n")
    draft.end = END
    assert not draft.may_become("x = foob", "\n")


def test_of_several_drafts_the_one_with_most_left_is_taken() -> None:
    drafts = Drafts()
    long, short = draft_of("x = ", "\n", "foo(1, 2)"), draft_of("x = f", "\n", "oo")
    drafts.add(long)
    drafts.add(short)
    assert drafts.at("x = fo", "\n") == (long, 2)
    assert drafts.at("x = z", "\n") is None


def test_a_place_is_known_again_in_a_large_document_that_changed_far_above() -> None:
    above = "line\n" * 10_000
    draft = draft_of(above + "x = ", "\n" + above, "foo")
    assert draft.typed("new\n" + above + "x = f", "\n" + above + "more") == 1


def test_log_probabilities_go_with_their_text() -> None:
    draft = draft_of("", "", "ab", "cd", "ef")
    pieces = list(draft.pieces_from(3))
    assert [piece.text for piece in pieces] == ["d", "ef"]
    assert [len(piece.logprobs) for piece in pieces] == [0, 1]


@given(st.lists(st.text("ab\n", max_size=4), max_size=8), st.integers(0, 20))
def test_pieces_from_anywhere_make_up_the_rest(texts: list[str], typed: int) -> None:
    draft = draft_of("", "", *texts)
    typed = min(typed, len(draft.text))
    assert "".join(piece.text for piece in draft.pieces_from(typed)) == draft.text[typed:]


def test_enter_between_brackets_moves_the_closing_one_and_the_text_still_fits() -> None:
    draft = draft_of("if a {", "}\nb\n", "\n\treturn\n", "}")
    assert rest(draft, "if a {\n\t", "\n}\nb\n") == "return\n}"
    assert draft.typed("if a {\n\t", "\n}\nc\n") is None
