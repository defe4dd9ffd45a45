"""The page of `dsassist stats --html`: one file, no script, nothing from elsewhere, in light and dark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape

from dsassist.ledger.figures import Figures, Stats
from dsassist.ledger.view import count_words, ms_words, share_words

__all__ = ["page"]

# Width and height of a chart's drawing area, in the SVG's own units, and the room for its axes.
_W, _H, _LEFT, _BOTTOM, _TOP = 960, 200, 46, 22, 10

_STYLE = """
:root { color-scheme: light dark; --page: #f6f7f9; --card: #fff; --text: #1c2128; --quiet: #667080; --line: #e3e6eb;
  --accepted: #1a7f5a; --partly: #63b598; --typed: #5b8def; --other: #c9d0da; --accent: #5b5bd6; --warm: #d9822b; }
@media (prefers-color-scheme: dark) { :root { --page: #12151a; --card: #1b2027; --text: #e7eaee; --quiet: #929cab;
  --line: #2c333d; --accepted: #3fb98a; --partly: #2b7a5d; --typed: #6f9cf5; --other: #454e5b; --accent: #9d9cf7;
  --warm: #e8a159; } }
* { box-sizing: border-box; }
body { margin: 0; padding: 32px 20px 48px; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums; }
main { max-width: 1040px; margin: 0 auto; }
h1 { font-size: 24px; margin: 0 0 2px; letter-spacing: -0.01em; }
h2 { font-size: 15px; margin: 0 0 12px; }
p.quiet, figcaption, .tile span { color: var(--quiet); }
p.quiet { margin: 0 0 24px; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 18px 20px;
  margin: 0 0 16px; overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin: 0 0 16px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.tile b { display: block; font-size: 26px; line-height: 1.2; font-weight: 650; letter-spacing: -0.02em; }
.tile span { font-size: 13px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--quiet); font-size: 11px; }
svg .grid { stroke: var(--line); }
.accepted { fill: var(--accepted); } .partly { fill: var(--partly); } .typed { fill: var(--typed); }
.other { fill: var(--other); } .accent { fill: none; stroke: var(--accent); stroke-width: 2; }
.warm { fill: none; stroke: var(--warm); stroke-width: 2; } .dot.accent { fill: var(--accent); stroke: none; }
.dot.warm { fill: var(--warm); stroke: none; }
.key { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13px; color: var(--quiet); margin: 10px 0 0; }
.key i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: 6px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: right; font-weight: 500; color: var(--quiet); padding: 4px 10px; white-space: nowrap; }
td { text-align: right; padding: 6px 10px; border-top: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
.rows { display: grid; grid-template-columns: max-content 1fr max-content; gap: 6px 14px; align-items: center; }
.rows div { height: 12px; border-radius: 4px; background: var(--accent); min-width: 2px; }
.rows em { font-style: normal; color: var(--quiet); text-align: right; }
"""

_PARTS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("accepted", "accepted", ("accepted",)),
    ("partly", "accepted in part", ("partly",)),
    ("typed", "typed through", ("typed through",)),
    ("other", "not taken", ("dismissed", "shown")),
)


def page(stats: Stats, title: str) -> str:
    """The whole HTML text."""
    parts = [
        _tiles(stats.total),
        _section("Offers by day", _offers_by_day(stats.days) + _key([(kind, name) for kind, name, _ in _PARTS])),
        _section("Accepted and kept, by day", _shares_by_day(stats.days)),
        _section("Time to the offer, by day", _latency_by_day(stats.days)),
    ]
    if stats.reasons:
        parts.append(_section("When nothing was shown, because", _rows(stats.reasons)))
    parts.append(_section("By language", _table("language", stats.languages)))
    parts.append(_section("By model", _table("model", stats.models)))
    parts.append(_section("By day", _table("day", dict(reversed(stats.days.items())))))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="quiet">Counted by dsassist on this machine, for you alone.</p>\n'
        + "\n".join(parts)
        + "\n</main>\n</body>\n</html>\n"
    )


def _tiles(total: Figures) -> str:
    ratio = "-" if total.kept_per_shown is None else f"{total.kept_per_shown:.2f}"
    tiles = [
        (count_words(total.shown), "offers shown"),
        (share_words(total.acceptance), "accepted, whole or in part"),
        (share_words(total.kept_30s), "kept after 30 seconds"),
        (share_words(total.kept_5min), "kept after 5 minutes"),
        (share_words(total.kept_commit), "kept at the commit"),
        (ratio, "characters kept for each shown"),
        (ms_words(total.latency_p50_ms), "to an offer, in the middle"),
        (ms_words(total.latency_p95_ms), "to an offer, 19 in 20 sooner"),
        (count_words(total.evaluated_tokens), f"prompt tokens evaluated, {share_words(total.ahead)} in idle time"),
        (share_words(total.wasted), f"of {count_words(total.decoded_tokens)} decoded tokens wasted"),
    ]
    cells = "".join(
        f'<div class="tile"><b>{escape(value)}</b><span>{escape(what)}</span></div>' for value, what in tiles
    )
    return f'<div class="tiles">{cells}</div>'


def _section(title: str, content: str) -> str:
    return f"<section>\n<h2>{escape(title)}</h2>\n{content}\n</section>"


def _key(kinds: Sequence[tuple[str, str]]) -> str:
    entries = "".join(f'<span><i style="background: var(--{kind})"></i>{escape(name)}</span>' for kind, name in kinds)
    return f'<div class="key">{entries}</div>'


def _offers_by_day(days: Mapping[str, Figures]) -> str:
    highest = max((figures.shown for figures in days.values()), default=0)
    step = _W / max(1, len(days))
    width = min(48.0, step * 0.72)
    bars = []
    for number, (day, figures) in enumerate(days.items()):
        x, bottom = _LEFT + (number + 0.5) * step - width / 2, float(_TOP + _H)
        for kind, _, outcomes in _PARTS:
            count = sum(figures.outcomes[outcome] for outcome in outcomes)
            height = count / highest * _H if highest else 0.0
            bottom -= height
            if count:
                bars.append(
                    f'<rect class="{kind}" x="{x:.1f}" y="{bottom:.1f}" width="{width:.1f}" height="{height:.1f}"/>'
                )
        hint = f"{day}: {figures.shown} shown, {share_words(figures.acceptance)} accepted"
        bars.append(
            f'<rect x="{x:.1f}" y="{_TOP}" width="{width:.1f}" height="{_H}" fill="transparent">'
            f"<title>{escape(hint)}</title></rect>"
        )
    return _chart("Offers shown by day", highest, count_words, days, "".join(bars))


def _shares_by_day(days: Mapping[str, Figures]) -> str:
    accepted = [figures.acceptance for figures in days.values()]
    kept = [figures.kept_5min for figures in days.values()]
    lines = _line("accent", accepted, 1.0, list(days), share_words) + _line("warm", kept, 1.0, list(days), share_words)
    key = _key([("accent", "accepted, of the offers"), ("warm", "kept after 5 minutes, of the accepted characters")])
    return _chart("Shares accepted and kept by day", 1.0, share_words, days, lines) + key


def _latency_by_day(days: Mapping[str, Figures]) -> str:
    middle = [figures.latency_p50_ms for figures in days.values()]
    slow = [figures.latency_p95_ms for figures in days.values()]
    highest = max((value for value in (*middle, *slow) if value is not None), default=0.0)
    lines = _line("accent", middle, highest, list(days), ms_words) + _line("warm", slow, highest, list(days), ms_words)
    key = _key([("accent", "median"), ("warm", "95 in 100 were sooner")])
    return _chart("Latency by day", highest, ms_words, days, lines) + key


def _line(
    kind: str, values: Sequence[float | None], highest: float, days: Sequence[str], words: Callable[[float], str]
) -> str:
    """A line that is broken where there is no value."""
    step = _W / max(1, len(values))
    path, drawn, dots = [], False, []
    for number, value in enumerate(values):
        if value is None:
            drawn = False
            continue
        x = _LEFT + (number + 0.5) * step
        y = _TOP + _H - (value / highest * _H if highest else 0.0)
        path.append(f"{'L' if drawn else 'M'}{x:.1f} {y:.1f}")
        drawn = True
        hint = escape(f"{days[number]}: {words(value)}")
        dots.append(f'<circle class="dot {kind}" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{hint}</title></circle>')
    return f'<path class="{kind}" d="{" ".join(path)}"/>{"".join(dots)}' if path else ""


def _chart(label: str, highest: float, words: Callable[[float], str], days: Mapping[str, Figures], content: str) -> str:
    """The axes, and the content between them."""
    lines = []
    for quarter in range(5):
        y = _TOP + _H - quarter / 4 * _H
        lines.append(f'<line class="grid" x1="{_LEFT}" x2="{_LEFT + _W}" y1="{y:.1f}" y2="{y:.1f}"/>')
        if quarter in (0, 2, 4):
            value = escape(words(highest * quarter / 4))
            lines.append(f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{value}</text>')
    step, every = _W / max(1, len(days)), max(1, -(-len(days) // 8))
    for number, day in enumerate(days):
        if number % every == 0:
            x = _LEFT + (number + 0.5) * step
            lines.append(f'<text x="{x:.1f}" y="{_TOP + _H + 17}" text-anchor="middle">{escape(day[5:])}</text>')
    box = f"0 0 {_LEFT + _W + 8} {_TOP + _H + _BOTTOM}"
    return f'<svg viewBox="{box}" role="img" aria-label="{escape(label)}">{"".join(lines)}{content}</svg>'


def _rows(counts: Mapping[str, int]) -> str:
    highest = max(counts.values())
    cells = "".join(
        f'<span>{escape(name)}</span><div style="width: {count / highest:.1%}"></div><em>{count_words(count)}</em>'
        for name, count in counts.items()
    )
    return f'<div class="rows">{cells}</div>'


def _table(name: str, group: Mapping[str, Figures]) -> str:
    columns: list[tuple[str, Callable[[Figures], str]]] = [
        ("shown", lambda each: count_words(each.shown)),
        ("accepted", lambda each: share_words(each.acceptance)),
        ("kept 30 s", lambda each: share_words(each.kept_30s)),
        ("kept 5 min", lambda each: share_words(each.kept_5min)),
        ("kept at commit", lambda each: share_words(each.kept_commit)),
        ("kept per shown", lambda each: "-" if each.kept_per_shown is None else f"{each.kept_per_shown:.2f}"),
        ("median", lambda each: ms_words(each.latency_p50_ms)),
        ("95 in 100", lambda each: ms_words(each.latency_p95_ms)),
        ("evaluated", lambda each: count_words(each.evaluated_tokens)),
        ("wasted", lambda each: share_words(each.wasted)),
    ]
    head = "".join(f"<th>{escape(title)}</th>" for title in (name, *(title for title, _ in columns)))
    body = "".join(
        f"<tr><td>{escape(each)}</td>{''.join(f'<td>{escape(cell(figures))}</td>' for _, cell in columns)}</tr>"
        for each, figures in group.items()
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
