"""What came of the cells of a case, as figures with their bars."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from dsassist.bench.offload.arm import Outcome
from dsassist.bench.offload.cases import LAPTOP_KB, Cap, Case, Cell
from dsassist.bench.report import Better, Figure, p95

__all__ = ["Round", "case_figures"]

_MB = 1e6
_Value = Callable[[Outcome], float | None]  # None where the outcome does not tell


class Round(NamedTuple):
    """One round of a case: the outcomes by cell, and the disk's speed before them."""

    outcomes: dict[Cell, Outcome]
    disk_bytes_s: float


class _Bars(NamedTuple):
    over_floor: float | None = None
    of_resident: float | None = None
    of_mmap_found: float | None = None
    of_mmap_laptop: float | None = None


# Of the caps of each case, in their order; that of the resident speed is meant for a disk of 1.3 GB/s.
_BARS = {
    "a": (_Bars(over_floor=1.3, of_mmap_found=5.0, of_mmap_laptop=1.25),),
    "b": (_Bars(over_floor=1.25, of_resident=0.65, of_mmap_found=2.0), _Bars(of_mmap_found=3.0, of_mmap_laptop=1.5)),
}
_TEXT_BARS = _Bars()
_P95_BAR = 2.0
_WATCHING_BAR = 10.0  # % of a token; with more, a helper in C would pay
_UNCHANGED_BAR = 0.99


def case_figures(case: Case, rounds: Sequence[Round], small: bool) -> Iterator[Figure]:
    """All figures of a case; tiny shapes have no bars, as what they measure is the program around them."""
    for cell in case.cells:
        yield from _cell_figures(case, cell, rounds)
    if case.name == "a":
        yield from _compared(
            f"{case.name}: resident, ours over bare llama.cpp, speed",
            rounds,
            lambda one: _of(one, Cell("resident"), lambda found: found.of_bare),
            bar=None if small else _UNCHANGED_BAR,
        )
    caps = list(dict.fromkeys(cell.cap for cell in case.cells if cell.cap is not None))
    for number, cap in enumerate(caps):
        bars = _BARS[case.name][number] if case.name in _BARS and not small else _TEXT_BARS
        yield from _cap_figures(case, cap, bars, rounds, small)
    yield _other_logits(case, rounds)


def _cell_figures(case: Case, cell: Cell, rounds: Sequence[Round]) -> Iterator[Figure]:
    name = f"{case.name}: {cell.name}"

    def each(what: str, unit: str, value: _Value, better: Better = "lower") -> Iterator[Figure]:
        yield from _compared(f"{name}: {what}", rounds, lambda one: _of(one, cell, value), unit=unit, better=better)

    yield from each("speed", "tokens/s", lambda found: len(found.token_s) / sum(found.token_s), "higher")
    yield from each("token, median", "ms", lambda found: 1e3 * statistics.median(found.token_s))
    yield from each("token, p95", "ms", lambda found: 1e3 * p95(found.token_s))
    yield from each("read a token", "MB", lambda found: found.traffic.disk_bytes / len(found.token_s) / _MB)
    yield from each("major faults a token", "", lambda found: found.traffic.major_faults / len(found.token_s))
    if cell.cap is not None and cell.cap.cap_bytes is not None:
        yield from each("peak of the cgroup", "MB", lambda found: _peak_over(found, _MB))
    if cell.arm == "streamed":
        yield from each("hits", "%", lambda found: 100 * _hit_rate(found), "higher")
        yield from each("waited for experts", "% of the time", lambda found: _waited(found, 1.0))
        yield from each("the same of the slowest twentieth", "% of the time", lambda found: _waited(found, 0.05))


def _cap_figures(case: Case, cap: Cap, bars: _Bars, rounds: Sequence[Round], small: bool) -> Iterator[Figure]:
    name, ours, resident = f"{case.name}: {cap.name}: streamed", Cell("streamed", cap), Cell("resident")
    yield from _compared(
        f"{name}, token over floor (resident + missed bytes / disk)",
        rounds,
        lambda one: _over_floor(one, ours, resident),
        better="lower",
        bar=bars.over_floor,
    )
    yield from _compared(
        f"{name}, of the resident speed", rounds, lambda one: _slower(one, resident, ours), bar=bars.of_resident
    )
    for cell in case.cells:
        if cell.cap == cap and cell.arm in ("mmap", "advised"):
            bar = None
            if cell.arm == "mmap":
                bar = bars.of_mmap_laptop if cell.read_ahead_kb == LAPTOP_KB else bars.of_mmap_found
            at = f" at {cell.read_ahead_kb} KB" if cell.read_ahead_kb is not None else ""
            yield from _compared(
                f"{name}, of the speed of {cell.arm}{at}",
                rounds,
                lambda one, cell=cell: _slower(one, cell, ours),  # type: ignore[misc]
                bar=bar,
            )
    if case.name == "c":
        return
    yield from _compared(
        f"{name}, token p95 over median",
        rounds,
        lambda one: _of(one, ours, lambda found: _over_median(found.token_s)),
        better="lower",
        bar=None if small else _P95_BAR,
    )
    floors: dict[str, Callable[[float, float], float]] = {
        "computing, then reading": lambda compute_s, read_s: compute_s + read_s,
        "both side by side": max,
    }
    for what, floor in floors.items():
        yield from _compared(
            f"{name}, the same of the floor, {what}",
            rounds,
            lambda one, floor=floor: _floor_over_median(one, ours, resident, floor),  # type: ignore[misc]
            better="lower",
        )
    yield from _compared(
        f"{name}, our callback's part of a token",
        rounds,
        lambda one: _of(one, ours, _watching),
        unit="%",
        better="lower",
        bar=None if small else _WATCHING_BAR,
    )
    if cap.cap_bytes is not None:
        limit = cap.cap_bytes
        yield from _compared(
            f"{name}, peak memory of the cap",
            rounds,
            lambda one: _of(one, ours, lambda found: _peak_over(found, limit)),
            better="lower",
            bar=1.0,
        )


def _compared(
    name: str,
    rounds: Sequence[Round],
    value: Callable[[Round], float | None],
    *,
    unit: str = "x",
    better: Better = "higher",
    bar: float | None = None,
) -> Iterator[Figure]:
    """The figure, if there is one: of the rounds in which what it needs was measured."""
    samples = tuple(found for found in map(value, rounds) if found is not None)
    if samples:
        yield Figure(name, samples, unit, better, bar)


def _of(one: Round, cell: Cell, value: _Value) -> float | None:
    found = one.outcomes.get(cell)
    return None if found is None else value(found)


def _slower(one: Round, other: Cell, ours: Cell) -> float | None:
    """How many times longer `other` took than `ours`, for the tokens that both wrote."""
    theirs, mine = one.outcomes.get(other), one.outcomes.get(ours)
    if theirs is None or mine is None:
        return None
    n = min(len(theirs.token_s), len(mine.token_s))
    return sum(theirs.token_s[:n]) / sum(mine.token_s[:n])


def _over_floor(one: Round, ours: Cell, resident: Cell) -> float | None:
    found, compute = one.outcomes.get(ours), one.outcomes.get(resident)
    if found is None or compute is None:
        return None
    read_s = found.traffic.missed_bytes / one.disk_bytes_s / len(found.token_s)
    return statistics.mean(found.token_s) / (statistics.mean(compute.token_s) + read_s)


def _floor_over_median(one: Round, ours: Cell, resident: Cell, floor: Callable[[float, float], float]) -> float | None:
    """p95 over median of what each token needs at least: computing, and what it missed at the disk's speed."""
    found, compute = one.outcomes.get(ours), one.outcomes.get(resident)
    if found is None or found.streamed is None or compute is None:
        return None
    compute_s = statistics.median(compute.token_s)
    return _over_median([floor(compute_s, missed / one.disk_bytes_s) for missed in found.streamed.missed_bytes])


def _over_median(values: Sequence[float]) -> float:
    return p95(values) / statistics.median(values)


def _waited(found: Outcome, share: float) -> float | None:
    """Of the slowest `share` of the tokens, the part of their time that was waited for experts, in %."""
    if found.streamed is None:
        return None
    tokens = sorted(zip(found.token_s, found.streamed.waited_s, strict=True), reverse=True)
    slowest = tokens[: max(1, round(share * len(tokens)))]
    return 100 * sum(waited for _token, waited in slowest) / sum(token for token, _waited in slowest)


def _watching(found: Outcome) -> float | None:
    if found.streamed is None:
        return None
    return 100 * found.streamed.watching_s / statistics.median(found.token_s)


def _other_logits(case: Case, rounds: Sequence[Round]) -> Figure:
    """In how many runs of a round a token's logits are not those of the others, to the bit."""
    samples = []
    for one in rounds:
        checks = [found.checks for found in one.outcomes.values()]
        longest = max(checks, key=len, default=[])
        samples.append(float(sum(each != longest[: len(each)] for each in checks)))
    return Figure(f"{case.name}: runs with other logits or texts", tuple(samples), "", "lower", 0.0)


def _peak_over(found: Outcome, n_bytes: float) -> float | None:
    """None where the peak is not known."""
    return None if found.peak_bytes is None else found.peak_bytes / n_bytes


def _hit_rate(found: Outcome) -> float:
    wanted = found.traffic.hits + found.traffic.misses
    return found.traffic.hits / wanted if wanted else 1.0
