"""The engine's streams, read in threads: they block, the event loop must not.

Daemon threads of our own, because the interpreter waits at its exit for those of a ThreadPoolExecutor, and one that
starts the model server may be busy for seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from dsassist_runtime.api import GenerationEnd, TextPiece, TextStream

__all__ = ["Job", "Reader", "Work", "Workers"]


class Reader(Protocol):
    """Who a stream is read for; called in the event loop's thread, and not any more once the job is closed."""

    def piece(self, piece: TextPiece, /) -> None:
        """The engine wrote some text."""

    def ended(self, end: GenerationEnd, /) -> None:
        """The text is complete; nothing follows."""

    def failed(self, error: Exception, /) -> None:
        """There is no text; nothing follows."""


class Job:
    """A stream that is to be opened and read. Made and closed in the event loop's thread; `work` runs in a worker's."""

    def __init__(self, open_stream: Callable[[], TextStream], reader: Reader) -> None:
        self._open_stream = open_stream
        self._reader = reader
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._stream: TextStream | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants the text any more."""
        return self._closed

    def close(self) -> GenerationEnd | None:
        """Stop the engine within a token; its figures until then, if there are any."""
        with self._lock:
            self._closed = True
            stream = self._stream
        if stream is None:
            return None
        stream.close()
        return stream.end

    def work(self) -> None:
        """Read the whole text; may block for as long as a server starts and a model loads."""
        if self.is_closed:  # while it waited for a thread
            return
        try:
            stream = self._open_stream()
            with self._lock:
                self._stream = stream
                closed = self._closed
            if closed:
                stream.close()
            for piece in stream.pieces():  # also of what was closed: this gives its connection back
                self._tell(self._reader.piece, piece)
            if (end := stream.end) is not None:
                self._tell(self._reader.ended, end)
        except Exception as error:  # told where somebody waits for the text
            self._tell(self._reader.failed, error)

    def _tell(self, tell: Callable[..., None], what: object) -> None:
        def told() -> None:
            if not self.is_closed:
                tell(what)

        with suppress(RuntimeError):  # the event loop has ended meanwhile
            self._loop.call_soon_threadsafe(told)


class Work(Protocol):
    """What a worker does: a `Job`, or another piece of work."""

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants it any more."""

    def work(self) -> None:
        """Do it; in a worker's thread."""


class Workers:
    """Does work, each piece in a thread, at most `limit` at a time; one that is closed while it waits gets none."""

    def __init__(self, limit: int = 8, name: str = "completion") -> None:
        self._limit = limit
        self._name = name
        self._n_busy = 0
        self._waiting: deque[Work] = deque()

    def start(self, job: Work, *, is_urgent: bool = False) -> None:
        """Have it done, before what waits if it is urgent."""
        if is_urgent:
            self._waiting.appendleft(job)
        else:
            self._waiting.append(job)
        self._next()

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._n_busy < self._limit:
            job = self._waiting.popleft()
            if not job.is_closed:
                self._n_busy += 1
                threading.Thread(target=self._work, args=(job, loop), name=self._name, daemon=True).start()

    def _work(self, job: Work, loop: asyncio.AbstractEventLoop) -> None:
        job.work()
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(self._finished)

    def _finished(self) -> None:
        self._n_busy -= 1
        self._next()
