"""What the scheduler sees of a request: it wants tokens evaluated, batch after batch, until it is finished."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dsassist_runtime.api import (
    ContinuationScore,
    EditScore,
    FinishReason,
    GenerationEnd,
    Priority,
    PromptRead,
    SequenceStatus,
    TextPiece,
)
from dsassist_runtime.llama.context import BatchToken, Context

__all__ = ["Emit", "Event", "Job", "Ticket"]

Event = PromptRead | TextPiece | GenerationEnd | tuple[EditScore, ...] | tuple[ContinuationScore, ...] | Exception

Emit = Callable[[Event], None]


@dataclass
class Ticket:
    """Whose request it is. Times are `time.perf_counter()` seconds; `deadline` None is no limit."""

    request: int
    priority: Priority
    emit: Emit
    arrived: float
    deadline: float | None = None
    document: str = ""

    def expired(self, now: float) -> bool:
        """Is its time up?"""
        return self.deadline is not None and now > self.deadline


class Job(Protocol):
    """A request that was admitted or waits to be.

    `exclusive`: its batches have a shape of their own, so that its figures depend on nobody else. `decoding`: the next
    batch has one token a sequence, where a prompt has hundreds.
    """

    ticket: Ticket
    exclusive: bool

    @property
    def context(self) -> Context:
        """Where its tokens are evaluated; one of its own only where it is exclusive."""

    @property
    def finished(self) -> bool:
        """Was the last event sent?"""

    @property
    def decoding(self) -> bool:
        """Is the prompt evaluated?"""

    @property
    def begun(self) -> bool:
        """Was some of the answer given, so that time that is up ends it as it is?"""

    @property
    def running(self) -> bool:
        """Does it hold sequences?"""

    def cells_wanted(self) -> int:
        """The cells that it needs beside those that it has or will share: an estimate."""

    def sequences_wanted(self) -> int:
        """How many sequences it will hold."""

    def start(self) -> None:
        """Take sequences; called again after `suspend`."""

    def suspend(self) -> None:
        """Give all sequences back; `start` evaluates again what is lost then."""

    def propose(self, room: int, *, alone: bool) -> list[BatchToken]:
        """Up to `room` tokens to evaluate next; `alone`: no other request is in the batch, so guesses may be added."""

    def advance(self, first: int) -> None:
        """The proposed tokens were evaluated; the first one's index in the batch is `first`."""

    def undo(self) -> None:
        """The proposed tokens were not evaluated: forget them."""

    def end(self, reason: FinishReason) -> None:
        """End before it is done: cancelled, superseded, or out of time."""

    def fail(self, error: Exception) -> None:
        """End with an error."""

    def status(self, now: float) -> SequenceStatus:
        """How it stands."""
