"""How many threads to use, watched while running: on a busy machine fewer threads are faster.

llama.cpp's threads meet at a barrier behind every operation of the graph. When another program holds a core, all wait
for the thread there: on two busy cores the builtin model wrote 10 tokens/s with two threads and 700 with one, on two
quiet ones 2,500 and 1,950. So the time of a token is watched for each number of threads, and the quickest number is
used. Another number is tried at the start, when a token takes longer than it did, and now and then while fewer than all
are in use; a trial that fails may have cost a hundred tokens' time, so the next one like it waits that much longer.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["ThreadPolicy"]

_SLOWER = 1.3  # than the best so far: another program has come
_SLOW_BATCHES = 4
# By how much another number must win. A quiet machine is the rule, where what fewer threads seem to win is noise.
_WIN_DOWN, _WIN_UP = 0.85, 0.98
_CROWDED = 0.7  # fewer threads that are so much quicker: other programs hold the cores
_EASED = 0.8  # of the time of a token when a trial failed: what was true then may not be now
_HOPELESS = 1.5  # one batch that is so much slower ends a trial
_TRY_BATCHES = 3
_REST_S = 0.5  # between two trials upward
_SMOOTHING = 0.3
_SHARE = 0.03  # of all time that may go into trials which fail


class ThreadPolicy:
    """For batches of a few tokens. `limit` is the number on a quiet machine."""

    def __init__(self, limit: int, *, now: Callable[[], float] = time.perf_counter) -> None:
        """`now` gives seconds."""
        self._now = now
        self._ladder = sorted({max(1, limit * quarters // 4) for quarters in (1, 2, 3, 4)} | {1})
        self._at = len(self._ladder) - 1
        self._recent: dict[tuple[int, int], float] = {}  # (threads, tokens) -> ms, smoothed
        self._best: dict[tuple[int, int], float] = {}
        self._slow = 0  # batches in a row that took longer than the best
        self._seen = 0  # batches before the first trial
        self._last_trial_at = 0.0
        self._direction = 0  # of the last trial that won: one rung further may win as well
        self._tried_at_start = len(self._ladder) == 1
        self._trial: int | None = None  # the rung that is being tried
        self._tried: list[tuple[float, float]] = []  # ms of its batches, and what they would have taken
        self.is_crowded = False  # do other programs hold the cores, as far as this tells?
        self._failed_at: dict[int, float] = {}
        self._level_ms: dict[int, tuple[int, int, float]] = {}  # threads, tokens and ms when it failed
        self._cost_ms: dict[int, float] = {}  # what the last failed trial of a rung cost

    @property
    def n_threads(self) -> int:
        """What the next batch should use."""
        return self._ladder[self._at if self._trial is None else self._trial]

    def observe(self, n_tokens: int, n_threads: int, elapsed_ms: float) -> None:
        """A batch of `n_tokens` took so long with `n_threads`."""
        if n_threads != self.n_threads:
            return  # chosen before the last change
        if self._trial is not None:
            self._observe_trial(n_tokens, elapsed_ms)
            return
        key = n_threads, n_tokens
        recent = self._recent.get(key, elapsed_ms)
        self._recent[key] = recent + _SMOOTHING * (elapsed_ms - recent)
        # The context grows and with it the token's time: the best fades.
        self._best[key] = min(self._best.get(key, elapsed_ms) * 1.002, elapsed_ms)
        self._slow = self._slow + 1 if elapsed_ms > _SLOWER * self._best[key] else 0
        self._seen += 1
        self._trial = self._candidate()

    def _candidate(self) -> int | None:
        if not self._tried_at_start:
            if self._seen < _TRY_BATCHES:
                return None
            self._tried_at_start = True
            return self._at - 1
        onward = self._at + self._direction
        if self._direction and 0 <= onward < len(self._ladder):
            return onward
        if self._at > 0 and self._slow >= _SLOW_BATCHES and self._affordable(self._at - 1):
            return self._at - 1
        above = self._at + 1
        rested = self._now() - self._last_trial_at > _REST_S
        if rested and above < len(self._ladder) and self._affordable(above):
            return above
        return None

    def _affordable(self, rung: int) -> bool:
        if rung not in self._failed_at:
            return True
        n_threads, n_tokens, before_ms = self._level_ms[rung]
        if self._recent.get((n_threads, n_tokens), before_ms) < _EASED * before_ms:
            return True  # the other program has gone, or works less
        return self._cost_ms[rung] <= _SHARE * 1000 * (self._now() - self._failed_at[rung])

    def _observe_trial(self, n_tokens: int, elapsed_ms: float) -> None:
        trial = self._trial
        assert trial is not None
        # A batch of a size that the present number was not seen with counts as no better and no worse.
        current_ms = self._recent.get((self._ladder[self._at], n_tokens), elapsed_ms)
        self._tried.append((elapsed_ms, current_ms))
        ratios = [tried_ms / before_ms for tried_ms, before_ms in self._tried]
        if ratios[-1] <= _HOPELESS and len(ratios) < _TRY_BATCHES:
            return
        won = ratios[-1] <= _HOPELESS and min(ratios) < (_WIN_UP if trial > self._at else _WIN_DOWN)
        self._direction = trial - self._at if won else 0
        if trial > self._at:
            self.is_crowded = self.is_crowded and min(ratios) > 1 / _CROWDED
        elif won:
            self.is_crowded = self.is_crowded or min(ratios) < _CROWDED
        if won:
            self._at = trial
            self._recent[self._ladder[trial], n_tokens] = elapsed_ms
            self._failed_at.pop(trial, None)
        else:
            self._failed_at[trial] = self._now()
            self._level_ms[trial] = self._ladder[self._at], n_tokens, current_ms
            self._cost_ms[trial] = sum(tried_ms - before_ms for tried_ms, before_ms in self._tried)
        self._trial, self._tried, self._slow, self._last_trial_at = None, [], 0, self._now()
