"""The budget for experts follows the memory that is left: downwards at once, and back step by step.

What the experts take cannot be paged out to their file as mapped weights can: when memory runs short, somebody must
give it back before the kernel ends a process for it. Two things are looked at.

*What is left* is what this process could still take, if the budget were filled. Where it falls below a margin, the
budget gives way until there is twice as much. It grows again where there is much more, after a minute without shortage.

    left, in margins    0 ...... 1 ...... 2 ...... 3 ...... 4 ......
                        shrink   |        to here  to here  |   grow

*Whether somebody waits*: Linux' pressure stall information, of this control group where it has its own, else of the
system. That one is believed only where little is left: a program that suffers from a limit of its own gets nothing by
what others give. macOS tells a level instead.

`BudgetPolicy` decides and is pure, `BudgetKeeper` looks and does it. Where a system tells nothing, nothing happens.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from dsassist_runtime.offload.memory_signs import Memory, MemorySigns

__all__ = ["BudgetKeeper", "BudgetPolicy"]

# None of these was measured.
_LARGEST_MARGIN = 256_000_000
_MARGIN_SHARE = 1 / 16  # of the whole budget, where that is less
_LITTLE_LEFT = 8  # margins; with more the system's stalls are somebody else's affair
_STALLED = 0.1  # of the time, some process waits for memory
_GIVE_WAY = 1 / 8  # of the whole budget, for stalls
_GIVE_WAY_AT_ONCE = 1 / 4  # where the system calls it critical
_EFFECT_S = 5.0  # what was given back needs so long to show
_CALM_S = 60.0
_GROWTH = 1 / 16

_INTERVAL_S = 1.0
_QUIET_INTERVAL_S = 2.0  # where there is plenty: an idle engine should sleep


class BudgetPolicy:
    """Decides on the budget, between the least that is sensible and the whole. Times in seconds, of any clock."""

    def __init__(self, whole_bytes: int, least_bytes: int) -> None:
        self._whole = whole_bytes
        self._least = min(least_bytes, whole_bytes)
        self._margin = max(1, min(_LARGEST_MARGIN, int(whole_bytes * _MARGIN_SHARE)))
        self.budget_bytes = whole_bytes
        self._shrunk_at: float | None = None
        self._stalled_at: float | None = None
        self._grown_at: float | None = None

    def step(self, now: float, held_bytes: int, memory: Memory) -> int:
        """The budget from now on, when experts take `held_bytes` of the present one."""
        left = self._left(held_bytes, memory)
        wanted = self.budget_bytes
        if left is not None and left < self._margin:
            wanted -= 2 * self._margin - left
        if (share := self._to_give_way(memory, left)) > 0:
            if self._stalled_at is None or now - self._stalled_at >= _EFFECT_S:
                wanted = min(wanted, self.budget_bytes - int(self._whole * share))
                self._stalled_at = now
            self._shrunk_at = now  # it is not calm, although nothing more is given just now
        if wanted < self.budget_bytes:
            self._shrunk_at = now
        elif self._may_grow(now, left):
            wanted += max(1, int(self._whole * _GROWTH))
            if left is not None:
                wanted = min(wanted, self.budget_bytes + left - 3 * self._margin)
            self._grown_at = now
        self.budget_bytes = min(self._whole, max(self._least, wanted))
        return self.budget_bytes

    def is_near(self, held_bytes: int, memory: Memory) -> bool:
        """Could it be short soon, so that somebody should look often?"""
        if self.budget_bytes < self._whole or memory.level != "normal" or memory.own_stall:
            return True
        left = self._left(held_bytes, memory)
        return left is not None and left < _LITTLE_LEFT * self._margin

    def _left(self, held_bytes: int, memory: Memory) -> int | None:
        """What would be left if the budget were filled."""
        if memory.free_bytes is None:
            return None
        return memory.free_bytes - max(0, self.budget_bytes - held_bytes)

    def _to_give_way(self, memory: Memory, left: int | None) -> float:
        """The share of the whole budget that somebody who waits for memory should get."""
        if memory.level == "critical":
            return _GIVE_WAY_AT_ONCE
        is_scarce = left is None or left < _LITTLE_LEFT * self._margin
        stalled = memory.own_stall >= _STALLED or (is_scarce and memory.system_stall >= _STALLED)
        return _GIVE_WAY if stalled or memory.level == "warning" else 0.0

    def _may_grow(self, now: float, left: int | None) -> bool:
        if self.budget_bytes >= self._whole or (left is not None and left <= 4 * self._margin):
            return False
        if self._shrunk_at is not None and now - self._shrunk_at < _CALM_S:
            return False
        return self._grown_at is None or now - self._grown_at >= _EFFECT_S


class _Streamed(Protocol):
    """What is asked of a streamed model."""

    @property
    def budget_bytes(self) -> int: ...

    @property
    def held_bytes(self) -> int: ...

    @property
    def least_bytes(self) -> int: ...

    def resize(self, budget_bytes: int) -> None: ...


class BudgetKeeper:
    """Fits the budget of a streamed model to the memory, between two batches. It is never more than at first."""

    def __init__(self, streamed: _Streamed, free_bytes: Callable[[], int], root: Path = Path("/")) -> None:
        self.whole_bytes = streamed.budget_bytes
        self._streamed = streamed
        self._signs = MemorySigns(free_bytes, root)
        self._policy = BudgetPolicy(self.whole_bytes, streamed.least_bytes)
        # When it wants to be asked again, though nothing is decoded; None where it is of no use.
        self.next_step: float | None = 0.0 if self._signs.tells else None

    def step(self, now: float) -> None:
        """Look, at most once a second, and resize where need be. `now` is `time.perf_counter()`."""
        if self.next_step is None or now < self.next_step:
            return
        memory, held = self._signs.look(now), self._streamed.held_bytes
        budget = self._policy.step(now, held, memory)
        if budget != self._streamed.budget_bytes:
            self._streamed.resize(budget)
        near = self._policy.is_near(self._streamed.held_bytes, memory)
        self.next_step = now + (_INTERVAL_S if near else _QUIET_INTERVAL_S)

    @property
    def remark(self) -> str:
        """A sentence while the budget is not the whole one, else nothing."""
        budget = self._streamed.budget_bytes
        if budget >= self.whole_bytes:
            return ""
        share = f"{budget / self.whole_bytes:.0%}"
        return f"memory is short, so experts may take {share} of what was planned; it grows again when others need less"
