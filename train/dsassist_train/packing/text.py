"""A document as tokens and as text at once: the ids of any part of it, without encoding again what stays the same.

The pre-tokenizer never joins what stands before and behind a line break whose next line begins with blanks and a
printing sign of ASCII (the run of blanks up to a line break is one pre-token, `\\s*[\\r\\n]+`). There the ids of both
sides are independent of each other, so that of a part of a document only its first and last lines are encoded anew.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from itertools import accumulate

from dsassist_train.tokenizer import Vocabulary

__all__ = ["DocumentText", "Encode"]

_SEAM = re.compile(rb"\n(?=[ \t]*[!-~])")

Encode = Callable[[str], list[int]]


class DocumentText:
    """One document; places in it are bytes, and stand between two characters."""

    def __init__(self, tokens: Sequence[int], vocabulary: Vocabulary, encode: Encode) -> None:
        self._tokens = list(tokens)
        self._encode = encode
        lengths = vocabulary.lengths
        self._ends = [0, *accumulate(lengths[token] for token in self._tokens)]
        self.data = vocabulary.decode(self._tokens)
        self._seams = [found.end() for found in _SEAM.finditer(self.data)]

    def __len__(self) -> int:
        return len(self.data)

    def text(self, start: int, end: int) -> str:
        """A part of it."""
        return self.data[start:end].decode("utf-8")

    def ids(self, start: int, end: int) -> list[int]:
        """The ids of a part, the same as if it were encoded by itself."""
        if start >= end:
            return []
        if start == 0 and end == len(self.data):
            return self._tokens
        first = 0 if start == 0 else self._seam_from(start)
        last = len(self.data) if end == len(self.data) else self._seam_until(end)
        if first is None or last is None or first >= last:
            return self._encode(self.text(start, end))
        middle = self._tokens[bisect_left(self._ends, first) : bisect_left(self._ends, last)]
        head = self._encode(self.text(start, first)) if start < first else []
        tail = self._encode(self.text(last, end)) if last < end else []
        return [*head, *middle, *tail]

    def n_tokens(self, start: int, end: int) -> int:
        """About how many tokens a part has."""
        return bisect_left(self._ends, end) - bisect_left(self._ends, start)

    def end_within(self, start: int, n_tokens: int) -> int:
        """Where to end a part from `start` on that has about `n_tokens` at most: at a line's end, or else within it."""
        most = self._ends[min(len(self._ends) - 1, bisect_left(self._ends, start) + n_tokens)]
        if most >= len(self.data):
            return len(self.data)
        line = self.data.rfind(b"\n", start, most) + 1
        end = line if line > start else self.character_at(most)
        return end if end > start else self.character_after(start + 1)

    def character_at(self, place: int) -> int:
        """The nearest place at or before that stands between two characters."""
        while 0 < place < len(self.data) and self.data[place] & 0xC0 == 0x80:
            place -= 1
        return place

    def character_after(self, place: int) -> int:
        """The nearest one at or behind."""
        while place < len(self.data) and self.data[place] & 0xC0 == 0x80:
            place += 1
        return place

    def _seam_from(self, place: int) -> int | None:
        at = bisect_left(self._seams, place)
        return self._seams[at] if at < len(self._seams) else None

    def _seam_until(self, place: int) -> int | None:
        at = bisect_right(self._seams, place)
        return self._seams[at - 1] if at else None
