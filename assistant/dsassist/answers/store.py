"""The file of answers: SQLite in the user's cache, bounded, and never a reason to fail.

What it holds can be had again from the model. So a damaged file is thrown away, and one that cannot be opened, is
locked or has no room is a store that knows nothing.
"""

from __future__ import annotations

import logging
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import RLock
from typing import TypeVar

from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_private, models_dir

__all__ = ["AnswerStore", "answers_path"]

T = TypeVar("T")

_log = logging.getLogger(__name__)

_VERSION = 1
_BUSY_TIMEOUT_MS = 500  # an answer is worth no longer wait: another process is cleaning up
_LIMIT_BYTES = 64 * 1024 * 1024
_KEPT_SHARE = 0.75  # of the limit, once it was passed: cleaning up at each answer would be slow
_USED_AGAIN_S = 3600.0  # the time of use is kept to the hour, so that reading hardly ever writes

_SCHEMA = """
CREATE TABLE answers (
    key BLOB PRIMARY KEY,
    used REAL NOT NULL,   -- seconds since 1970
    size INTEGER NOT NULL,
    answer BLOB NOT NULL  -- zlib
) WITHOUT ROWID
"""


def answers_path() -> Path:
    """Where the answers lie: in the cache, beside the models."""
    return models_dir().with_name("answers.db")


class AnswerStore:
    """Texts by the digest of their question, for any thread and several processes; the longest unused go first."""

    def __init__(self, path: Path, limit_bytes: int = _LIMIT_BYTES) -> None:
        self._path = path
        self._limit = limit_bytes
        self._lock = RLock()
        self._connection: sqlite3.Connection | None = None
        self._is_given_up = False

    def get(self, key: bytes) -> str | None:
        """The answer to a question, None if it is not known."""
        return self._try(lambda connection: _look_up(connection, key))

    def put(self, key: bytes, answer: str) -> None:
        """Keep an answer."""
        self.put_all({key: answer})

    def put_all(self, answers: Mapping[bytes, str]) -> None:
        """Keep some answers at once; all of them or none."""
        self._try(lambda connection: self._keep(connection, answers))

    def close(self) -> None:
        """Give the file back; the next use opens it anew."""
        with self._lock, suppress(sqlite3.Error):
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def _keep(self, connection: sqlite3.Connection, answers: Mapping[bytes, str]) -> None:
        now = time.time()
        packed = {key: zlib.compress(answer.encode(), 1) for key, answer in answers.items()}
        rows = [(key, now, len(data), data) for key, data in packed.items()]
        with _transaction(connection):
            connection.executemany("INSERT OR REPLACE INTO answers (key, used, size, answer) VALUES (?, ?, ?, ?)", rows)
        total = connection.execute("SELECT sum(size) FROM answers").fetchone()[0]
        if total <= self._limit:
            return
        kept = 0
        for old, size in connection.execute("SELECT key, size FROM answers ORDER BY used DESC, key").fetchall():
            kept += size
            if kept > self._limit * _KEPT_SHARE:
                connection.execute("DELETE FROM answers WHERE key = ?", (old,))

    def _try(self, use: Callable[[sqlite3.Connection], T]) -> T | None:
        """What `use` gives; None where something is wrong with the file, which the log alone is told."""
        with self._lock:
            try:
                connection = self._open()
                return None if connection is None else use(connection)
            except sqlite3.OperationalError as error:  # busy, read-only, no room: nothing is wrong with the file
                _log.info("%s: %s", self._path, error)
            except sqlite3.DatabaseError as error:
                _log.warning("%s is damaged (%s); it is begun anew", self._path, error)
                self.close()
                for ending in ("", "-wal", "-shm"):
                    with suppress(OSError):
                        self._path.with_name(self._path.name + ending).unlink()
        return None

    def _open(self) -> sqlite3.Connection | None:
        if self._connection is not None or self._is_given_up:
            return self._connection
        try:
            make_private(self._path.parent)
            connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        except (NotDone, OSError, sqlite3.OperationalError) as error:
            _log.info("answers are not kept: %s", error)
            self._is_given_up = True
            return None
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection = connection
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = OFF")  # a crash may cost answers, which can be had again
    if connection.execute("PRAGMA user_version").fetchone()[0] == _VERSION:
        return
    with _transaction(connection):
        if connection.execute("PRAGMA user_version").fetchone()[0] != _VERSION:  # else another process was first
            connection.execute("DROP TABLE IF EXISTS answers")
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version = {_VERSION}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _look_up(connection: sqlite3.Connection, key: bytes) -> str | None:
    row = connection.execute("SELECT answer, used FROM answers WHERE key = ?", (key,)).fetchone()
    if row is None:
        return None
    now = time.time()
    if now - row[1] > _USED_AGAIN_S:
        connection.execute("UPDATE answers SET used = ? WHERE key = ?", (now, key))
    return _unpacked(row[0])


def _unpacked(data: bytes) -> str:
    try:
        return zlib.decompress(data).decode()
    except (zlib.error, UnicodeDecodeError) as error:
        raise sqlite3.DatabaseError(f"an answer is malformed: {error}") from error
