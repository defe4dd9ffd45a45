"""llama.vim's ring of chunks: pieces of files that it sends along with each request (`s:ring_*`, `s:pick_chunk`)."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

__all__ = ["CHUNK_LINES", "Ring"]

CHUNK_LINES = 64

_CHUNKS, _QUEUE = 16, 16
_LEAST_LINES = 3
_SAME, _LIKE_VIEW = 0.9, 0.5  # similarity of two chunks, of a chunk and what stands around the cursor


class Ring:
    """Chunks that are sent, and those that wait for an idle moment to be among them."""

    def __init__(self, rng: random.Random) -> None:
        self.live: list[list[str]] = []
        self._queued: list[list[str]] = []
        self._rng = rng

    def pick(self, text: list[str], *, evicts: bool) -> None:
        """Queue a chunk of the lines; what is much like it gives way, or else the chunk does."""
        if len(text) < _LEAST_LINES:
            return
        chunk = text if len(text) + 1 < CHUNK_LINES else self._slice(text)
        if chunk in self.live or chunk in self._queued:
            return
        for kept in (self._queued, self.live):
            like = [each for each in kept if _similarity(each, chunk) > _SAME]
            if like and not evicts:
                return
            kept[:] = [each for each in kept if each not in like]
        self._queued = [*self._queued, chunk][-_QUEUE:]

    def evict_like(self, view: list[str]) -> None:
        """Chunks much like what stands around the cursor make a model repeat it."""
        part = self._slice(view)
        self.live = [chunk for chunk in self.live if _similarity(chunk, part) <= _LIKE_VIEW]

    def advance(self) -> bool:
        """Take the first that waits into use, the oldest out if there are too many; False when none waits."""
        if not self._queued:
            return False
        self.live = [*self.live[-_CHUNKS + 1 :], self._queued.pop(0)]
        return True

    def _slice(self, text: list[str]) -> list[str]:
        half = CHUNK_LINES // 2
        start = self._rng.randint(0, max(0, len(text) - half))
        return text[start : min(start + half, len(text)) + 1]


def _similarity(first: Sequence[str], second: Sequence[str]) -> float:
    words = [[word for word in re.split(r"\W+", "\n".join(chunk)) if word] for chunk in (first, second)]
    known = set(words[0])
    n_words = len(words[0]) + len(words[1])
    return 2 * sum(word in known for word in words[1]) / n_words if n_words else 1.0
