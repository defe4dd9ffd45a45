"""What batches asked of the expert store, by kind: text that somebody waits for, its prompts, and everything else.

They are kept apart because they differ so much. A batch of a prompt wants nearly all experts of a layer once, a token
of a text a few of them, again and again: the hit rate of text is what tells whether the budget is enough.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from dsassist_runtime.api import SeenSpeed, StreamedWork
from dsassist_runtime.offload.cache import ExpertCache
from dsassist_runtime.offload.reading import Lanes

__all__ = ["Work", "WorkMeter"]

Work = Literal["text", "prompt", "other"]

_RECENT_TOKENS = 256  # older ones count less and less
_NO_WORK = StreamedWork()


class _Counters(NamedTuple):
    """What is counted elsewhere, at one moment."""

    at_s: float
    hits: int
    misses: int
    read_bytes: int
    busy_s: float


class _Recent:
    """Sums over the tokens of text, of which each token makes the earlier ones count a little less."""

    def __init__(self) -> None:
        self._tokens = self._elapsed_s = self._hits = self._misses = self._read_bytes = self._busy_s = 0.0

    def add(self, n_tokens: int, before: _Counters, after: _Counters) -> None:
        kept = (1 - 1 / _RECENT_TOKENS) ** n_tokens
        self._tokens = kept * self._tokens + n_tokens
        self._elapsed_s = kept * self._elapsed_s + after.at_s - before.at_s
        self._hits = kept * self._hits + after.hits - before.hits
        self._misses = kept * self._misses + after.misses - before.misses
        self._read_bytes = kept * self._read_bytes + after.read_bytes - before.read_bytes
        self._busy_s = kept * self._busy_s + after.busy_s - before.busy_s

    def seen(self) -> SeenSpeed:
        if not self._tokens or not self._elapsed_s:
            return SeenSpeed()
        wanted = self._hits + self._misses
        return SeenSpeed(
            tokens_per_s=self._tokens / self._elapsed_s,
            hit_rate=self._hits / wanted if wanted else 1.0,
            bytes_per_token=self._read_bytes / self._tokens,
            lanes_busy=self._busy_s / self._elapsed_s,
        )


class WorkMeter:
    """Counts batches, as what they change in the cache's and the lanes' own counters."""

    def __init__(self, cache: ExpertCache, lanes: Lanes) -> None:
        self._cache = cache
        self._lanes = lanes
        self._done: dict[Work, StreamedWork] = {}
        self._recent = _Recent()

    @contextmanager
    def batch(self, work: Work, n_tokens: int) -> Iterator[None]:
        """Around the evaluation of a batch; of one that fails only the bytes count, as none of its tokens is there."""
        before = self._counters()
        try:
            yield
        except BaseException:
            self._add(work, StreamedWork(read_bytes=self._counters().read_bytes - before.read_bytes))
            raise
        after = self._counters()
        done = StreamedWork(
            batches=1,
            tokens=n_tokens,
            hits=after.hits - before.hits,
            misses=after.misses - before.misses,
            read_bytes=after.read_bytes - before.read_bytes,
            elapsed_s=after.at_s - before.at_s,
        )
        self._add(work, done)
        if work == "text":
            self._recent.add(n_tokens, before, after)

    def clear(self) -> None:
        """Begin anew: what was done so far was nobody's work."""
        self._done.clear()
        self._recent = _Recent()

    def done(self, work: Work) -> StreamedWork:
        """The sum over all batches of a kind."""
        return self._done.get(work, _NO_WORK)

    def seen(self) -> SeenSpeed:
        """How text was written lately."""
        return self._recent.seen()

    def _add(self, work: Work, more: StreamedWork) -> None:
        so_far = self.done(work)
        self._done[work] = StreamedWork(
            so_far.batches + more.batches,
            so_far.tokens + more.tokens,
            so_far.hits + more.hits,
            so_far.misses + more.misses,
            so_far.read_bytes + more.read_bytes,
            so_far.elapsed_s + more.elapsed_s,
        )

    def _counters(self) -> _Counters:
        cache, read = self._cache.figures(), self._lanes.figures()
        return _Counters(time.perf_counter(), cache.hits, cache.misses, read.n_bytes, read.busy_s)
