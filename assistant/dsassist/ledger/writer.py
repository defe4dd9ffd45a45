"""The one thread that writes to the ledger's file, in batches.

Nothing here may disturb a completion: what cannot be written is dropped, and said once.
"""

from __future__ import annotations

import queue
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.ledger.database import Hasher, LedgerDamaged, opened
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    import sqlite3

__all__ = ["Task", "Write", "Writer"]

Write = Callable[["sqlite3.Connection", Hasher], None]
Task = Callable[[], None]

_QUEUE_LIMIT = 10_000  # entries beyond it are dropped: the disk hangs
_GATHERING_S = 0.25  # what comes within it is one transaction


class Writer:
    """Runs writes and tasks in their order. The thread starts with the first and ends with `close`."""

    def __init__(self, directory: Path, complain: Callable[[str], None]) -> None:
        """`complain` gets each sentence on what went wrong once, in the writing thread."""
        self._directory = directory
        self._complain = complain
        self._complained: set[str] = set()
        self._writes: list[Write] = []  # the thread's own: gathered, and not yet written
        self._queue: queue.Queue[tuple[Write | None, Task | None]] = queue.Queue(_QUEUE_LIMIT)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._hurry = threading.Event()
        self._closed = False

    def write(self, write: Write) -> None:
        """Have this done within a transaction."""
        self._put(write, None)

    def run(self, task: Task) -> None:
        """Have this done between two transactions, after what was asked for before."""
        self._put(None, task)

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was asked for before is on disk or given up; False when that takes too long.

        The only method beside `close` that waits.
        """
        done = threading.Event()
        with self._lock:
            if self._thread is None or self._closed:
                return True
        self.run(done.set)
        self._hurry.set()
        return done.wait(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left and end; what comes later is dropped. False when that takes too long."""
        flushed = self.flush(timeout_s)
        with self._lock:
            self._closed = True
            thread = self._thread
        if thread is not None and flushed:
            self._queue.put((None, None))
            thread.join(timeout_s)
        return flushed

    def _put(self, write: Write | None, task: Task | None) -> None:
        with self._lock:
            if self._closed:
                return
            if self._thread is None:
                # A daemon: a disk that hangs must not keep the editor's server alive.
                self._thread = threading.Thread(target=self._work, name="ledger", daemon=True)
                self._thread.start()
        try:
            self._queue.put_nowait((write, task))
        except queue.Full:
            self._say("the ledger cannot keep up; some completions are not counted")

    def _work(self) -> None:
        while True:
            write, task = self._queue.get()
            if write is not None:
                if not self._writes:
                    self._hurry.wait(_GATHERING_S)
                self._writes.append(write)
                if self._queue.empty():
                    self._commit()
                continue
            self._commit()
            if task is None:
                return
            self._guarded(task)
            self._hurry.clear()

    def _commit(self) -> None:
        writes, self._writes = self._writes, []
        if writes:
            self._guarded(lambda: self._write_all(writes))

    def _write_all(self, writes: Sequence[Write]) -> None:
        try:
            self._transaction(writes)
        except LedgerDamaged as error:
            self._say(str(error))
            self._transaction(writes)

    def _transaction(self, writes: Sequence[Write]) -> None:
        with opened(self._directory) as connection:
            assert connection is not None, "it is created if need be"
            hasher = Hasher(self._directory)  # anew each time: `dsassist stats --forget` throws the salt away
            for write in writes:
                write(connection, hasher)

    def _guarded(self, task: Task) -> None:
        try:
            task()
        except DsassistError as error:
            self._say(f"completions are not counted: {error}")
        except Exception:  # the boundary of the thread: counting goes on with the next entry
            self._say(traceback.format_exc())

    def _say(self, sentence: str) -> None:
        if sentence not in self._complained:
            self._complained.add(sentence)
            self._complain(sentence)
