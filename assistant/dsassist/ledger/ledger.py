"""The ledger as an editor's server uses it: every method but `flush` and `close` returns at once."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.ledger.commits import Awaiting, committed_shares, packed_marks, path_name
from dsassist.ledger.database import Hasher, ledger_dir, opened
from dsassist.ledger.entries import KeptCheck, Outcome, RequestCost, ShownOffer
from dsassist.ledger.reading import tuning_rows
from dsassist.ledger.threshold import tuned_threshold
from dsassist.ledger.writer import Write, Writer

if TYPE_CHECKING:
    import sqlite3

    from dsassist.ledger.kept import Kept, LineMark

__all__ = ["AcceptedText", "Ledger"]

_ID_BITS = 53  # what JSON numbers hold exactly: clients hand the id back
_TUNED_FOR_S = 600.0
_DAY_S = 86_400.0
_OFFERS_KEPT_S = 730 * _DAY_S
_REQUESTS_KEPT_S = 90 * _DAY_S
_COMMIT_AWAITED_S = 30 * _DAY_S

_KEPT_COLUMNS: dict[KeptCheck, str] = {"30s": "kept_30s", "5min": "kept_5min", "commit": "kept_commit"}

# What an outcome takes the place of. What the client never said it showed is not dismissed, but may well be accepted.
_LIGHTER: dict[Outcome, tuple[Outcome, ...]] = {
    "shown": ("offered",),
    "dismissed": ("shown",),
    "typed through": ("shown", "dismissed"),
    "partly": ("offered", "shown", "dismissed", "typed through", "partly"),
    "accepted": ("offered", "shown", "dismissed", "typed through", "partly"),
}


@dataclass(frozen=True)
class AcceptedText:
    """Where an accepted text stands: `path` is relative to the repository's root, with slashes.

    `characters` are those of the accepted text that count (`counted_characters`).
    """

    offer: int
    path: str
    characters: int
    marks: tuple[LineMark, ...]


class Ledger:
    """Counts what happens. Methods may be called from any thread; unknown ids are let pass."""

    def __init__(
        self,
        complain: Callable[[str], None],
        *,
        directory: Path | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`complain` gets each sentence of what is wrong once, in another thread; `clock` gives seconds since 1970."""
        self._directory = directory or ledger_dir()
        self._clock = clock
        self._writer = Writer(self._directory, complain)
        self._pruned = False
        self._tuned: dict[tuple[str, str], tuple[float, float]] = {}

    def shown(self, offer: ShownOffer) -> int:
        """Count an offer; its id, by which to tell what becomes of it."""
        id_ = secrets.randbits(_ID_BITS)
        at = self._clock()

        def insert(connection: sqlite3.Connection, hasher: Hasher) -> None:
            row = {
                "id": id_,
                "at": at,
                "language": offer.language,
                "model": offer.model,
                "repository": hasher.name(offer.repository),
                "characters": offer.characters,
                "lines": offer.lines,
                "probability": offer.probability,
                "latency_ms": offer.latency_ms,
                "source": offer.source,
                "outcome": "shown" if offer.seen else "offered",
            }
            _insert(connection, "offers", row)

        self._write(insert)
        return id_

    def seen(self, offer: int) -> None:
        """An offer that was counted with `seen=False` is on the screen."""
        self._become(offer, "shown")

    def dismissed(self, offer: int) -> None:
        """Something else was typed, or the cursor went elsewhere."""
        self._become(offer, "dismissed")

    def typed_through(self, offer: int) -> None:
        """The user typed what was offered, or the beginning of it."""
        self._become(offer, "typed through")

    def accepted(self, offer: int, length: int | None = None) -> None:
        """The whole of it was taken; or all that was left of it, `length` characters, when the rest had been typed."""
        taken = "accepted_characters = max(accepted_characters, min(coalesce(?, characters), characters))"
        self._become(offer, "accepted", taken, length)

    def accepted_partly(self, offer: int, length: int) -> None:
        """The first `length` characters were taken; of several such messages the longest counts."""
        self._become(offer, "partly", "accepted_characters = max(accepted_characters, min(?, characters))", length)

    def kept(self, kept: Kept) -> None:
        """How much of an accepted offer still stands."""
        column = _KEPT_COLUMNS[kept.check]
        statement = f"UPDATE offers SET {column} = ? WHERE id = ?"  # noqa: S608 (the column is ours)
        self._write(lambda connection, _: _execute(connection, statement, kept.share, kept.offer))

    def request(self, cost: RequestCost) -> int:
        """Count a request, whether something was shown or not; its id, by which to tell of what is seen later."""
        id_ = secrets.randbits(_ID_BITS)
        row = {"id": id_, "at": self._clock(), **vars(cost)}
        self._write(
            lambda connection, hasher: _insert(
                connection, "requests", row | {"repository": hasher.name(cost.repository)}
            )
        )
        return id_

    def request_seen(self, request: int, wasted_tokens: int, reason: str) -> None:
        """More of a request's text is on the screen by now, or is known not to come there."""
        statement = "UPDATE requests SET wasted_tokens = ?, reason = ? WHERE id = ?"
        self._write(lambda connection, _: _execute(connection, statement, wasted_tokens, reason, request))

    def await_commit(self, root: Path, texts: Iterable[AcceptedText]) -> None:
        """Remember by which lines accepted texts are known again in a commit; the newest word on an offer counts."""
        at, several = self._clock(), tuple(texts)

        def remember(connection: sqlite3.Connection, hasher: Hasher) -> None:
            for text in several:
                marks = packed_marks(text.marks, text.characters, hasher)
                connection.execute(
                    # Not of an offer that the user has had erased meanwhile.
                    "INSERT INTO awaiting_commit (offer, at, repository, path, marks)"
                    " SELECT ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM offers WHERE id = ?)"
                    " ON CONFLICT (offer) DO UPDATE SET marks = excluded.marks",
                    (text.offer, at, hasher.name(str(root)), path_name(root, text.path, hasher), marks, text.offer),
                )

        if several:
            self._write(remember)

    def check_commits(self, root: Path, committed: Callable[[list[int]], None]) -> None:
        """Ask git which of the accepted texts of a repository are in a commit by now, of earlier sessions too.

        `committed` gets the offers that need not be followed any more, in another thread.
        """
        self._writer.run(lambda: self._check_commits(root, committed))

    def tuned(self, model: str, language: str, default: float) -> float:
        """The threshold that the user's own answers call for; the default until it is read, the first time."""
        key, now = (model, language), self._clock()
        read_at, threshold = self._tuned.get(key, (float("-inf"), default))
        if now - read_at > _TUNED_FOR_S:
            self._tuned[key] = now, threshold
            self._writer.run(lambda: self._tune(key, default))
        return threshold

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all that was told before is on disk or given up; False when that takes too long."""
        return self._writer.flush(timeout_s)

    def close(self, timeout_s: float = 5.0) -> bool:
        """Write what is left and end; False when that takes too long."""
        return self._writer.close(timeout_s)

    def _become(self, offer: int, outcome: Outcome, change: str = "", *values: object) -> None:
        """Set the outcome, unless a weightier one stands there; `change` goes with it."""
        lighter = _LIGHTER[outcome]
        sets, arguments = ["outcome = ?"], [outcome, *values]
        if change:
            sets.append(change)
        if outcome != "shown":
            sets.append("stood_ms = coalesce(stood_ms, (? - at) * 1000)")
            arguments.append(self._clock())
        marks = ", ".join("?" * len(lighter))
        statement = f"UPDATE offers SET {', '.join(sets)} WHERE id = ? AND outcome IN ({marks})"  # noqa: S608
        self._write(lambda connection, _: _execute(connection, statement, *arguments, offer, *lighter))

    def _write(self, write: Write) -> None:
        if not self._pruned:
            self._pruned = True
            self._writer.write(self._prune)
        self._writer.write(write)

    def _check_commits(self, root: Path, committed: Callable[[list[int]], None]) -> None:
        # git works outside of any transaction: other editors write meanwhile.
        with opened(self._directory, create=False) as connection:
            if connection is None:
                return
            hasher = Hasher(self._directory)
            found = connection.execute(
                "SELECT offer, at, path, marks FROM awaiting_commit WHERE repository = ?", (hasher.name(str(root)),)
            ).fetchall()
        shares = committed_shares(root, [Awaiting(*row) for row in found], hasher)
        if not shares:
            return
        with opened(self._directory) as connection:
            assert connection is not None, "it is created if need be"
            connection.executemany(
                "UPDATE offers SET kept_commit = ? WHERE id = ?", [(share, offer) for offer, share in shares.items()]
            )
            connection.executemany("DELETE FROM awaiting_commit WHERE offer = ?", [(offer,) for offer in shares])
        committed(list(shares))

    def _tune(self, key: tuple[str, str], default: float) -> None:
        model, language = key
        with opened(self._directory, create=False) as connection:
            if connection is not None:
                self._tuned[key] = self._clock(), tuned_threshold(tuning_rows(connection, model, language), default)

    def _prune(self, connection: sqlite3.Connection, _hasher: Hasher) -> None:
        now = self._clock()
        _execute(connection, "DELETE FROM offers WHERE at < ?", now - _OFFERS_KEPT_S)
        _execute(connection, "DELETE FROM requests WHERE at < ?", now - _REQUESTS_KEPT_S)
        _execute(connection, "DELETE FROM awaiting_commit WHERE at < ?", now - _COMMIT_AWAITED_S)


def _execute(connection: sqlite3.Connection, statement: str, *values: object) -> None:
    connection.execute(statement, values)


def _insert(connection: sqlite3.Connection, table: str, row: dict[str, object]) -> None:
    columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)  # noqa: S608 (the names are ours)
