"""The figures of `dsassist stats`, from the ledger's rows. Knows neither a terminal nor a page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any

from dsassist.ledger.entries import OUTCOMES
from dsassist.ledger.reading import OfferRow, RequestSum

__all__ = ["Figures", "Stats", "stats_of"]

_COSTS = ("requests", "prompt_tokens", "evaluated_tokens", "decoded_tokens", "wasted_tokens", "ahead_tokens")


@dataclass(frozen=True)
class Figures:
    """What holds for a group of offers and requests. Shares run from 0 to 1; None where there is nothing to divide by.

    The kept shares are of the accepted characters, blanks aside, of those offers that were looked at then.
    `kept_per_shown` counts accepted characters as far as the latest look found them, and not at all without a look.
    """

    shown: int
    outcomes: dict[str, int]
    characters_shown: int
    characters_accepted: int
    characters_kept: float
    kept_30s: float | None
    kept_5min: float | None
    kept_commit: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    requests: int
    prompt_tokens: int
    evaluated_tokens: int
    decoded_tokens: int
    wasted_tokens: int
    ahead_tokens: int

    @property
    def acceptance(self) -> float | None:
        """The share of the offers that were taken, whole or partly."""
        return _share(self.outcomes["accepted"] + self.outcomes["partly"], self.shown)

    @property
    def kept_per_shown(self) -> float | None:
        """Characters that stayed, for each character that was shown."""
        return _share(self.characters_kept, self.characters_shown)

    @property
    def ahead(self) -> float | None:
        """The share of the evaluated tokens that were evaluated in idle time."""
        return _share(self.ahead_tokens, self.evaluated_tokens)

    @property
    def wasted(self) -> float | None:
        """The share of the decoded tokens that nobody could see."""
        return _share(self.wasted_tokens, self.decoded_tokens)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **asdict(self),
            "acceptance": self.acceptance,
            "kept_per_shown": self.kept_per_shown,
            "ahead": self.ahead,
            "wasted": self.wasted,
        }


@dataclass(frozen=True)
class Stats:
    """All that `dsassist stats` shows; groups in the order of their offers, days in theirs, without gaps."""

    total: Figures
    days: dict[str, Figures]
    languages: dict[str, Figures]
    models: dict[str, Figures]
    reasons: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "total": self.total.as_dict(),
            "days": {name: figures.as_dict() for name, figures in self.days.items()},
            "languages": {name: figures.as_dict() for name, figures in self.languages.items()},
            "models": {name: figures.as_dict() for name, figures in self.models.items()},
            "nothing_shown": self.reasons,
        }


def stats_of(offers: Iterable[OfferRow], requests: Iterable[RequestSum]) -> Stats:
    """Sum the rows up."""
    total, days, languages, models = _Tally(), _Group(), _Group(), _Group()
    reasons: Counter[str] = Counter()
    for offer in offers:
        for tally in (total, days[offer.day], languages[offer.language], models[offer.model]):
            tally.add_offer(offer)
    for several in requests:
        for tally in (total, days[several.day], languages[several.language], models[several.model]):
            tally.add_requests(several)
        if several.reason:
            reasons[several.reason] += several.requests
    return Stats(
        total.figures(),
        {day: days[day].figures() for day in _without_gaps(days)},
        languages.figures(),
        models.figures(),
        dict(reasons.most_common()),
    )


@dataclass
class _KeptSum:
    kept: float = 0.0
    of: int = 0

    def add(self, share: float | None, characters: int) -> None:
        if share is not None:
            self.kept += share * characters
            self.of += characters


@dataclass
class _Tally:
    """Figures that are being summed up."""

    outcomes: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)
    characters_shown: int = 0
    characters_accepted: int = 0
    kept_30s: _KeptSum = field(default_factory=_KeptSum)
    kept_5min: _KeptSum = field(default_factory=_KeptSum)
    kept_commit: _KeptSum = field(default_factory=_KeptSum)
    kept: _KeptSum = field(default_factory=_KeptSum)
    requests: Counter[str] = field(default_factory=Counter)

    def add_offer(self, row: OfferRow) -> None:
        self.outcomes[row.outcome] += 1
        self.latencies_ms.append(row.latency_ms)
        self.characters_shown += row.characters
        self.characters_accepted += row.accepted_characters
        self.kept_30s.add(row.kept_30s, row.accepted_characters)
        self.kept_5min.add(row.kept_5min, row.accepted_characters)
        self.kept_commit.add(row.kept_commit, row.accepted_characters)
        latest = next((share for share in (row.kept_commit, row.kept_5min, row.kept_30s) if share is not None), None)
        self.kept.add(latest, row.accepted_characters)

    def add_requests(self, several: RequestSum) -> None:
        for name in _COSTS:
            self.requests[name] += getattr(several, name)

    def figures(self) -> Figures:
        latencies = sorted(self.latencies_ms)
        return Figures(
            shown=len(latencies),
            outcomes={outcome: self.outcomes[outcome] for outcome in OUTCOMES},
            characters_shown=self.characters_shown,
            characters_accepted=self.characters_accepted,
            characters_kept=self.kept.kept,
            kept_30s=_share(self.kept_30s.kept, self.kept_30s.of),
            kept_5min=_share(self.kept_5min.kept, self.kept_5min.of),
            kept_commit=_share(self.kept_commit.kept, self.kept_commit.of),
            latency_p50_ms=_percentile(latencies, 0.50),
            latency_p95_ms=_percentile(latencies, 0.95),
            **{name: self.requests[name] for name in _COSTS},
        )


class _Group(dict[str, _Tally]):
    def __missing__(self, name: str) -> _Tally:
        tally = self[name] = _Tally()
        return tally

    def figures(self) -> dict[str, Figures]:
        found = {name: tally.figures() for name, tally in self.items()}
        return dict(sorted(found.items(), key=lambda pair: (-pair[1].shown, -pair[1].requests, pair[0])))


def _without_gaps(days: Iterable[str]) -> list[str]:
    known = sorted(days)
    if not known:
        return []
    first, last = date.fromisoformat(known[0]), date.fromisoformat(known[-1])
    return [str(first + timedelta(days=number)) for number in range((last - first).days + 1)]


def _percentile(ordered: list[float], share: float) -> float | None:
    """The value that this share of them does not exceed."""
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
