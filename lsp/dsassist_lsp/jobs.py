"""Completions in threads: the engine's streams block, the event loop must not.

Daemon threads of our own, because the interpreter waits at its exit for those of a ThreadPoolExecutor, and one that
starts the model server may be busy for seconds.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from dsassist.completion.completer import CompletionStream

__all__ = ["Job", "Workers"]


class Job:
    """A completion under way. Made, awaited and closed in the event loop's thread; `write` runs in a worker's."""

    def __init__(self, open_stream: Callable[[], CompletionStream]) -> None:
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._open_stream = open_stream
        self._lock = threading.Lock()
        self._stream: CompletionStream | None = None
        self._closed = False

    @property
    def is_closed(self) -> bool:
        """Whether nobody wants the text any more."""
        return self._closed

    def close(self) -> None:
        """Stop the engine within a token. Who still waits for the answer gets an empty one now."""
        with self._lock:
            self._closed = True
            stream = self._stream
        if stream is not None:
            stream.close()
        if not self.answer.done():
            self.answer.set_result("")

    def write(self) -> str:
        """Read the whole text; may block for as long as a server starts and a model loads."""
        stream = self._open_stream()
        with self._lock:
            self._stream = stream
            closed = self._closed
        if closed:
            stream.close()
        return "".join(stream)  # also what was closed: this gives its connection back


class Workers:
    """Runs jobs, each in a thread, at most `limit` at a time; a job that is closed while it waits gets none."""

    def __init__(self, limit: int = 8) -> None:
        self._limit = limit
        self._n_busy = 0
        self._waiting: deque[Job] = deque()

    def start(self, job: Job) -> None:
        """Have the job written; its `answer` tells how it went."""
        self._waiting.append(job)
        self._next()

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting and self._n_busy < self._limit:
            job = self._waiting.popleft()
            if not job.is_closed:
                self._n_busy += 1
                threading.Thread(target=self._work, args=(job, loop), name="completion", daemon=True).start()

    def _work(self, job: Job, loop: asyncio.AbstractEventLoop) -> None:
        text, error = "", None
        try:
            text = job.write()
        except Exception as raised:  # raised again where the answer is awaited
            error = raised
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(self._finished, job, text, error)

    def _finished(self, job: Job, text: str, error: Exception | None) -> None:
        self._n_busy -= 1
        if not job.answer.done():
            if error is None:
                job.answer.set_result(text)
            else:
                job.answer.set_exception(error)
        self._next()
