"""One request for scores, as the scheduler sees it: batches of its own shape, one after the other."""

from __future__ import annotations

from collections.abc import Callable

from dsassist_runtime.api import FinishReason, SequenceStatus
from dsassist_runtime.engine.job import Ticket
from dsassist_runtime.engine.score import Batches
from dsassist_runtime.errors import DeadlineExceeded, NotDone
from dsassist_runtime.llama.context import BatchToken, Context

__all__ = ["Scoring"]


class Scoring:
    """Implements `job.Job` for `ScoreRequest` and `ContinuationsRequest`, in a KV cache that is for scores alone."""

    exclusive = True
    decoding = False
    begun = False  # scores are whole or not at all

    def __init__(self, ticket: Ticket, context: Context, begin: Callable[[], Batches]) -> None:
        """`begin` starts the work, again after a suspension."""
        self.ticket = ticket
        self.context = context
        self._begin = begin
        self._batches: Batches | None = None
        self._next: list[BatchToken] = []
        self._evaluated = 0
        self._finished = False

    @property
    def finished(self) -> bool:
        """Was the last event sent?"""
        return self._finished

    @property
    def running(self) -> bool:
        """Does it hold sequences?"""
        return self._batches is not None

    def cells_wanted(self) -> int:
        """None of those that others use."""
        return 0

    def sequences_wanted(self) -> int:
        """None of those that others use."""
        return 0

    def start(self) -> None:
        """Take sequences and find the first batch."""
        self._batches = self._begin()
        self._evaluated = 0
        self._go_on()

    def suspend(self) -> None:
        """Give everything back; what was evaluated of the context is found in the cache again."""
        if self._batches is not None:
            self._batches.close()
            self._batches = None

    def propose(self, room: int, *, alone: bool) -> list[BatchToken]:  # noqa: ARG002
        """The batch as it is: its shape decides about the last digits."""
        assert len(self._next) <= room, (len(self._next), room)
        return self._next

    def advance(self, first: int) -> None:
        """Read the logits, and find the next batch."""
        assert first == 0, first
        self._evaluated += len(self._next)
        self._go_on()

    def _go_on(self) -> None:
        assert self._batches is not None
        try:
            self._next = next(self._batches)
        except StopIteration as stop:
            self._batches = None
            self._finished = True
            self.ticket.emit(stop.value)

    def undo(self) -> None:
        """Forget the cells of a batch that was broken off."""
        starts: dict[int, int] = {}
        for token in self._next:
            starts[token.sequence] = min(token.position, starts.get(token.sequence, token.position))
        for sequence, start in starts.items():
            self.context.forget(sequence, start)

    def end(self, reason: FinishReason) -> None:
        """Scores are whole or not at all."""
        error = DeadlineExceeded("the scores were not ready in time") if reason == "deadline" else None
        self.fail(error or NotDone(f"the request for scores was {reason}"))

    def fail(self, error: Exception) -> None:
        """End with an error."""
        if not self._finished:
            self.suspend()
            self._finished = True
            self.ticket.emit(error)

    def status(self, now: float) -> SequenceStatus:
        """How it stands."""
        return SequenceStatus(
            request=self.ticket.request,
            kind="score",
            priority=self.ticket.priority,
            state="score" if self.running else "waiting",
            document=self.ticket.document,
            prompt_tokens=self._evaluated + len(self._next),
            evaluated_tokens=self._evaluated,
            completion_tokens=0,
            age_ms=1000 * (now - self.ticket.arrived),
        )
