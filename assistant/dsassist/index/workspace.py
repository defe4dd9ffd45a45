"""The index of one workspace: what is asked of it, and how it is kept up with the files.

For any thread: one connection reads and one writes, each under a lock of its own, so that a write that waits for
another process holds up no question. A damaged database is put aside and begun anew, empty; whoever opened the index is
told, and has it built again.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple, TypeVar

from dsassist.git import below_root
from dsassist.index.database import (
    IndexUnavailable,
    forget_database,
    is_damage,
    keep_aside,
    open_database,
    path_of,
    unpacked,
    writer_lock,
)
from dsassist.index.entry import Entry, Stored, entry_of_file
from dsassist.index.files import FoundFile, is_ignored, is_indexed_path, workspace_files
from dsassist.index.writing import known_files, remove, set_fact, store, transaction
from dsassist.syntax.symbols import Symbol
from dsassist_runtime.errors import NotDone

__all__ = ["Definition", "FoundChunk", "IndexBusy", "IndexCounts", "Refreshed", "WorkspaceIndex"]

_log = logging.getLogger(__name__)

_BATCH_FILES = 200
_BATCH_BYTES = 2 * 1024 * 1024
_LIMIT_FILES = 250_000
_MATCHES_LIMIT = 8_000  # chunks that BM25 has to rank
_WORDS_LIMIT = 16
_FREQUENCIES_LIMIT = 50_000
_DEFINITIONS_LIMIT = 24  # of one name

_DEFINITIONS = """
SELECT path, language, name, kind, container, signature, doc, start_line, end_line
FROM symbols JOIN files ON files.id = symbols.file WHERE {condition} ORDER BY path, start_line, name LIMIT 4000
"""

T = TypeVar("T")
Progress = Callable[[int, int], object]


class IndexBusy(NotDone):
    """Another process builds this index just now."""


class Definition(NamedTuple):
    """A symbol and the file that defines it."""

    path: str
    language: str
    symbol: Symbol


class FoundChunk(NamedTuple):
    """A piece of a file; `line` (from 1) is its first."""

    path: str
    line: int
    text: str


@dataclass(frozen=True)
class IndexCounts:
    """How much is in an index; `refreshed_at` (seconds since 1970) is when it was last compared with all files."""

    files: int
    refused: int
    symbols: int
    chunks: int
    size_bytes: int
    refreshed_at: float | None


@dataclass(frozen=True)
class Refreshed:
    """What a comparison with the files changed. `complete` is False when it was cancelled or there are too many."""

    files: int
    stored: int
    removed: int
    seconds: float
    complete: bool


def _say(message: str) -> None:
    _log.warning("%s", message)


class WorkspaceIndex:
    """The index of the files below `root`, opened or begun. `close` it, or use it in a `with`.

    `IndexUnavailable` when there can be none: no room, no right to write, an SQLite without FTS5.
    """

    def __init__(
        self,
        root: Path,
        on_trouble: Callable[[str], object] = _say,
        on_emptied: Callable[[], object] = lambda: None,
    ) -> None:
        """`on_trouble` gets a sentence about damage; `on_emptied` is called where it left an empty index.

        Both in the thread that met the damage.
        """
        self.root = root.resolve()
        self.path = path_of(root)
        self._on_trouble = on_trouble
        self._on_emptied = on_emptied
        self._reading, self._writing = RLock(), RLock()
        self._frequencies: dict[str, int] = {}
        self._closed = False
        self._connections: tuple[sqlite3.Connection, ...] = ()
        self._trouble = ""  # that was told last
        if self._open():
            self._on_emptied()

    def __enter__(self) -> WorkspaceIndex:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database; later questions have empty answers."""
        with self._writing, self._reading:
            if not self._closed:
                self._closed = True
                for connection in self._connections:
                    connection.close()

    # ---- keeping up ----

    def refresh(
        self, on_progress: Progress | None = None, is_cancelled: Callable[[], bool] = lambda: False
    ) -> Refreshed:
        """Compare the index with the files and take over what differs; `on_progress(done, total)` counts those.

        Work is kept in batches: what was done before a cancel stays. `IndexBusy` when another process is at it.
        """
        started = time.monotonic()
        with writer_lock(self.path) as is_ours:
            if not is_ours:
                raise IndexBusy(f"another process is building the index of {self.root}; wait for its end")
            try:
                return self._refresh(started, on_progress or (lambda _done, _total: None), is_cancelled)
            except sqlite3.DatabaseError as error:
                if not is_damage(error):
                    raise IndexUnavailable(f"the index of {self.root} cannot be written: {error}") from error
                self._open_anew(error)
                return self._refresh(started, on_progress or (lambda _done, _total: None), is_cancelled)

    def _refresh(self, started: float, on_progress: Progress, is_cancelled: Callable[[], bool]) -> Refreshed:
        with self._writing:
            known = known_files(self._writer)
        changed, unseen, n_files, complete = [], set(known), 0, True
        for found in workspace_files(self.root):
            if is_cancelled() or n_files == _LIMIT_FILES:
                complete = False
                break
            n_files += 1
            unseen.discard(found.path)
            before = known.get(found.path)
            if before is None or (before.size, before.mtime_ns) != (found.size, found.mtime_ns):
                changed.append(found)
        gone = sorted(unseen) if complete else []
        changed.sort()  # neighbours in one batch
        total, done, stored = len(changed), 0, 0
        on_progress(0, total)
        for batch in _batches(changed):
            if is_cancelled():
                complete = False
                break
            stored += self._store_files([found.path for found in batch], known)
            done += len(batch)
            on_progress(done, total)
        with self._writing, transaction(self._writer):
            remove(self._writer, gone)
            if complete:
                set_fact(self._writer, "refreshed_at", str(time.time()))
        self._frequencies.clear()
        return Refreshed(n_files, stored, len(gone), time.monotonic() - started, complete)

    def _store_files(self, paths: Sequence[str], known: dict[str, Stored]) -> int:
        """Read the files, then write their entries: the write lock is not held while they are parsed."""
        entries = [(path, entry_of_file(self.root, path, known.get(path))) for path in paths]
        with self._writing, transaction(self._writer):
            for path, entry in entries:
                if entry is None:
                    remove(self._writer, [path])
                else:
                    store(self._writer, entry)
        return sum(isinstance(entry, Entry) for _, entry in entries)

    def update_file(self, path: str | Path) -> bool:
        """Take over one file as it is on disk. False if it could not be.

        It may wait seconds for another process to write: not for an event loop's thread.
        """
        relative = self.relative(path)
        if relative is None or self._closed:
            return False
        try:
            is_wanted = is_indexed_path(relative) and not is_ignored(self.root, relative)
            entry = entry_of_file(self.root, relative) if is_wanted else None
            with self._writing, transaction(self._writer):
                if entry is None:
                    remove(self._writer, [relative])
                else:
                    store(self._writer, entry)
        except sqlite3.DatabaseError as error:
            if is_damage(error):
                self._mend(error)
            else:
                _log.info("%s is not taken into the index: %s", relative, error)
            return False
        return True

    def forget(self) -> None:
        """Delete the index from the disk."""
        self.close()
        forget_database(self.path)

    # ---- questions ----

    def relative(self, path: str | Path) -> str | None:
        """A file's path as the index has it, or None for one outside of the workspace."""
        file = Path(path)
        if file.is_absolute():
            return below_root(self.root, file)
        return None if ".." in file.parts else file.as_posix()

    def counts(self) -> IndexCounts:
        """How much there is."""
        files, refused, symbols, chunks, at = self._ask(
            lambda db: db.execute(
                "SELECT (SELECT count(*) FROM files), (SELECT count(*) FROM files WHERE refusal != ''),"
                " (SELECT count(*) FROM symbols), (SELECT count(*) FROM chunks),"
                " (SELECT value FROM facts WHERE name = 'refreshed_at')"
            ).fetchone(),
            (0, 0, 0, 0, None),
        )
        size = sum(
            file.stat().st_size
            for ending in ("", "-wal")
            if (file := self.path.with_name(self.path.name + ending)).exists()
        )
        return IndexCounts(files - refused, refused, symbols, chunks, size, float(at) if at else None)

    def definitions(self, names: Collection[str], languages: Collection[str]) -> list[Definition]:
        """Where these names are defined in files of these languages, by path and line; members among them.

        Names that are defined all over the workspace are left out: they tell nothing.
        """

        wanted = set(names) - self.common_names(names)
        if not wanted:
            return []
        return self._definitions(
            f"symbols.name IN ({_marks(wanted)}) AND files.language IN ({_marks(languages)})",
            [*sorted(wanted), *sorted(languages)],
        )

    def common_names(self, names: Collection[str]) -> set[str]:
        """Those of the names that are defined all over the workspace."""

        def common(db: sqlite3.Connection) -> set[str]:
            count = f"SELECT count(*) FROM (SELECT 1 FROM symbols WHERE name = ? LIMIT {_DEFINITIONS_LIMIT + 1})"  # noqa: S608
            return {name for name in names if db.execute(count, (name,)).fetchone()[0] > _DEFINITIONS_LIMIT}

        nothing: set[str] = set()
        return self._ask(common, nothing)

    def types_with_members(self, paths: Collection[str], names: Collection[str]) -> list[Definition]:
        """The symbols of these names in these files, and what belongs to them, by path and line."""
        if not paths or not names:
            return []
        marks = _marks(names)
        return self._definitions(
            f"files.path IN ({_marks(paths)}) AND (symbols.name IN ({marks}) OR symbols.container IN ({marks}))",
            [*sorted(paths), *sorted(names), *sorted(names)],
        )

    def symbols_in(self, paths: Collection[str]) -> list[Definition]:
        """What these files define, by path and line."""
        return self._definitions(f"files.path IN ({_marks(paths)})", sorted(paths)) if paths else []

    def _definitions(self, condition: str, values: Sequence[str]) -> list[Definition]:
        query = _DEFINITIONS.replace("{condition}", condition)
        rows: list[tuple[Any, ...]] = self._ask(lambda db: db.execute(query, values).fetchall(), [])
        return [Definition(path, language, Symbol(*symbol)) for path, language, *symbol in rows]

    def modules(self, keys: Collection[str]) -> dict[str, list[str]]:
        """The paths of the files that an import may mean which ends with one of these keys (`module_key`)."""
        if not keys:
            return {}
        query = f"SELECT module, path FROM files WHERE module IN ({_marks(keys)}) ORDER BY path"  # noqa: S608
        rows: list[tuple[str, str]] = self._ask(lambda db: db.execute(query, sorted(keys)).fetchall(), [])
        found: dict[str, list[str]] = {}
        for module, path in rows:
            found.setdefault(module, []).append(path)
        return found

    def similar(self, words: Sequence[str], languages: Collection[str], limit: int) -> list[FoundChunk]:
        """The chunks that share most of these words (in lower case), by BM25; the rare ones decide."""
        chosen = self._rarest(words)
        if not chosen:
            return []
        query = " OR ".join(f'"{word}"' for word in sorted(chosen))
        return self._ask(lambda db: _ranked(db, query, frozenset(languages), limit), [])

    def text_of(self, path: str) -> str | None:
        """A file's text as the index has it, without secrets and with LF."""

        def question(db: sqlite3.Connection) -> str | None:
            found = db.execute("SELECT text FROM files WHERE path = ? AND refusal = ''", (path,)).fetchone()
            return unpacked(found[0]) if found else None

        return self._ask(question, None)

    def _rarest(self, words: Iterable[str]) -> list[str]:
        """The rarest words that occur at all, so few that ranking what they match takes little time."""
        nothing: list[tuple[int, str]] = []
        counted = self._ask(lambda db: [(self._frequency(db, word), word) for word in dict.fromkeys(words)], nothing)
        chosen: list[str] = []
        matches = 0
        for count, word in sorted(counted):
            if count and (matches + count <= _MATCHES_LIMIT or not chosen) and len(chosen) < _WORDS_LIMIT:
                chosen.append(word)
                matches += count
        return chosen

    def _frequency(self, db: sqlite3.Connection, word: str) -> int:
        """In how many chunks a word occurs; kept, as a common word takes a while to count."""
        if (count := self._frequencies.get(word)) is None:
            found = db.execute("SELECT doc FROM word_counts WHERE term = ?", (word,)).fetchone()
            count = int(found[0]) if found else 0
            if len(self._frequencies) >= _FREQUENCIES_LIMIT:
                self._frequencies.clear()
            self._frequencies[word] = count
        return count

    # ---- the database ----

    def follow(self) -> None:
        """Take the file that lies at the index's place by now, where another process has put a new one there.

        Where that cannot be opened the index goes on with the one that it has.
        """
        with suppress(OSError):
            if self._file_at_path() != self._file:
                self._mend()

    def _open(self) -> bool:
        """Open what lies at the index's place, and let go of what was open; True where damage has emptied it."""
        is_emptied = False
        try:
            reader, writer, file = self._connected()
        except sqlite3.DatabaseError as damage:
            self._put_aside(damage)
            is_emptied = True
            reader, writer, file = self._connected()
        for connection in self._connections:
            connection.close()
        self._reader, self._writer = self._connections = reader, writer
        self._file = file
        self._frequencies.clear()
        return is_emptied

    def _connected(self) -> tuple[sqlite3.Connection, sqlite3.Connection, tuple[int, int]]:
        """One that reads, one that writes, and their file; `IndexUnavailable`, and `DatabaseError` for damage alone."""
        with ExitStack() as stack:
            try:
                reader = stack.enter_context(closing(open_database(self.path)))
                writer = stack.enter_context(closing(open_database(self.path)))
                reader.execute("SELECT count(*) FROM chunk_words WHERE chunk_words MATCH '\"\"'").fetchone()
                file = self._file_at_path()
            except (sqlite3.DatabaseError, OSError) as error:
                if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
                    raise
                raise IndexUnavailable(f"no index of the workspace: {self.path}: {error}") from error
            stack.pop_all()
        return reader, writer, file

    def _file_at_path(self) -> tuple[int, int]:
        found = self.path.stat()
        return found.st_dev, found.st_ino

    def _mend(self, damage: sqlite3.DatabaseError | None = None) -> None:
        """Open anew, for who goes on without an answer where that cannot be: it is told once."""
        try:
            self._open_anew(damage)
            self._trouble = ""
        except (IndexUnavailable, sqlite3.DatabaseError, OSError) as error:
            if self._trouble != str(error):
                self._trouble = str(error)
                self._on_trouble(f"The index of {self.root} cannot be opened again: {error}")

    def _open_anew(self, damage: sqlite3.DatabaseError | None) -> None:
        """Take what lies at the index's place by now; begin anew where that is the file in which damage was met."""
        with self._writing, self._reading:
            if self._closed:
                return
            is_emptied = damage is not None and self._is_in_place()
            if damage is not None and is_emptied:
                self._put_aside(damage)
            is_emptied = self._open() or is_emptied
        if is_emptied:
            self._on_emptied()

    def _is_in_place(self) -> bool:
        """Does the file that is open lie at the index's place, or nothing? Else another process was first."""
        try:
            return self._file_at_path() == self._file
        except FileNotFoundError:
            return True

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        with suppress(FileNotFoundError):  # another process was first
            aside = keep_aside(self.path)
            self._on_trouble(
                f"The index of {self.root} was damaged ({error}) and is built again; it is kept as {aside}"
            )

    def _ask(self, question: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        """The answer, or `nothing` when the index cannot give one: a completion goes on without."""
        with self._reading:
            if self._closed:
                return nothing
            try:
                return question(self._reader)
            except sqlite3.DatabaseError as error:
                damage = error
        if is_damage(damage):
            self._mend(damage)
        else:
            _log.info("The index of %s gives no answer: %s", self.root, damage)
        return nothing


def _ranked(db: sqlite3.Connection, query: str, languages: frozenset[str], limit: int) -> list[FoundChunk]:
    rows = db.execute(
        "SELECT files.id, path, language, start_line, end_line FROM"
        " (SELECT rowid AS row, rank AS score FROM chunk_words WHERE chunk_words MATCH ? ORDER BY rank LIMIT ?)"
        " JOIN chunks ON chunks.id = row JOIN files ON files.id = chunks.file ORDER BY score, path, start_line",
        (query, 4 * limit),
    ).fetchall()
    found: list[FoundChunk] = []
    texts: dict[int, list[str]] = {}
    for file, path, language, start, end in rows:
        if language in languages and len(found) < limit:
            if file not in texts:
                (text,) = db.execute("SELECT text FROM files WHERE id = ?", (file,)).fetchone()
                texts[file] = unpacked(text).split("\n")
            found.append(FoundChunk(path, start, "\n".join(texts[file][start - 1 : end])))
    return found


def _batches(files: Sequence[FoundFile]) -> Iterable[list[FoundFile]]:
    batch: list[FoundFile] = []
    size = 0
    for found in files:
        batch.append(found)
        size += found.size
        if len(batch) == _BATCH_FILES or size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _marks(values: Collection[str]) -> str:
    return ", ".join("?" * len(values))
