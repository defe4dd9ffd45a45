"""Where the hole of a piece of text is, and what a model is asked there: the form of the runtime's own requests.

    other files · above the anchor · below the hole · | the line break, what is typed, and what belongs there

With `begun`, as `dsassist.completion.plan` has it, the prefix ends at the line break above the cursor and the middle
begins with it, so that in training a middle is whole lines from their start: what of the line is typed already and what
is not differs from case to case, and the tokens are the same. Without, the prefix ends at the cursor.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from dsassist.completion.window import without_closers
from dsassist_train.packing.folder import ARGUMENT, BLOCK, CALL, MIDDLE, Span
from dsassist_train.packing.mix import Mix
from dsassist_train.packing.text import DocumentText

__all__ = ["Hole", "hole_in"]

_MOST_LINES = 8
_LEAST_WORDS = re.compile(rb"\w.*\w")
_MOST_SPAN = 400  # bytes of a random one
_TRIES = 4
_SPAN_KINDS = {"call": CALL, "argument": ARGUMENT, "block": BLOCK}


class Hole(NamedTuple):
    """The middle is `[start, end)` of the document; `cursor` is where a person would stand in it."""

    start: int
    end: int
    cursor: int


def hole_in(
    document: DocumentText, spans: Sequence[Span], start: int, end: int, mix: Mix, draw: Random, suffix_bytes: int
) -> Hole:
    """A hole in the piece `[start, end)`; in its last lines, so that at most about `suffix_bytes` follow, or anywhere.

    `spans` are the document's, in order of their starts.
    """
    for span in spans:
        if span.kind == MIDDLE and start <= span.start and span.end <= end:
            return Hole(span.start, span.end, span.start)
    first = document.character_after(max(start, end - suffix_bytes)) if suffix_bytes else start
    if start > 0:  # but for a file's first line, a middle begins at the line break above it
        first = max(first, document.data.find(b"\n", start, end) + 1)
    for _ in range(_TRIES):
        kind = draw.choices(list(mix.kinds), list(mix.kinds.values()))[0]
        begun = draw.random() < mix.begun
        found = _drawn(document, spans, kind, (first, end), draw)
        if found is not None:
            return _asked(document, *found, piece=(start, end), begun=begun)
    return _asked(document, *_random_span(document, (first, end), draw), piece=(start, end), begun=False)


def _drawn(
    document: DocumentText, spans: Sequence[Span], kind: str, within: tuple[int, int], draw: Random
) -> tuple[int, int] | None:
    """The place that is to be written, from the cursor on."""
    if kind == "span":
        return _random_span(document, within, draw)
    if kind in _SPAN_KINDS:
        here = [
            (span.start, span.end)
            for span in spans
            if span.kind == _SPAN_KINDS[kind] and within[0] <= span.start and span.end <= within[1]
        ]
        if here:
            return draw.choice(here)
        if kind != "block":
            return None
    return _lines(document, 1 if kind == "line" else draw.randint(2, _MOST_LINES), within, draw)


def _lines(document: DocumentText, n_lines: int, within: tuple[int, int], draw: Random) -> tuple[int, int] | None:
    """So many lines in a row; the cursor in the first of them, at its first sign or anywhere behind."""
    data, place = document.data, draw.randrange(*within) if within[0] < within[1] else within[0]
    line = max(within[0], data.rfind(b"\n", within[0], place) + 1)
    end = line
    for _ in range(n_lines):
        at = data.find(b"\n", end, within[1])
        end = (at if at >= 0 else within[1]) + 1
        if end >= within[1]:
            break
    end = min(end - 1, within[1])
    if _LEAST_WORDS.search(data, line, end) is None:
        return None
    first = data[line:end].split(b"\n", 1)[0]
    indent = len(first) - len(first.lstrip(b" \t"))
    cursor = line + indent
    if draw.random() < 0.5 and len(first) > indent + 1:
        cursor = document.character_at(draw.randrange(line + indent + 1, line + len(first)))
    return cursor, end


def _random_span(document: DocumentText, within: tuple[int, int], draw: Random) -> tuple[int, int]:
    start = document.character_at(draw.randrange(*within)) if within[0] < within[1] else within[0]
    length = int(_MOST_SPAN ** draw.random())
    return start, document.character_after(min(within[1], start + length))


def _asked(document: DocumentText, cursor: int, end: int, *, piece: tuple[int, int], begun: bool) -> Hole:
    start = cursor
    line_break = document.data.rfind(b"\n", piece[0], cursor)
    if begun and (line_break >= 0 or piece[0] == 0):
        start = max(0, line_break)
        end += _closers(document, end, piece[1])
    return Hole(start, end, cursor)


def _closers(document: DocumentText, end: int, piece_end: int) -> int:
    """How many bytes behind `end` only close what is open, up to the line's end: the runtime leaves them out."""
    line_end = document.data.find(b"\n", end, piece_end)
    rest = document.data[end : line_end if line_end >= 0 else piece_end].decode("utf-8")
    return 0 if without_closers(rest) else len(rest.encode())
