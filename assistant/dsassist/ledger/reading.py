"""The ledger's rows as values: for the figures, and for the threshold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.ledger.threshold import MIN_ROWS, TuningRow

if TYPE_CHECKING:
    import sqlite3

__all__ = ["OfferRow", "RequestSum", "Selection", "offer_rows", "request_sums", "tuning_rows"]

# What was gone sooner was not read, so it says nothing of the offer.
_READ_MS = 300.0
_TUNING_ROWS = 2000  # the newest: models, habits and this program change


@dataclass(frozen=True)
class Selection:
    """Which rows: those since a time (seconds since 1970), of a language, of a model."""

    since: float = 0.0
    language: str | None = None
    model: str | None = None


@dataclass(frozen=True)
class OfferRow:
    """An offer that was shown; `day` is the local date, as 2026-11-24."""

    day: str
    language: str
    model: str
    source: str
    outcome: str
    characters: int
    accepted_characters: int
    latency_ms: float
    kept_30s: float | None
    kept_5min: float | None
    kept_commit: float | None


@dataclass(frozen=True)
class RequestSum:
    """The requests of one day, language, model and reason together; `reason` is "" where something was shown.

    `requests` counts those for a completion; the tokens are of all, `ahead_tokens` those evaluated in idle time.
    """

    day: str
    language: str
    model: str
    reason: str
    requests: int
    prompt_tokens: int
    evaluated_tokens: int
    decoded_tokens: int
    wasted_tokens: int
    ahead_tokens: int = 0


_DAY = "strftime('%Y-%m-%d', at, 'unixepoch', 'localtime')"
_WHERE = """
    WHERE at >= :since
    AND (:language IS NULL OR language = :language)
    AND (:model IS NULL OR model = :model)
"""


def offer_rows(connection: sqlite3.Connection, selection: Selection) -> Iterator[OfferRow]:
    """The offers that were shown, oldest first."""
    found = connection.execute(
        f"""
        SELECT {_DAY}, language, model, source, outcome, characters, accepted_characters, latency_ms,
               kept_30s, kept_5min, kept_commit
        FROM offers {_WHERE} AND outcome != 'offered' ORDER BY at
        """,  # noqa: S608 (nothing of it comes from outside)
        vars(selection),
    )
    return (OfferRow(*row) for row in found)


def request_sums(connection: sqlite3.Connection, selection: Selection) -> list[RequestSum]:
    """The requests, summed up by day, language, model and reason."""
    found = connection.execute(
        f"""
        SELECT {_DAY} AS day, language, model, reason, sum(purpose = 'completion'), sum(prompt_tokens),
               sum(evaluated_tokens), sum(decoded_tokens), sum(wasted_tokens),
               sum(CASE purpose WHEN 'ahead' THEN evaluated_tokens ELSE 0 END)
        FROM requests {_WHERE} GROUP BY day, language, model, reason ORDER BY day
        """,  # noqa: S608
        vars(selection),
    )
    return [RequestSum(*row) for row in found]


def tuning_rows(connection: sqlite3.Connection, model: str, language: str) -> list[TuningRow]:
    """The newest offers of a model in a language; in all languages where those are too few."""
    rows = _tuning_rows(connection, model, language)
    return rows if len(rows) >= MIN_ROWS else _tuning_rows(connection, model, None)


def _tuning_rows(connection: sqlite3.Connection, model: str, language: str | None) -> list[TuningRow]:
    """What was taken is counted as far as it was kept, where that was looked at.

    What the user typed through was right, so it counts as taken; it is of no use only because it came too late.
    """
    found = connection.execute(
        """
        SELECT probability,
               CASE WHEN outcome = 'typed through' THEN 1.0
                    ELSE min(1.0, 1.0 * accepted_characters / max(1, characters))
                         * coalesce(kept_5min, kept_30s, 1.0) END
        FROM offers
        WHERE model = :model AND (:language IS NULL OR language = :language) AND probability IS NOT NULL
          AND (outcome IN ('accepted', 'partly', 'typed through') OR (outcome = 'dismissed' AND stood_ms >= :read_ms))
        ORDER BY at DESC LIMIT :limit
        """,
        {"model": model, "language": language, "read_ms": _READ_MS, "limit": _TUNING_ROWS},
    )
    return [TuningRow(*row) for row in found]
