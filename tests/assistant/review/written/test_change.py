"""What an alternative does to what is written."""

from __future__ import annotations

import pytest

from dsassist.review.written.change import CHANGES, change_of, tokens_of


@pytest.mark.parametrize(
    ("original", "alternative", "change"),
    [
        ("a", "a and b", "missing-guard"),
        ("a.b", "a and a.b", "missing-guard"),
        ("a", "a || b", "missing-guard"),
        ("a", "(a or b)", "missing-guard"),
        ("a", "a if b else c", "missing-part"),
        ("a", "b ? a : c", "missing-part"),
        ("(a)", "(a, b)", "missing-argument"),
        ("()", "(a)", "missing-argument"),
        ("(a)", "(a, b=1)", "missing-argument"),
        ("g(a)", "g(a, key=h(b))", "missing-argument"),
        ("a", "list(a)", "missing-call"),
        ("g(a)", "g(list(a))", "missing-call"),
        ("a", "a.strip()", "missing-call"),
        ("a", "not a", "missing-part"),
        ("a", "a[0]", "missing-part"),
        ("return", "return a", "missing-part"),
        ("a", "a.b", "missing-part"),
        ("a and b", "a", "superfluous-part"),
        ("(a, b)", "(a)", "superfluous-part"),
        ("a", "b", "other-expression"),
        ("a.b", "a.c", "other-expression"),
        ("a < b", "a <= b", "other-expression"),
        ("a.b(c)", "d[c]", "other-expression"),
        ("a = b(c, d, e, f)", "g = b(c, d, e, h)", "other-line"),
        ("1", "a", "other-expression"),
        # No model can know which number or text is meant.
        ("1", "2", None),
        ("g(1, a)", "g(2, a)", None),
        ('"a"', '"b"', None),
        ("a == True", "a == None", None),
        # The same to a reader.
        ("'a'", '"a"', None),
        ("g(a, b,)", "g( a, b )", None),
        ("g(a,\n  b)", "g(a, b)", None),
    ],
)
def test_change(original: str, alternative: str, change: str | None) -> None:
    assert change_of(original, alternative) == change


def test_each_class_is_a_family_with_a_code_of_its_own() -> None:
    from dsassist.review.rules import RULES

    codes = {rule.family: rule.code for rule in RULES}
    assert [codes[change] for change in CHANGES] == [f"DSA14{i}" for i in range(1, 8)]


def test_tokens_keep_what_stands_in_strings() -> None:
    assert tokens_of("""f'a, b' + r"c # d" """) == ('f"a, b"', "+", 'r"c # d"')
