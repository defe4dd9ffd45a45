"""When a batch is broken off: the one thing that the thread of the inbox does to the decode loop.

A batch whose result nobody wants is aborted at once, and so is one that keeps somebody waiting who is more urgent. What
it had computed is lost, so a batch is broken off for somebody else once only; repeated, it runs to its end, and a
review goes on however fast somebody types. (What has all day is broken off as often as somebody comes.)

What is read for a document is wanted although its request was cancelled or superseded: the next keystroke's prompt
begins alike. It is broken off when another request comes whose prompt does not. (Else somebody who types quicker than
a batch takes would never have the beginning of a file read.)
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dsassist_runtime.api import PRIORITIES, InfillRequest, Priority
from dsassist_runtime.engine.job import Job
from dsassist_runtime.engine.scheduler import Batch
from dsassist_runtime.engine.writing import Writing
from dsassist_runtime.llama.context import Aborted, AbortFlag

__all__ = ["Interruption"]

_QUICK_TOKENS = 8  # a batch of so few is over before it would be repeated


class Interruption:
    """Knows which batch runs. `evaluating` is the decode loop's; the other methods are called from any thread."""

    def __init__(self, flag: AbortFlag) -> None:
        self._flag = flag
        self._lock = threading.Lock()
        self._running: Batch | None = None
        self._cancelled: set[int] = set()  # requests whose batch went on although nobody waits for them
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

        What is evaluated for a completion in a document is: the next keystroke may ask for it.
        """
        with self._lock:
            batch = self._running
            if batch is None:
                return
            own = [(job, len(tokens)) for job, tokens in batch.parts if job.ticket.request == request]
            if any(job.ticket.document and job.ticket.priority == "interactive" for job, _count in own):
                self._cancelled.add(request)
                return
            if 2 * sum(count for _job, count in own) > len(batch):
                self._flag.set()

    def forget(self, request: int) -> None:
        """The request is over."""
        self._spared.discard(request)
        self._cancelled.discard(request)

    def arrived(self, request: int, priority: Priority, document: str, infill: InfillRequest | None = None) -> None:
        """A request waits: it does not wait for a batch of a lower class, or for what is of no use to it nor others.

        `infill` is the request itself where it is one.
        """
        with self._lock:
            batch = self._running
            if batch is None or len(batch) <= _QUICK_TOKENS or priority not in PRIORITIES:
                return
            requests = {job.ticket.request for job, _tokens in batch.parts}
            if request in requests or (batch.priority != "idle" and not requests.isdisjoint(self._spared)):
                return
            useless = priority != "idle" and all(
                (job.ticket.request in self._cancelled or _supersedes(priority, document, job))
                and not _begins_alike(infill, job)
                for job, _tokens in batch.parts
            )
            if useless or PRIORITIES.index(priority) < PRIORITIES.index(batch.priority):
                self._flag.set()


def _supersedes(priority: Priority, document: str, job: Job) -> bool:
    return bool(document) and (document, priority) == (job.ticket.document, job.ticket.priority)


def _begins_alike(infill: InfillRequest | None, job: Job) -> bool:
    """Will `infill` share what is being read for `job`?"""
    if infill is None or not isinstance(job, Writing) or not isinstance(job.request, InfillRequest):
        return False
    mine, newer = job.request.prefix, infill.prefix
    same = (infill.suffix, infill.extra) == (job.request.suffix, job.request.extra)
    return same and (newer.startswith(mine) or mine.startswith(newer))
