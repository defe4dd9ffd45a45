"""How many threads to use, watched while running: on a busy machine fewer threads are faster.

llama.cpp's threads meet at a barrier behind every operation of the graph. When another program holds a core, all wait
for the thread there: on two busy cores, two threads gave 6.6 tokens/s and one gave 10.3. So the time of a token is
watched for each number of threads, and the quickest number is used. Another number is only tried when there is reason
to: at the start, when a token takes longer than it did, and now and then while fewer than all are in use.
"""

from __future__ import annotations

__all__ = ["ThreadPolicy"]

_SLOWER = 1.3  # than the best so far: another program has come
_CLEARLY = 0.93  # a number must win by this much
_TRY_BATCHES = 3
_REST_BATCHES = 24  # between two trials
_SMOOTHING = 0.3


class ThreadPolicy:
    """For batches of one size class. `limit` is the number on a quiet machine."""

    def __init__(self, limit: int) -> None:
        self._ladder = sorted({max(1, limit * quarters // 4) for quarters in (1, 2, 3, 4)} | {1})
        self._at = len(self._ladder) - 1
        self._recent: dict[tuple[int, int], float] = {}  # (threads, tokens) -> ms, smoothed
        self._best: dict[tuple[int, int], float] = {}
        self._trial: int | None = None  # the rung that is being tried
        self._left = 0
        self._rested = 0
        self._tried_at_start = False
        self._direction = 0  # of the last trial that won: one rung further may win as well

    @property
    def n_threads(self) -> int:
        """What the next batch should use."""
        return self._ladder[self._at if self._trial is None else self._trial]

    def observe(self, n_tokens: int, n_threads: int, elapsed_ms: float) -> None:
        """A batch of `n_tokens` took so long with `n_threads`."""
        if n_threads != self.n_threads:
            return  # chosen before the last change
        key = n_threads, n_tokens
        before = self._recent.get(key)
        fresh = self._trial is not None and self._left == _TRY_BATCHES
        # What was measured before a trial is old news in it.
        smoothed = elapsed_ms if before is None or fresh else before + _SMOOTHING * (elapsed_ms - before)
        self._recent[key] = min(smoothed, elapsed_ms) if self._trial is not None and not fresh else smoothed
        # The context grows and with it the token's time: the best fades.
        self._best[key] = min(self._best.get(key, elapsed_ms) * 1.002, elapsed_ms)
        if self._trial is not None:
            self._left -= 1
            if self._left == 0:
                self._judge(n_tokens)
            return
        self._rested += 1
        if self._direction and not 0 <= self._at + self._direction < len(self._ladder):
            self._direction = 0
        if len(self._ladder) > 1 and (candidate := self._candidate(n_tokens)) is not None:
            self._trial, self._left, self._rested = candidate, _TRY_BATCHES, 0

    def _candidate(self, n_tokens: int) -> int | None:
        key = self._ladder[self._at], n_tokens
        if not self._tried_at_start and self._rested >= _TRY_BATCHES:
            self._tried_at_start = True
            return max(0, self._at - 1)
        if self._direction:
            return self._at + self._direction
        if self._rested < _REST_BATCHES:
            return None
        if self._at > 0 and self._recent[key] > _SLOWER * self._best[key]:
            return self._at - 1
        return self._at + 1 if self._at + 1 < len(self._ladder) else None

    def _judge(self, n_tokens: int) -> None:
        trial, self._trial = self._trial, None
        assert trial is not None
        tried = self._recent.get((self._ladder[trial], n_tokens))
        current = self._recent.get((self._ladder[self._at], n_tokens))
        won = tried is not None and current is not None and tried < _CLEARLY * current
        self._direction = trial - self._at if won else 0
        if won:
            self._at = trial
