"""What an arm answers at a hole, and how an answer is judged against what the person wrote there.

Nothing here knows how a text was made or why it is shown: the checks share no code with those that decide about it.
Blanks at the ends of lines never count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from rapidfuzz.distance import Levenshtein

from dsassist.bench.fim.hole import Hole
from dsassist.bench.handwritten import parses
from dsassist.syntax.parsing import encode, parse_bytes

__all__ = ["Answer", "Shown", "Verdict", "judge"]

_OPENERS, _CLOSERS = "([{", ")]}"


@dataclass(frozen=True)
class Shown:
    """A text on the screen: accepted, it stands in place of the document's `start` to `end` (code points)."""

    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Answer:
    """What came of one request. `shown` is None where nothing is, `reason` says why.

    `unfiltered` is what the same text would show without the confidence filter. Times are from the request's sending;
    the first line is there when it is whole and could be shown.
    """

    shown: Shown | None = None
    unfiltered: Shown | None = None
    probability: float | None = None  # of the first line, to the model
    raw: str = ""
    reason: str = ""
    error: str = ""
    prompt_tokens: int = 0
    evaluated_tokens: int = 0  # of the prompt
    decoded_tokens: int = 0
    first_line_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True)
class Verdict:
    """How good a shown text is; of one that is not shown only `similarity`, 0, and the questions that are False.

    `parses` is the whole file after accepting. `adds_no_error` holds too for a cursor within a line, of a call that is
    half typed, if the file has a syntax error without the text, and no more of them with it.
    """

    shown: bool = False
    first_line: bool = False
    whole: bool = False
    next_line: bool = False  # the first line, whatever blanks are in it
    similarity: float = 0.0  # 0 to 100
    parses: bool = False
    adds_no_error: bool = False
    repeats_suffix: bool = False


def judge(hole: Hole, shown: Shown | None) -> Verdict:
    """Compare what is shown with the file as it stood at the commit."""
    if shown is None or not shown.text.strip():
        return Verdict()
    rest = hole.text[shown.end :]
    accepted = hole.text[: shown.start] + (shown.text.rstrip() if rest.startswith("\n") else shown.text) + rest
    return Verdict(
        shown=True,
        first_line=_first_line_is_right(hole, shown, str.rstrip),
        whole=_lines(accepted) == _lines(hole.whole),
        next_line=_first_line_is_right(hole, shown, _without_blanks),
        similarity=100.0
        * Levenshtein.normalized_similarity(
            _text(shown.text), _text(hole.expected + hole.text[hole.offset : shown.end])
        ),
        parses=parses(hole.language, accepted),
        adds_no_error=_adds_no_error(hole, accepted),
        repeats_suffix=_repeats_suffix(hole, shown),
    )


def _first_line_is_right(hole: Hole, shown: Shown, form: Callable[[str], str]) -> bool:
    """Does the cursor's line read as it did? Of several lines shown, the first may also be followed by nothing."""
    place = hole.place
    first, more, _ = shown.text.partition("\n")
    left, right = hole.text[place.line_start : shown.start], hole.text[shown.end : place.line_end]
    true = form(hole.whole.split("\n")[hole.row])
    return form(left + first + right) == true or (bool(more) and form(left + first) == true)


def _adds_no_error(hole: Hole, accepted: str) -> bool:
    if parses(hole.language, accepted):
        return True
    if hole.kind != "mid-line" or _parses_without(hole):
        return False
    return _n_errors(hole.language, accepted) <= _n_errors(hole.language, hole.text)


@lru_cache(maxsize=4)  # each hole is judged for several arms in turn
def _parses_without(hole: Hole) -> bool:
    return parses(hole.language, hole.text)


def _n_errors(language: str, text: str) -> int:
    """Places that the grammar cannot read, or where it misses something."""
    tree = parse_bytes(language, encode(text))
    nodes = [tree.root_node] if tree is not None else []
    n_errors = 0
    while nodes:
        node = nodes.pop()
        n_errors += node.is_error or node.is_missing
        nodes += [child for child in node.children if child.has_error]
    return n_errors


def _repeats_suffix(hole: Hole, shown: Shown) -> bool:
    """Would accepting write again what stands right of the cursor, or in the next line that is not blank?"""
    right = hole.text[shown.end : hole.place.line_end].strip()
    written, true = shown.text.rstrip(), hole.expected.rstrip()
    if right and written.endswith(right) and not true.endswith(right) and _depth(written) < _depth(true):
        return True
    if len(right) > 1 and any(map(str.isalnum, right)) and right in written and right not in true:
        return True
    below = next((line.strip() for line in hole.text[hole.place.line_end :].split("\n") if line.strip()), "")
    again = [line.strip() for line in written.split("\n")].count(below) if below else 0
    if again <= [line.strip() for line in true.split("\n")].count(below):
        return False
    return any(map(str.isalnum, below)) or _depth(written) < _depth(true)


def _depth(text: str) -> int:
    """Brackets that are opened, less those that are closed."""
    return sum((character in _OPENERS) - (character in _CLOSERS) for character in text)


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().split("\n")]


def _text(text: str) -> str:
    return "\n".join(_lines(text.strip()))


def _without_blanks(line: str) -> str:
    return "".join(line.split())
