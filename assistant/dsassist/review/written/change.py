"""What an alternative does to the text that it replaces, by the difference of their tokens.

The classes are those of one-line fixes that people make (docs/review.md), and each is a family of findings: what the
model gains by a guard says nothing about what it gains by another name. Tokens are read without a grammar, alike in all
languages; blanks, kinds of quotes and a comma that only ends a list make no difference.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple, get_args

from dsassist.review.grammars import words_of

__all__ = ["CHANGES", "Change", "change_of", "tokens_of"]

Change = Literal[
    "missing-guard",
    "missing-argument",
    "missing-call",
    "missing-part",
    "superfluous-part",
    "other-expression",
    "other-line",
]
CHANGES: tuple[Change, ...] = get_args(Change)

_TOKEN = re.compile(
    r"""(?P<string>[A-Za-z]{0,2}(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''
            |"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`))
      | (?P<number>\d[\w.]*)
      | (?P<word>\w+)
      | (?P<sign>===|!==|\*\*=|//=|<<=|>>=|\.\.\.|=>|->|:=|\?\.|\?\?|::|&&|\|\||\*\*|//|<<|>>|[-+*/%&|^<>=!@]=|\S)""",
    re.VERBOSE | re.DOTALL,
)
_QUOTE = re.compile(r"^([A-Za-z]{0,2})'([^\"\\]*)'$")
_CONSTANTS = words_of("True False None true false null undefined nil nullptr")
_CONNECTIVES = frozenset(("and", "or", "&&", "||", "??"))
_CONDITIONALS = (("if", "else"), ("?", ":"))
_CLOSERS = frozenset(")]}")
_APART = 4  # tokens


class _Token(NamedTuple):
    kind: str
    text: str


class _Hunk(NamedTuple):
    """Tokens that gave way to others, with those on either side in the new text; [start, end) is their place there."""

    old: list[_Token]
    new: list[_Token]
    start: int
    end: int


def tokens_of(text: str) -> tuple[str, ...]:
    """The tokens of a text, brought to one form: two texts of the same tokens are the same to a reader."""
    return tuple(token.text for token in _tokens(text))


def change_of(original: str, alternative: str) -> Change | None:
    """The class; None where only a literal changes, which no model can know, or nothing does."""
    before, after = _tokens(original), _tokens(alternative)
    hunks = _hunks(before, after)
    if not hunks or _is_about_literals(hunks):
        return None
    if not any(hunk.old for hunk in hunks):
        return _of_inserted(hunks, after)
    if not any(hunk.new for hunk in hunks):
        return "superfluous-part"
    return "other-line" if hunks[-1].start - hunks[0].end >= _APART else "other-expression"


def _tokens(text: str) -> list[_Token]:
    found = [_Token(str(each.lastgroup), _QUOTE.sub(r'\1"\2"', each.group())) for each in _TOKEN.finditer(text)]
    return [
        token
        for token, following in zip(found, [*found[1:], None], strict=True)
        if not (token.text == "," and following is not None and following.text in _CLOSERS)
    ]


def _hunks(before: Sequence[_Token], after: Sequence[_Token]) -> list[_Hunk]:
    """The differing places. Equal ends are taken off first: `g(a)` and `g(a, h(b))` then differ in one."""
    head = _n_equal(before, after)
    tail = _n_equal(before[head:][::-1], after[head:][::-1])
    old, new = before[head : len(before) - tail], after[head : len(after) - tail]
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    return [
        _Hunk(list(old[i:i_end]), list(new[j:j_end]), head + j, head + j_end)
        for operation, i, i_end, j, j_end in matcher.get_opcodes()
        if operation != "equal"
    ]


def _n_equal(one: Sequence[_Token], other: Sequence[_Token]) -> int:
    """How many tokens both begin with."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(one), len(other)))


def _is_about_literals(hunks: Sequence[_Hunk]) -> bool:
    """Whether literals gave way to literals, in each place one to one."""
    return all(
        len(hunk.old) == len(hunk.new) and all(_is_literal(token) for token in (*hunk.old, *hunk.new)) for hunk in hunks
    )


def _is_literal(token: _Token) -> bool:
    return token.kind in ("string", "number") or token.text in _CONSTANTS


def _of_inserted(hunks: Sequence[_Hunk], after: Sequence[_Token]) -> Change:
    texts = [token.text for hunk in hunks for token in hunk.new]
    if any(_CONNECTIVES & set(_ends([token.text for token in hunk.new])) for hunk in hunks):
        return "missing-guard"
    if any(first in texts and second in texts for first, second in _CONDITIONALS):
        return "missing-part"
    if len(hunks) == 1 and _is_argument(hunks[0], after):
        return "missing-argument"
    return "missing-call" if _is_call(hunks, texts) else "missing-part"


def _ends(texts: Sequence[str]) -> list[str]:
    """The first and the last, brackets aside that close what stood there."""
    inner = [text for text in texts if text not in ("(", ")")]
    return inner[:1] + inner[-1:]


def _is_argument(hunk: _Hunk, after: Sequence[_Token]) -> bool:
    """Whether a comma joins what is inserted to a list, or it is all that stands between brackets."""
    if "," in (hunk.new[0].text, hunk.new[-1].text):
        return True
    before, behind = after[hunk.start - 1 : hunk.start], after[hunk.end : hunk.end + 1]
    return [token.text for token in (*before, *behind)] == ["(", ")"]


def _is_call(hunks: Sequence[_Hunk], texts: Sequence[str]) -> bool:
    """Whether a call was put around something, or one of a method behind it."""
    if texts[-1] != ")" or texts.count("(") != texts.count(")"):
        return False
    is_around = len(hunks) == 2 and hunks[0].new[-1].text == "(" and len(hunks[0].new) > 1
    return is_around or (len(hunks) == 1 and texts[0] == ".")
