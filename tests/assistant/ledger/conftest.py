"""A ledger on a clock that the test moves, and what it has on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from dsassist.ledger.database import ledger_dir, opened
from dsassist.ledger.entries import ShownOffer
from dsassist.ledger.ledger import Ledger

START = 1_790_000_000.0


@dataclass
class Bench:
    """The ledger with its clock; `complaints` is what it had to say."""

    now: float = START
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.complaints.append, clock=lambda: self.now)

    def rows(self, columns: str = "*", table: str = "offers") -> list[tuple[Any, ...]]:
        """What is on disk, once all is written."""
        assert self.ledger.flush()
        with opened(ledger_dir(), create=False) as connection:
            assert connection is not None
            return connection.execute(f"SELECT {columns} FROM {table} ORDER BY at").fetchall()


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.ledger.close()


@pytest.fixture
def an_offer() -> Callable[..., ShownOffer]:
    def make(**changes: Any) -> ShownOffer:
        values: dict[str, Any] = {
            "language": "python",
            "model": "m",
            "repository": "/home/me/secret-project",
            "characters": 20,
            "lines": 1,
            "probability": 0.5,
            "latency_ms": 120.0,
        }
        return ShownOffer(**values | changes)

    return make
