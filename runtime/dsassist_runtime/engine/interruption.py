"""When a batch is broken off: the one thing that the thread of the inbox does to the decode loop.

A batch whose result nobody wants is aborted at once, and so is one that keeps somebody waiting who is more urgent. What
it had computed is lost, so a batch is broken off for somebody else once only; repeated, it runs to its end, and a
review goes on however fast somebody types.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dsassist_runtime.api import PRIORITIES, Priority
from dsassist_runtime.engine.scheduler import Batch
from dsassist_runtime.llama.context import Aborted, AbortFlag

__all__ = ["Interruption"]

_QUICK_TOKENS = 8  # a batch of so few is over before it would be repeated


class Interruption:
    """Knows which batch runs. `evaluating` is the decode loop's; the other methods are called from any thread."""

    def __init__(self, flag: AbortFlag) -> None:
        self._flag = flag
        self._lock = threading.Lock()
        self._running: Batch | None = None
        self._spared: set[int] = set()  # requests whose batch was broken off for somebody else, and not yet repeated

    @contextmanager
    def evaluating(self, batch: Batch) -> Iterator[None]:
        """The batch may be broken off inside, by `Aborted`."""
        requests = {job.ticket.request for job, _tokens in batch.parts}
        with self._lock:
            self._flag.clear()
            self._running = batch
        try:
            yield
        except Aborted:
            self._spared |= requests
            raise
        else:
            self._spared -= requests
        finally:
            with self._lock:
                self._running = None

    @property
    def is_long(self) -> bool:
        """Does a batch run that takes its time?"""
        batch = self._running
        return batch is not None and len(batch) > _QUICK_TOKENS

    def cancelled(self, request: int) -> None:
        """Nobody waits for this request any more: its batch is not worth the time where most of it is its own.

        The next token of a document's text is: the next keystroke may ask for it (`LocalEngine.cancel`).
        """
        with self._lock:
            batch = self._running
            if batch is None:
                return
            own = [(job, len(tokens)) for job, tokens in batch.parts if job.ticket.request == request]
            if any(job.ticket.document and job.decoding for job, _count in own):
                return
            if 2 * sum(count for _job, count in own) > len(batch):
                self._flag.set()

    def forget(self, request: int) -> None:
        """The request is over."""
        self._spared.discard(request)

    def arrived(self, request: int, priority: Priority, document: str) -> None:
        """A request waits: it does not wait for a batch of a lower class, or for what it takes the place of."""
        with self._lock:
            batch = self._running
            if batch is None or len(batch) <= _QUICK_TOKENS or priority not in PRIORITIES:
                return
            if any(job.ticket.request in self._spared or job.ticket.request == request for job, _own in batch.parts):
                return
            superseded = document and all(job.ticket.document == document for job, _tokens in batch.parts)
            if superseded or PRIORITIES.index(priority) < PRIORITIES.index(batch.priority):
                self._flag.set()
