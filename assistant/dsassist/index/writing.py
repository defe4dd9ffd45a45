"""Changes to the index's tables: entries put in, replaced and taken out, a batch in one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from dsassist.index.chunks import Chunk
from dsassist.index.database import unpacked
from dsassist.index.entry import Entry, Stored, chunk_words

__all__ = ["known_files", "remove", "set_fact", "store", "transaction"]


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the write lock is taken at the start, so that no half of the work is in vain."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def known_files(connection: sqlite3.Connection) -> dict[str, Stored]:
    """What is known of each file, by path."""
    rows = connection.execute("SELECT path, id, size, mtime_ns, hash FROM files")
    return {path: Stored(*known) for path, *known in rows}


def store(connection: sqlite3.Connection, entry: Entry | Stored) -> None:
    """Put a file's entry in the place of the one before; of a `Stored` only the times are new."""
    if isinstance(entry, Stored):
        connection.execute(
            "UPDATE files SET size = ?, mtime_ns = ? WHERE id = ?", (entry.size, entry.mtime_ns, entry.id)
        )
        return
    remove(connection, [entry.path])
    row = connection.execute(
        "INSERT INTO files (path, module, language, size, mtime_ns, hash, refusal, text)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (entry.path, entry.module, entry.language, entry.size, entry.mtime_ns, entry.hash, entry.refusal, entry.text),
    )
    file = row.lastrowid
    connection.executemany(
        "INSERT INTO symbols VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (file, each.name, each.kind, each.container, each.signature, each.doc, each.start_line, each.end_line)
            for each in entry.symbols
        ],
    )
    for chunk, words in zip(entry.chunks, entry.words, strict=True):
        row = connection.execute("INSERT INTO chunks (file, start_line, end_line) VALUES (?, ?, ?)", (file, *chunk))
        connection.execute("INSERT INTO chunk_words (rowid, words) VALUES (?, ?)", (row.lastrowid, words))


def remove(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Take files out, if they are there."""
    for path in paths:
        found = connection.execute("SELECT id, text FROM files WHERE path = ?", (path,)).fetchone()
        if found is None:
            continue
        file, text = found
        rows = connection.execute("SELECT id, start_line, end_line FROM chunks WHERE file = ?", (file,)).fetchall()
        lines = unpacked(text).split("\n") if rows else []
        # An FTS table without content must be told what it is to forget.
        connection.executemany(
            "INSERT INTO chunk_words (chunk_words, rowid, words) VALUES ('delete', ?, ?)",
            [(row, chunk_words(lines, Chunk(start, end))) for row, start, end in rows],
        )
        connection.execute("DELETE FROM chunks WHERE file = ?", (file,))
        connection.execute("DELETE FROM symbols WHERE file = ?", (file,))
        connection.execute("DELETE FROM files WHERE id = ?", (file,))


def set_fact(connection: sqlite3.Connection, name: str, value: str) -> None:
    """Note something about the whole index."""
    connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
