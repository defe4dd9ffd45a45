"""The ledger's file: SQLite in a private folder of the state directory, opened for a moment at a time.

Several editors write at once, so nobody keeps it open: each batch opens it below a shared lock on the folder, and
whoever moves or removes the files takes that lock alone. (SQLite removes a `-wal` by its name when the last connection
closes; one that a process still held to a file moved aside would take the new file's log with it.)

A damaged file is moved aside and a new one begun. A newer dsassist's file is left alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist_runtime import places
from dsassist_runtime.errors import DsassistError, NotDone

if TYPE_CHECKING:
    import sqlite3

__all__ = [
    "MIGRATIONS",
    "Hasher",
    "LedgerDamaged",
    "LedgerError",
    "erase",
    "is_empty",
    "ledger_dir",
    "migrate",
    "opened",
]

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        """
        CREATE TABLE offers (
            id INTEGER PRIMARY KEY,   -- chosen by the writer at random, as several processes write
            at REAL NOT NULL,         -- seconds since 1970, as all times here
            language TEXT NOT NULL,
            model TEXT NOT NULL,
            repository TEXT NOT NULL, -- a salted hash, or nothing outside of one
            characters INTEGER NOT NULL,
            lines INTEGER NOT NULL,
            probability REAL,
            latency_ms REAL NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            evaluated_tokens INTEGER NOT NULL,
            decoded_tokens INTEGER NOT NULL,
            source TEXT NOT NULL,
            outcome TEXT NOT NULL,
            stood_ms REAL,            -- how long it was there before something became of it
            accepted_characters INTEGER NOT NULL DEFAULT 0,
            kept_30s REAL,            -- shares of the accepted characters, from 0 to 1
            kept_5min REAL,
            kept_commit REAL
        )
        """,
        "CREATE INDEX offers_at ON offers (at)",
        """
        CREATE TABLE requests (
            at REAL NOT NULL,
            language TEXT NOT NULL,
            model TEXT NOT NULL,
            repository TEXT NOT NULL,
            latency_ms REAL NOT NULL,
            prompt_tokens INTEGER NOT NULL,
            evaluated_tokens INTEGER NOT NULL,
            decoded_tokens INTEGER NOT NULL,
            wasted_tokens INTEGER NOT NULL,
            reason TEXT NOT NULL
        )
        """,
        "CREATE INDEX requests_at ON requests (at)",
        """
        CREATE TABLE awaiting_commit (
            offer INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            repository TEXT NOT NULL,
            path TEXT NOT NULL,       -- a salted hash
            marks TEXT NOT NULL       -- JSON: salted hashes of lines, and the kept characters in each
        )
        """,
        "CREATE INDEX awaiting_commit_repository ON awaiting_commit (repository)",
    ),
    (  # what tokens cost is counted for each request alone: one text serves several offers
        """
        CREATE TABLE new_offers (
            id INTEGER PRIMARY KEY,
            at REAL NOT NULL,
            language TEXT NOT NULL,
            model TEXT NOT NULL,
            repository TEXT NOT NULL,
            characters INTEGER NOT NULL,
            lines INTEGER NOT NULL,
            probability REAL,
            latency_ms REAL NOT NULL,
            source TEXT NOT NULL,
            outcome TEXT NOT NULL,
            stood_ms REAL,
            accepted_characters INTEGER NOT NULL DEFAULT 0,
            kept_30s REAL,
            kept_5min REAL,
            kept_commit REAL
        )
        """,
        """
        INSERT INTO new_offers
        SELECT id, at, language, model, repository, characters, lines, probability, latency_ms, source, outcome,
               stood_ms, accepted_characters, kept_30s, kept_5min, kept_commit FROM offers
        """,
        "DROP TABLE offers",
        "ALTER TABLE new_offers RENAME TO offers",
        "CREATE INDEX offers_at ON offers (at)",
        "ALTER TABLE requests ADD COLUMN id INTEGER",  # chosen as for offers; none in older rows
        "ALTER TABLE requests ADD COLUMN purpose TEXT NOT NULL DEFAULT 'completion'",
        "CREATE UNIQUE INDEX requests_id ON requests (id)",
    ),
)

_APPLICATION_ID = 0x64736173  # "dsas"
_BUSY_S = 5.0
_NAME = "ledger.sqlite3"
_SALT = "salt"
_LOCK = "lock"
_SALT_BYTES = 32
_REFUSED = "cannot use {file}: {reason}"


class LedgerError(NotDone):
    """The ledger cannot be read or written."""


class LedgerDamaged(LedgerError):
    """The file was damaged and lies aside now; a new one begins with the next entry."""


def ledger_dir() -> Path:
    """The folder of the ledger's files."""
    return places.state_dir() / "ledger"


@contextlib.contextmanager
def opened(directory: Path, *, create: bool = True) -> Iterator[sqlite3.Connection | None]:
    """The ledger, for one batch of reads and writes, committed at the end; None if there is none and `create` is off.

    Raises `LedgerError`; `LedgerDamaged` after a damaged file was moved aside.
    """
    import sqlite3

    file = directory / _NAME
    if not create and not file.exists():
        yield None
        return
    try:
        with _lock(directory, fcntl.LOCK_SH), contextlib.closing(_connect(file)) as connection:
            _adopt(connection, file)
            connection.execute("BEGIN IMMEDIATE" if create else "BEGIN")
            yield connection
            connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise LedgerError(_REFUSED.format(file=file, reason=error)) from error
    except sqlite3.DatabaseError as error:
        if type(error) is not sqlite3.DatabaseError:  # a subclass says that our own statement is wrong
            raise
        raise LedgerDamaged(_moved_aside(directory, str(error))) from error
    except OSError as error:
        raise LedgerError(_REFUSED.format(file=file, reason=(error.strerror or str(error)).lower())) from error


def migrate(connection: sqlite3.Connection, steps: Sequence[Sequence[str]] = MIGRATIONS) -> bool:
    """Bring the file to the newest form, step by step; False if a newer dsassist has taken it further already."""
    if (version := _version(connection)) < len(steps):
        connection.execute("BEGIN IMMEDIATE")
        version = _version(connection)  # another process may have been first
        for number in range(version, len(steps)):
            for statement in steps[number]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number + 1}")
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute("COMMIT")
    return version <= len(steps)


def erase(directory: Path) -> bool:
    """Remove the ledger with all that belongs to it, damaged files and salts too; False if there was nothing."""
    if not directory.is_dir():
        return False
    try:
        with _lock(directory, fcntl.LOCK_EX):
            found = [file for file in directory.iterdir() if file.name != _LOCK]
            for file in found:
                file.unlink()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise LedgerError(f"cannot erase {directory}: {reason}; remove the folder yourself") from error
    return bool(found)


def is_empty(directory: Path) -> bool:
    """Whether nothing was ever counted, or all of it was erased. Raises as `opened` does."""
    with opened(directory, create=False) as connection:
        if connection is None:
            return True
        [rows] = connection.execute("SELECT EXISTS (SELECT 1 FROM offers) + EXISTS (SELECT 1 FROM requests)").fetchone()
        return not rows


class Hasher:
    """Hashes with a salt that never leaves this machine and that `erase` throws away."""

    def __init__(self, directory: Path) -> None:
        """Read the salt, or make one; `LedgerError` when that cannot be done."""
        try:
            self._salt = _read_salt(places.make_private(directory) / _SALT)
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise LedgerError(_REFUSED.format(file=directory, reason=reason)) from error

    def name(self, text: str) -> str:
        """16 hexadecimal digits for a path; "" for ""."""
        return self._digest(text, 8) if text else ""

    def line(self, text: str) -> str:
        """8 hexadecimal digits for a line of code: enough to know it again, too few to guess it by."""
        return self._digest(text, 4)

    def _digest(self, text: str, size: int) -> str:
        import hashlib

        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=self._salt, digest_size=size).hexdigest()


def _read_salt(file: Path) -> bytes:
    with contextlib.suppress(FileNotFoundError):
        if len(salt := file.read_bytes()) == _SALT_BYTES:
            return salt
    made = file.with_name(f"{_SALT}-{os.getpid()}-{time.monotonic_ns()}")
    descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(os.urandom(_SALT_BYTES))
    try:
        os.link(made, file)  # whole at once, and the first of two processes wins
    except FileExistsError:
        if file.stat().st_size != _SALT_BYTES:  # a damaged one
            made.replace(file)
    made.unlink(missing_ok=True)
    return file.read_bytes()


@contextlib.contextmanager
def _lock(directory: Path, kind: int) -> Iterator[None]:
    places.make_private(directory)
    descriptor = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, kind)
        yield
    finally:
        os.close(descriptor)


def _connect(file: Path) -> sqlite3.Connection:
    import sqlite3

    # SQLite gives its -wal and -shm the mode of the file, which it would create for everybody to read.
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(file, timeout=_BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
    except BaseException:
        connection.close()
        raise
    return connection


def _adopt(connection: sqlite3.Connection, file: Path) -> None:
    """Make sure that the file is ours and of the newest form."""
    import sqlite3

    [found] = connection.execute("PRAGMA application_id").fetchone()
    [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if tables and found != _APPLICATION_ID:
        raise sqlite3.DatabaseError("file is not a ledger")
    if not migrate(connection):
        raise LedgerError(f"{file} was written by a newer dsassist; update this one to have completions counted")


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _moved_aside(directory: Path, reason: str) -> str:
    """Rename the damaged files, unless another process has done so, and say it."""
    file = directory / _NAME
    try:
        with _lock(directory, fcntl.LOCK_EX):
            if not _is_damaged(file):
                return f"{file} was damaged ({reason}); a new one is begun"
            aside = directory / f"damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.sqlite3"
            for ending in ("", "-wal", "-shm"):
                with contextlib.suppress(FileNotFoundError):
                    file.with_name(_NAME + ending).rename(aside.with_name(aside.name + ending))
    except (OSError, DsassistError) as error:
        return f"{file} is damaged ({reason}) and cannot be moved aside: {error}; remove it"
    return f"{file} was damaged ({reason}); it lies aside as {aside.name}, and a new one is begun"


def _is_damaged(file: Path) -> bool:
    import sqlite3

    if not file.exists():
        return False
    try:
        with contextlib.closing(_connect(file)) as connection:
            _adopt(connection, file)
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.DatabaseError:
        return True
