"""Guesses at the next tokens, which one batch verifies: what was copied once is often copied on.

A guess is what followed the last occurrence of the latest tokens, in the text itself, in the prompts and texts of
recent requests (the open files and what was edited there), or what a small draft model writes. Verifying `k` tokens
costs more than one (0.5B on two cores: 4 tokens 2.5 times as much; a mixture of experts reads more experts), so an
online test compares what guesses bring with what their batches cost, and stops guessing while it does not pay.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

__all__ = ["Drafter", "Lookup", "Speculation"]

# Sums in batches of another size differ: at most by 0.6 in a logit of Qwen2.5-Coder-0.5B, by 0.2 in the builtin
# model's (f16 attention over quantized activations). A decision that is closer is made in a batch of one.
_TIE = 0.5

_SHORTEST_MATCH = 3
_LONGEST_MATCH = 12
_LEAST_GUESSES = 4  # before a verdict
_PROBE_EVERY = 24  # occasions, while guessing does not pay
_PROBE_STREAMED_EVERY = 64  # where the guess alone is dear: a batch of four reads 2.6 times the experts of one token
_MEMORY_TOKENS = 32_768


class Drafter(Protocol):
    """Who guesses."""

    def guess(self, known: Sequence[int], limit: int) -> list[int]:
        """At most `limit` tokens that may follow `known`."""


class Lookup:
    """Finds the latest tokens in what was seen, by an index of all runs of three tokens."""

    def __init__(self) -> None:
        self._texts: OrderedDict[int, list[int]] = OrderedDict()
        self._places: dict[tuple[int, int, int], tuple[int, int]] = {}  # run -> text, position behind the run
        self._next = 0
        self._own: Sequence[int] | None = None  # the text that is being written, indexed up to `_indexed`
        self._own_places: dict[tuple[int, int, int], int] = {}
        self._indexed = 0

    def remember(self, tokens: Sequence[int]) -> None:
        """Let later guesses look into these tokens too."""
        number, self._next = self._next, self._next + 1
        text = list(tokens)
        self._texts[number] = text
        for end in range(_SHORTEST_MATCH, len(text)):
            self._places[text[end - 3], text[end - 2], text[end - 1]] = number, end
        while sum(map(len, self._texts.values())) > _MEMORY_TOKENS and len(self._texts) > 1:
            oldest, _ = self._texts.popitem(last=False)
            self._places = {run: place for run, place in self._places.items() if place[0] != oldest}

    def guess(self, known: Sequence[int], limit: int) -> list[int]:
        """What followed the longest of the matches of the last tokens."""
        if len(known) <= _SHORTEST_MATCH:
            return []
        self._index(known)
        run = known[-3], known[-2], known[-1]
        best: list[int] = []
        longest = 0
        if (end := self._own_places.get(run)) is not None:
            longest, best = _match(known, known, end), list(known[end : end + limit])
        if (place := self._places.get(run)) is not None and place[0] in self._texts:
            text = self._texts[place[0]]
            if _match(known, text, place[1]) > longest:
                best = text[place[1] : place[1] + limit]
        return best

    def _index(self, known: Sequence[int]) -> None:
        """Index `known` up to its last token, whose run is what is looked for.

        A text that grew since the last guess is the same list; whatever shrinks or is another begins anew.
        """
        if self._own is not known or self._indexed > len(known):
            self._own, self._own_places, self._indexed = known, {}, 0
        for end in range(max(3, self._indexed), len(known)):
            self._own_places[known[end - 3], known[end - 2], known[end - 1]] = end
        self._indexed = len(known)


class Speculation:
    """Decides whether to guess, asks the drafters, and keeps the books."""

    def __init__(
        self, drafters: Sequence[Drafter], now: Callable[[], float] = time.perf_counter, *, is_streamed: bool = False
    ) -> None:
        """The first drafter that has a guess is taken at its word. `now` gives seconds.

        Where weights are streamed from disk, guessing is off until a few guesses, far between, have shown that it pays.
        """
        self._drafters = drafters
        self._is_streamed = is_streamed
        self._now = now
        self._guess_ms = self._owed_ms = 0.0
        self._cost: dict[int, float] = {}  # ms of a batch of so many tokens, smoothed
        self._gain: dict[int, float] = {}  # tokens that a batch of so many tokens brought, smoothed
        self._tried: dict[int, int] = {}
        self._occasions = 0
        self.on = not is_streamed  # is guessing worth while, as far as is known?

    def guess(self, known: Sequence[int], limit: int) -> list[int]:
        """Tokens to verify behind `known`, at most `limit`; none where it would not pay."""
        limit = self._length(limit)
        started = self._now()
        draft: list[int] = []
        if limit:
            draft = next((found for drafter in self._drafters if (found := drafter.guess(known, limit))), [])
        self._guess_ms = 1000 * (self._now() - started)
        return draft

    def observe(self, n_tokens: int, elapsed_ms: float) -> None:
        """A decoding batch of one sequence took so long, beside the guess that came with it."""
        if n_tokens > 1:
            elapsed_ms += self._guess_ms + self._owed_ms
            self._owed_ms = 0.0
        before = self._cost.get(n_tokens)
        self._cost[n_tokens] = elapsed_ms if before is None else before + 0.2 * (elapsed_ms - before)

    def replayed(self, elapsed_ms: float) -> None:
        """A token that came with a guess was evaluated once more: the next guess pays for it."""
        self._owed_ms += elapsed_ms

    def verified(self, guessed: int, right: int) -> None:
        """Of `guessed` tokens the first `right` were chosen, and one more token came with them."""
        size = guessed + 1
        before = self._gain.get(size)
        self._gain[size] = 1 + right if before is None else before + 0.2 * (1 + right - before)
        self._tried[size] = self._tried.get(size, 0) + 1

    @staticmethod
    def is_tie(logits: npt.NDArray[np.float32]) -> bool:
        """Could a batch of another size have another winner?"""
        winner = int(logits.argmax())
        best = logits[winner]
        logits[winner] = -np.inf
        second = logits.max()
        logits[winner] = best
        return bool(best - second < _TIE)

    def _length(self, limit: int) -> int:
        """How many tokens to guess: the size that pays best, tried ones before others."""
        if limit < 1 or not self._drafters:
            return 0
        single = self._cost.get(1)
        if single is None:
            return 0  # nothing to compare with yet
        self._occasions += 1
        best, rate = 0, 1.0
        for length in _LENGTHS:
            size = length + 1
            if self._tried.get(size, 0) < _LEAST_GUESSES:
                if self._may_try(length, single):
                    best = length
                break
            gained = self._gain[size] * single / self._cost.get(size, single * size)
            if gained > 1.05 * rate:
                best, rate = length, gained
        self.on = best > 0
        if not best and self._occasions % (_PROBE_STREAMED_EVERY if self._is_streamed else _PROBE_EVERY) == 0:
            best = _LENGTHS[0]
        return min(best, limit)

    def _may_try(self, length: int, single: float) -> bool:
        """Is it worth while to try a length that is not known yet?"""
        if length == _LENGTHS[0]:
            return not self._is_streamed
        return self._pays(_LENGTHS[_LENGTHS.index(length) - 1] + 1, single)

    def _pays(self, size: int, single: float) -> bool:
        cost = self._cost.get(size)
        return cost is not None and self._gain.get(size, 0.0) * single / cost > 1.2


# With the token before them 4, 8 and 16 tokens: the matrix kernels work on four rows at a time.
_LENGTHS = (3, 7, 15)


def _match(known: Sequence[int], text: Sequence[int], end: int) -> int:
    """How many tokens before `end` are those at the end of `known`."""
    length = 0
    while length < min(end, len(known), _LONGEST_MATCH) and known[-1 - length] == text[end - 1 - length]:
        length += 1
    return length
