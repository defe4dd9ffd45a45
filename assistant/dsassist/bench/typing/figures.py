"""The figures of a run: of each round of each arm one sample, and of two arms their ratio, with the bars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean, median

from dsassist.bench.engine.trial import ratio_figure
from dsassist.bench.report import Better, Figure, p95
from dsassist.bench.typing.timeline import Timeline

__all__ = ["OURS", "PEER", "Round", "compared", "of_layout"]

OURS, PEER = "dsassist", "llama.vim"

Count = Callable[[str], int]


@dataclass(frozen=True)
class Round:
    """What one arm did in one round: the traces, and the milliseconds of cold first texts by file (None: no text)."""

    timelines: Sequence[Timeline]
    cold_ms: Mapping[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class _Measure:
    name: str
    unit: str
    value: Callable[[Round, Count], float | None]  # None where a round has nothing to measure
    better: Better = "lower"
    ratio_bar: float | None = None  # of the peer's
    own_bar: float | None = None
    has_ratio: bool = True


def _evaluated(
    statistic: Callable[[Sequence[float]], float], *, with_idle: bool = False
) -> Callable[..., float | None]:
    def value(done: Round, _count: Count) -> float | None:
        counts = [n for timeline in done.timelines for n in timeline.evaluated(with_idle=with_idle)]
        return statistic([float(n) for n in counts]) if counts else None

    return value


def _waited(statistic: Callable[[Sequence[float]], float], *, standing: bool) -> Callable[..., float | None]:
    def value(done: Round, _count: Count) -> float | None:
        sights = [sight for timeline in done.timelines for sight in timeline.sights()]
        waited = [sight.waited_ms for sight in sights if standing or not sight.standing]
        return statistic(waited) if waited else None

    return value


def _pause(done: Round, _count: Count) -> float | None:
    pauses = [ms for timeline in done.timelines for ms in timeline.pauses()]
    return mean(pauses) if pauses else None


def _seen_share(done: Round, _count: Count) -> float:
    seen = sum(1 for timeline in done.timelines for _ in timeline.sights())
    return 100 * seen / sum(len(timeline.edits) for timeline in done.timelines)


def _wasted(done: Round, count: Count) -> float:
    """Texts on the screen are counted anew by the tokenizer, so a few tokens may be too many or too few."""
    wasted = [timeline.n_decoded - sum(count(text) for text in timeline.new_texts()) for timeline in done.timelines]
    return max(0.0, mean(wasted))


def _total(of: Callable[[Timeline], int]) -> Callable[[Round, Count], float]:
    return lambda done, _count: float(sum(of(timeline) for timeline in done.timelines))


def _each(of: Callable[[Timeline], int]) -> Callable[[Round, Count], float]:
    return lambda done, _count: mean(float(of(timeline)) for timeline in done.timelines)


def _taken_share(done: Round, _count: Count) -> float:
    taken = sum(timeline.n_accepted for timeline in done.timelines)
    return 100 * taken / max(1, taken + sum(timeline.n_typed for timeline in done.timelines))


_MEASURES = (
    _Measure("evaluated again per keystroke, mean", "tokens", _evaluated(mean), ratio_bar=0.5),
    _Measure("evaluated again per keystroke, p95", "tokens", _evaluated(p95), ratio_bar=0.5),
    _Measure("the same and what was done ahead, mean", "tokens", _evaluated(mean, with_idle=True)),
    _Measure("new text, median", "ms", _waited(median, standing=False), ratio_bar=0.7),
    _Measure("new text, p95", "ms", _waited(p95, standing=False), ratio_bar=0.7),
    _Measure("any text, median", "ms", _waited(median, standing=True), has_ratio=False),
    _Measure("pauses without a text, mean", "ms", _pause),
    _Measure("keystrokes with a text", "%", _seen_share, "higher"),
    _Measure("tokens never shown, per trace", "tokens", _wasted, ratio_bar=0.5),
    _Measure("tokens written, per trace", "tokens", _each(lambda timeline: timeline.n_decoded), has_ratio=False),
    _Measure("characters taken, not typed", "%", _taken_share, "higher", has_ratio=False),
    _Measure("valid texts withdrawn", "times", _total(lambda timeline: timeline.n_flickers), has_ratio=False),
    _Measure("stale texts", "times", _total(lambda timeline: timeline.n_stale), own_bar=0.0, has_ratio=False),
    _Measure(
        "requests without an answer",
        "times",
        _total(lambda timeline: timeline.n_unanswered),
        own_bar=0.0,
        has_ratio=False,
    ),
)
_COLD_BAR = 0.4


def compared(rounds: Mapping[str, Sequence[Round]], count: Count) -> tuple[list[Figure], list[str]]:
    """Figures of the arms, ours first, and what could not be measured."""
    figures, left_out = [], []
    for measure in _MEASURES:
        found = {arm: [measure.value(done, count) for done in mine] for arm, mine in rounds.items()}
        samples = {arm: tuple(each for each in values if each is not None) for arm, values in found.items()}
        for arm, values in samples.items():
            if values:
                bar = measure.own_bar if arm == OURS else None
                figures.append(Figure(f"{measure.name}, {arm}", values, measure.unit, measure.better, bar))
            else:
                left_out.append(f"{measure.name}, {arm}: nothing was shown")
        if PEER in samples and measure.has_ratio:
            figures += _ratio(measure.name, found[OURS], found[PEER], measure.better, measure.ratio_bar, left_out)
    for arm, mine in rounds.items():
        if refused := sum(timeline.n_refused for done in mine for timeline in done.timelines):
            left_out.append(f"{refused} requests of {arm} that its server refused")
    return figures + _cold(rounds, left_out), left_out


def _cold(rounds: Mapping[str, Sequence[Round]], left_out: list[str]) -> list[Figure]:
    """First texts in fresh files; the ratio is of those files in which both arms show something."""
    name, figures = "first text in a fresh file, median", []
    times = {arm: [done.cold_ms for done in mine] for arm, mine in rounds.items()}
    for arm, mine in times.items():
        shown = [[ms for ms in files.values() if ms is not None] for files in mine]
        silent = sum(ms is None for files in mine for ms in files.values())
        if silent:
            left_out.append(f"{silent} of {sum(map(len, mine))} fresh files in which {arm} shows nothing")
        if any(shown):
            figures.append(Figure(f"{name}, {arm}", tuple(median(each) for each in shown if each), "ms"))
    if PEER in times:
        ratios = []
        for our_files, peer_files in zip(times[OURS], times[PEER], strict=True):
            pairs = [(our_files[file], peer_files[file]) for file in our_files if file in peer_files]
            both = [(ours, peers) for ours, peers in pairs if ours is not None and peers is not None]
            if both:
                ratios.append(median(ours for ours, _ in both) / median(peers for _, peers in both))
        if ratios:
            figures.append(Figure(f"{name}, {OURS} / {PEER}", tuple(ratios), "x", bar=_COLD_BAR))
        else:
            left_out.append(f"{name}, {OURS} / {PEER}: no file in which both show something")
    return figures


def _ratio(
    name: str,
    ours: Sequence[float | None],
    peers: Sequence[float | None],
    better: Better,
    bar: float | None,
    left_out: list[str],
) -> list[Figure]:
    pairs = [(own, peer) for own, peer in zip(ours, peers, strict=True) if own is not None and peer]
    if not pairs:
        left_out.append(f"{name}, {OURS} / {PEER}: there is nothing to divide by")
        return []
    return [ratio_figure(name, OURS, PEER, [own for own, _ in pairs], [peer for _, peer in pairs], better, bar)]


def of_layout(name: str, counts: Sequence[int]) -> list[Figure]:
    """What a layout would have evaluated again, request by request."""
    values = [float(count) for count in counts]
    return [
        Figure(f"evaluated again per request, {word}, layout of {name}", (statistic(values),), "tokens")
        for word, statistic in (("mean", mean), ("p95", p95))
    ]
