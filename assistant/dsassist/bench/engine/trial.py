"""What a group of figures is measured on, and how two servers take turns."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.texts import Texts
from dsassist.bench.report import Better, Figure

__all__ = ["QUICK", "BenchModel", "Measured", "Sizes", "Trial", "beside", "ratio_figure", "take_turns"]

T = TypeVar("T")
Arm = TypeVar("Arm", bound=Hashable)


@dataclass(frozen=True)
class BenchModel:
    """A model as the bench sees it."""

    name: str
    path: Path
    n_ctx: int  # tokens of one request, in both servers
    can_infill: bool
    has_chat_template: bool


@dataclass(frozen=True)
class Sizes:
    """How much is asked; the defaults are what the bars are for."""

    decode_tokens: int = 128
    streams: int = 8
    stream_tokens: int = 64
    review_tokens: int = 4000
    completion_tokens: int = 100  # of the prompt of a completion
    busy_s: float = 8.0
    cancels: int = 20
    file_tokens: int = 600
    storm_requests: int = 2000
    storm_clients: int = 32


QUICK = Sizes(
    decode_tokens=24,
    streams=3,
    stream_tokens=8,
    review_tokens=800,
    completion_tokens=40,
    busy_s=1.0,
    cancels=3,
    file_tokens=200,
    storm_requests=60,
    storm_clients=8,
)


@dataclass(frozen=True)
class Trial:
    """Our server, and the peer if there is one, with the same model."""

    model: BenchModel
    ours: Server
    peer: Server | None
    texts: Texts
    sizes: Sizes = field(default_factory=Sizes)
    repeats: int = 3

    @property
    def servers(self) -> tuple[Server, ...]:
        """Ours first."""
        return (self.ours,) if self.peer is None else (self.ours, self.peer)

    def fitting(self, n_tokens: int) -> int:
        """So many tokens, or what the context holds of them with room for an answer."""
        return min(n_tokens, self.model.n_ctx - 128)


@dataclass(frozen=True)
class Measured:
    """The figures of a group, and what could not be measured, with the reason."""

    figures: Sequence[Figure]
    left_out: Sequence[str] = ()


async def take_turns(
    arms: Sequence[Arm], rounds: int, measure: Callable[[Arm, int], Awaitable[T]]
) -> dict[Arm, list[T]]:
    """Measure each arm once a round; every other round goes through them backwards."""
    results: dict[Arm, list[T]] = {arm: [] for arm in arms}
    for turn in range(rounds):
        for arm in arms[:: -1 if turn % 2 else 1]:
            results[arm].append(await measure(arm, turn))
    return results


def beside(
    name: str, unit: str, values: dict[Server, list[float]], better: Better, bar: float | None = None
) -> list[Figure]:
    """A figure for each server, ours first, and their ratio with its bar."""
    figures = [Figure(f"{name}, {server.name}", tuple(samples), unit, better) for server, samples in values.items()]
    if len(values) == 2:
        (ours, our_samples), (peer, peer_samples) = values.items()
        figures.append(ratio_figure(name, ours.name, peer.name, our_samples, peer_samples, better, bar))
    return figures


def ratio_figure(
    name: str, over: str, under: str, overs: Sequence[float], unders: Sequence[float], better: Better, bar: float | None
) -> Figure:
    """One arm over another, round by round: what slows down the machine for a while slows down both."""
    samples = tuple(a / b for a, b in zip(overs, unders, strict=True))
    return Figure(f"{name}, {over} / {under}", samples, "x", better, bar)
