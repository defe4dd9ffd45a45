"""How sure the model was of what it wrote, line by line, from the log-probabilities of its tokens."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from dsassist_runtime.api import TokenLogprob

__all__ = ["Confidence", "line_probability"]

_LONGEST_HEALED = 64  # bytes of a first token that stand before the cursor


class _Token(NamedTuple):
    start: int  # byte of the tokens' text
    logprob: float


def line_probability(logprobs: Iterable[float]) -> float:
    """The probability of a line from those of its tokens: their product.

    A line is right when all of it is, and the model's own probability of writing just this line is the product. The
    mean favours long lines, which have many tokens that nobody doubts; the least token forgets that doubts add up.
    """
    return math.exp(sum(logprobs))


class Confidence:
    """The tokens of one text, as they come; without any every line is certain."""

    def __init__(self) -> None:
        self._tokens: list[_Token] = []
        self._bytes = bytearray()

    def push(self, logprobs: tuple[TokenLogprob, ...]) -> None:
        """Take the next tokens; they may come before their text is certain."""
        for token in logprobs:
            self._tokens.append(_Token(len(self._bytes), token.logprob))
            self._bytes += bytes(token.raw) if token.raw else token.text.encode("utf-8", errors="replace")

    def probability(self, text: str, start: int, end: int) -> float:
        """That of the characters from `start` to `end` of the model's whole `text`: of the tokens that begin there.

        The first token may begin before the text, where the last one of the prompt was written anew.
        """
        if not self._tokens:
            return 1.0
        before = self._healed(text)
        first = 0 if start == 0 else before + len(text[:start].encode("utf-8", errors="replace"))
        last = before + len(text[:end].encode("utf-8", errors="replace"))
        return line_probability(token.logprob for token in self._tokens if first <= token.start < last)

    def _healed(self, text: str) -> int:
        """How many bytes the tokens have before `text` begins."""
        head = text[:_LONGEST_HEALED].encode("utf-8", errors="replace")
        found = bytes(self._bytes[: len(head) + _LONGEST_HEALED]).find(head)
        return max(0, found)
