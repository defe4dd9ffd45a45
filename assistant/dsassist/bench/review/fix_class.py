"""What a one-line fix did, by the difference of the line's tokens: the classes of docs/benchmarks.md.

Tokens are the leaves of the syntax tree, a piece of a string being one, so a change inside of a string is no change of
operators. Comments and blanks do not count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

from dsassist.review.source import Source

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["FIX_CLASSES", "FixClass", "Token", "fix_class", "tokens_of_line"]

FixClass = Literal[
    "another expression",
    "guard added",
    "something inserted",
    "call wrapped around or inserted",
    "text of a string",
    "argument added",
    "another name, in the function",
    "another name, in the file",
    "another name, new",
    "several places",
    "another attribute",
    "something deleted",
    "argument removed",
    "another comparison",
    "condition lost a part",
    "conditional added",
    "number, constant, not, and/or, await",
]
FIX_CLASSES: tuple[FixClass, ...] = get_args(FixClass)

_WHOLE = ("string_content", "comment", "is not", "not in")
_STRING = ("string_start", "string_content", "string_end")
_CONSTANTS = ("integer", "float", "true", "false", "none")
_COMPARISONS = {"<", "<=", ">", ">=", "==", "!=", "is", "in", "is not", "not in"}
_CONNECTIVES = {"and", "or"}
_WORDS = {"not", "await"}
_APART = 4  # tokens


class Token(NamedTuple):
    """A leaf of the tree: its type, its text, and the type of the node around it."""

    type: str
    text: str
    around: str


@dataclass(frozen=True)
class _Hunk:
    """Tokens that gave way to others, at [start, end) of the new line; `before` and `after` stand around them there."""

    old: tuple[Token, ...]
    new: tuple[Token, ...]
    start: int
    end: int
    before: Token | None
    after: Token | None


def tokens_of_line(source: Source, line: int) -> list[Token]:
    """The tokens of a line, counted from 1; of a longer string the part that stands there."""
    found = []
    for node in _leaves(source.tree.root_node, line - 1):
        text = source.node_text(node).split("\n")[line - 1 - node.start_point.row].strip()
        if text and node.type not in ("comment", "line_continuation"):
            found.append(Token(node.type, text, "" if node.parent is None else node.parent.type))
    return found


def fix_class(old: Source, new: Source, line: int, function_text: str) -> FixClass | None:
    """The class of a fix of a line; None where only a comment or blanks changed.

    `function_text` is the function before: a name may have been in it, or elsewhere in the file, or be new.
    """
    before, after = tokens_of_line(old, line), tokens_of_line(new, line)
    hunks = list(_hunks(before, after))
    is_apart = any(later.start - earlier.end >= _APART for earlier, later in pairwise(hunks))
    changed = [token for hunk in hunks for token in (*hunk.old, *hunk.new)]
    if not changed:
        return None
    if all(token.type in _STRING for token in changed):
        return "text of a string"
    if not any(hunk.old for hunk in hunks):
        return _inserted(hunks, is_apart=is_apart)
    if not any(hunk.new for hunk in hunks):
        return _deleted(hunks)
    hunk = hunks[0]
    if all((other.old, other.new) == (hunk.old, hunk.new) for other in hunks) and len(hunk.old) == len(hunk.new) == 1:
        return _replaced(hunk, function_text, old.text)
    return "several places" if is_apart else "another expression"


def _leaves(root: Node, row: int) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        if node.start_point.row > row or node.end_point.row < row:
            continue
        if node.children and node.type not in _WHOLE:
            pending += reversed(node.children)
        else:
            yield node


def _hunks(before: Sequence[Token], after: Sequence[Token]) -> Iterator[_Hunk]:
    matcher = SequenceMatcher(None, [token.text for token in before], [token.text for token in after], autojunk=False)
    for operation, i, i_end, j, j_end in matcher.get_opcodes():
        if operation != "equal":
            yield _Hunk(
                tuple(before[i:i_end]),
                tuple(after[j:j_end]),
                j,
                j_end,
                after[j - 1] if j else None,
                after[j_end] if j_end < len(after) else None,
            )


def _inserted(hunks: Sequence[_Hunk], *, is_apart: bool) -> FixClass:
    texts = [token.text for hunk in hunks for token in hunk.new]
    if len(texts) == 1 and texts[0] in _WORDS:
        return "number, constant, not, and/or, await"
    if _has_connective([hunk.new for hunk in hunks]):
        return "guard added"
    if "if" in texts and "else" in texts:
        return "conditional added"
    if len(hunks) == 1 and _is_argument(hunks[0].new, hunks[0]):
        return "argument added"
    if _is_call(texts, hunks):
        return "call wrapped around or inserted"
    return "several places" if is_apart else "something inserted"


def _deleted(hunks: Sequence[_Hunk]) -> FixClass:
    texts = [token.text for hunk in hunks for token in hunk.old]
    if len(texts) == 1 and texts[0] in _WORDS:
        return "number, constant, not, and/or, await"
    if _has_connective([hunk.old for hunk in hunks]):
        return "condition lost a part"
    if len(hunks) == 1 and _is_argument(hunks[0].old, hunks[0]):
        return "argument removed"
    return "something deleted"


def _has_connective(parts: Sequence[Sequence[Token]]) -> bool:
    """Whether a part begins or ends with `and` or `or`, a bracket that closes what stood there aside."""
    ends = [
        text
        for part in parts
        for tokens in [[token.text for token in part if token.text not in "()"]]
        for text in (tokens[:1] + tokens[-1:])
    ]
    return bool(_CONNECTIVES & set(ends))


def _is_argument(tokens: Sequence[Token], hunk: _Hunk) -> bool:
    """Whether tokens are arguments of a call, with the comma beside them or as the only ones."""
    if any(token.text == "," and token.around == "argument_list" for token in (tokens[0], tokens[-1])):
        return True
    return (
        hunk.before is not None
        and hunk.after is not None
        and (hunk.before.text, hunk.before.around, hunk.after.text) == ("(", "argument_list", ")")
    )


def _is_call(texts: Sequence[str], hunks: Sequence[_Hunk]) -> bool:
    """Whether brackets were put around something, or a method behind it."""
    if texts[-1] != ")" or texts.count("(") != texts.count(")"):
        return False
    is_around = len(hunks) == 2 and hunks[0].new[-1].text == "(" and len(hunks[0].new) > 1
    return is_around or (len(hunks) == 1 and texts[0] == ".")


def _replaced(hunk: _Hunk, function_text: str, file_text: str) -> FixClass:
    old, new = hunk.old[0], hunk.new[0]
    if old.type == new.type == "identifier":
        if hunk.before is not None and hunk.before.text == ".":
            return "another attribute"
        if _has_word(function_text, new.text):
            return "another name, in the function"
        return "another name, in the file" if _has_word(file_text, new.text) else "another name, new"
    if {old.text, new.text} <= _COMPARISONS:
        return "another comparison"
    if {old.text, new.text} <= _CONNECTIVES or (old.type in _CONSTANTS and new.type in _CONSTANTS):
        return "number, constant, not, and/or, await"
    return "another expression"


def _has_word(text: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text) is not None
