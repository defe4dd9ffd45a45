"""The view of `dsassist stats`: figures, bars and sparklines as lines that fit a width. Knows no terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsassist.ledger.charts import Charts
from dsassist.ledger.figures import Figures, Stats
from dsassist.output import style, visible

__all__ = ["count_words", "ms_words", "share_words", "view"]

_LABEL = 18
_BAR = 30
_REASON = 40
_TABLE = ("shown", "accepted", "kept 5 min", "kept/shown", "p50 ms", "p95 ms", "evaluated", "wasted")
_COLUMN = 11
_NAME = 24
_DAYS_LISTED = 14
_OUTCOMES = {"partly": "accepted in part", "shown": "not known"}
_ELLIPSIS = "..."


def view(stats: Stats, title: str, width: int, charts: Charts) -> list[str]:
    """The lines; none is longer than `width`, if that is 40 or more."""
    lines = [style(_cut(title, width), "bold"), "", *_summary(stats, width, charts), ""]
    outcomes = {_OUTCOMES.get(name, name): count for name, count in stats.total.outcomes.items()}
    lines += _bars("what became of them", outcomes, stats.total.shown, width, charts)
    if stats.reasons:
        lines += ["", *_bars("nothing shown, because", stats.reasons, sum(stats.reasons.values()), width, charts)]
    newest = dict(list(stats.days.items())[-_DAYS_LISTED:])
    for name, group in (("language", stats.languages), ("model", stats.models), ("day", newest)):
        lines += ["", *_table(name, group, width)]
    return lines


def share_words(share: float | None) -> str:
    """A share as a percentage, or a dash."""
    return "-" if share is None else f"{share * 100:.0f} %"


def ms_words(value_ms: float | None) -> str:
    """Milliseconds, or a dash."""
    return "-" if value_ms is None else f"{value_ms:.0f} ms"


def count_words(number: float) -> str:
    """A number with its thousands apart."""
    return f"{number:,.0f}"


def _summary(stats: Stats, width: int, charts: Charts) -> list[str]:
    total, days = stats.total, list(stats.days.values())
    kept = (("30 s", total.kept_30s), ("5 min", total.kept_5min), ("the commit", total.kept_commit))
    rows: list[tuple[str, str, Sequence[float | None]]] = [
        ("shown", count_words(total.shown), [float(day.shown) for day in days]),
        ("accepted", share_words(total.acceptance), [day.acceptance for day in days]),
        *(
            (f"kept at {when}" if when == "the commit" else f"kept {when}", share_words(share), [])
            for when, share in kept
        ),
        ("kept of each shown", _ratio(total.kept_per_shown), [day.kept_per_shown for day in days]),
        ("latency p50", ms_words(total.latency_p50_ms), [day.latency_p50_ms for day in days]),
        ("latency p95", ms_words(total.latency_p95_ms), [day.latency_p95_ms for day in days]),
        ("tokens evaluated", count_words(total.evaluated_tokens), [float(day.evaluated_tokens) for day in days]),
        ("  in idle time", share_words(total.ahead), [day.ahead for day in days]),
        ("tokens decoded", count_words(total.decoded_tokens), [float(day.decoded_tokens) for day in days]),
        ("  of them wasted", share_words(total.wasted), [day.wasted for day in days]),
    ]
    return [_summary_line(label, value, series, width, charts) for label, value, series in rows]


def _summary_line(label: str, value: str, series: Sequence[float | None], width: int, charts: Charts) -> str:
    head = f"{label:<{_LABEL}} {value:>12}"
    line = charts.sparkline(series, width - len(head) - 2) if len(series) > 1 else ""
    return f"{head}  {style(line, 'cyan')}" if line else head


def _bars(title: str, counts: Mapping[str, int], whole: int, width: int, charts: Charts) -> list[str]:
    highest = max(counts.values(), default=0)
    room = max(len(name) for name in counts)
    room = min(room, _REASON, max(8, width - 26))
    bar = max(4, min(_BAR, width - room - 20))
    lines = [style(title, "bold")]
    for name, count in counts.items():
        share = count / whole if whole else 0.0
        drawn = style(charts.bar(count / highest if highest else 0.0, bar), "cyan")
        lines.append(f"  {_cut(visible(name), room):<{room}} {drawn} {count_words(count):>7} {share_words(share):>5}")
    return lines


def _table(name: str, group: Mapping[str, Figures], width: int) -> list[str]:
    room = min(max(len(name), *(len(each) for each in group)), max(_NAME, width - _COLUMN * len(_TABLE)))
    shown = _TABLE[: max(1, (width - room) // _COLUMN)]
    head = name.ljust(room) + "".join(title.rjust(_COLUMN) for title in shown)
    lines = [style(head, "bold")]
    for each, figures in group.items():
        cells = dict(zip(_TABLE, _cells(figures), strict=True))
        lines.append(_cut(visible(each), room).ljust(room) + "".join(cells[title].rjust(_COLUMN) for title in shown))
    return lines


def _cells(figures: Figures) -> tuple[str, ...]:
    p50, p95 = figures.latency_p50_ms, figures.latency_p95_ms
    return (
        count_words(figures.shown),
        share_words(figures.acceptance),
        share_words(figures.kept_5min),
        _ratio(figures.kept_per_shown),
        "-" if p50 is None else f"{p50:.0f}",
        "-" if p95 is None else f"{p95:.0f}",
        count_words(figures.evaluated_tokens),
        share_words(figures.wasted),
    )


def _ratio(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(0, width - len(_ELLIPSIS))] + _ELLIPSIS
