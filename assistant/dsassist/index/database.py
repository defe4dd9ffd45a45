"""The index's file: its place, its tables, and what becomes of one that is damaged.

It lies in the user's cache, never in the workspace, which may be read-only. WAL lets readers go on beside the one
writer. A file of another version is thrown away, as it can be built again; a damaged one is kept aside for whoever
wants to know why.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_private, models_dir

__all__ = [
    "IndexUnavailable",
    "forget_database",
    "index_dir",
    "is_damage",
    "keep_aside",
    "open_database",
    "packed",
    "path_of",
    "unpacked",
    "writer_lock",
]

VERSION = 1

_BUSY_TIMEOUT_MS = 5_000
_SCHEMA = """
CREATE TABLE files (
    id INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,  -- relative to the root, with slashes
    module TEXT NOT NULL,       -- what an import ends with that means this file
    language TEXT NOT NULL,     -- ours, or the ending of its name
    size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL,  -- 0: look again
    hash BLOB NOT NULL,
    refusal TEXT NOT NULL,      -- why its content is not indexed, or ''
    text BLOB NOT NULL          -- zlib, without secrets
);
CREATE INDEX files_by_module ON files (module);
CREATE TABLE symbols (
    file INTEGER NOT NULL REFERENCES files (id),
    name TEXT NOT NULL,
    kind TEXT NOT NULL,
    container TEXT NOT NULL,
    signature TEXT NOT NULL,
    doc TEXT NOT NULL,
    start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL
);
CREATE INDEX symbols_by_name ON symbols (name);
CREATE INDEX symbols_by_file ON symbols (file);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    file INTEGER NOT NULL REFERENCES files (id),
    start_line INTEGER NOT NULL,
    end_line INTEGER NOT NULL
);
CREATE INDEX chunks_by_file ON chunks (file);
-- Without content: the words are those of the chunk's lines, which `files` has.
CREATE VIRTUAL TABLE chunk_words USING fts5 (
    words, content='', tokenize="unicode61 remove_diacritics 0 tokenchars '_'"
);
CREATE VIRTUAL TABLE word_counts USING fts5vocab (chunk_words, row);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class IndexUnavailable(NotDone):
    """There can be no index here; completion goes on without it."""


def index_dir() -> Path:
    """Where the indexes of all workspaces lie: in the cache, beside the models."""
    return models_dir().with_name("index")


def path_of(root: Path) -> Path:
    """The database of a workspace, named so that a person can tell whose it is."""
    resolved = os.fsencode(root.resolve())
    name = re.sub(r"[^\w.-]+", "-", root.resolve().name)[:40] or "root"
    return index_dir() / f"{name}-{hashlib.sha256(resolved).hexdigest()[:16]}.db"


def open_database(path: Path) -> sqlite3.Connection:
    """Connect, making the tables if need be; `IndexUnavailable` when it cannot be written, else sqlite3's errors."""
    try:
        make_private(path.parent)
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except (NotDone, sqlite3.OperationalError) as error:
        raise IndexUnavailable(f"no index of the workspace: {error}") from error
    try:
        _prepare(connection)
    except sqlite3.OperationalError as error:
        connection.close()
        raise IndexUnavailable(f"no index of the workspace: {path}: {error}") from error
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_TIMEOUT_MS}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")
    if _version(connection) == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _version(connection) != VERSION:  # else another process was first
            names = connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
                " AND name NOT LIKE 'chunk_words_%' ORDER BY name = 'chunk_words'"
            ).fetchall()
            for (name,) in names:
                connection.execute(f'DROP TABLE "{name}"')
            for statement in _statements(_SCHEMA):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Does the error mean that the file is no good, rather than busy or without room?"""
    # The driver raises the base class itself for SQLITE_CORRUPT and SQLITE_NOTADB, and for nothing else.
    return type(error) is sqlite3.DatabaseError or "no such table" in str(error) or "no such column" in str(error)


def packed(text: str) -> bytes:
    """A text as `files` holds it."""
    return zlib.compress(text.encode("utf-8", errors="replace"), 3)


def unpacked(data: bytes) -> str:
    """The text again; damage raises what SQLite would raise for its own."""
    try:
        return zlib.decompress(data).decode("utf-8")
    except (zlib.error, UnicodeDecodeError) as error:
        raise sqlite3.DatabaseError(f"the text of a file is malformed: {error}") from error


def keep_aside(path: Path) -> Path:
    """Rename a damaged database; gives its new name. What belongs to it (`-wal`, `-shm`) is deleted."""
    aside = path.with_name(f"{path.name}.corrupt-{int(time.time())}")
    path.replace(aside)
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    return aside


def forget_database(path: Path) -> bool:
    """Delete a workspace's index and what was kept aside of it; False if there was none."""
    found = [*path.parent.glob(f"{path.name}*")]
    for file in found:
        file.unlink(missing_ok=True)
    return path in found


@contextmanager
def writer_lock(path: Path) -> Iterator[bool]:
    """Hold the lock of whoever builds this index; False when another process has it."""
    import fcntl

    try:
        lock = os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise IndexUnavailable(f"no index of the workspace: {error}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield True
    finally:
        os.close(lock)
