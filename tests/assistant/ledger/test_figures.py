"""The figures of `dsassist stats`, and how they look in a terminal and on a page."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from dsassist.ledger.charts import charts_for
from dsassist.ledger.figures import Stats, stats_of
from dsassist.ledger.page import page
from dsassist.ledger.reading import OfferRow, RequestSum
from dsassist.ledger.view import view


def offer(**changes: Any) -> OfferRow:
    values: dict[str, Any] = {
        "day": "2026-11-20",
        "language": "python",
        "model": "m",
        "source": "engine",
        "outcome": "dismissed",
        "characters": 40,
        "accepted_characters": 0,
        "latency_ms": 100.0,
        "kept_30s": None,
        "kept_5min": None,
        "kept_commit": None,
    }
    return OfferRow(**values | changes)


@pytest.fixture
def stats() -> Stats:
    offers = [
        offer(outcome="accepted", accepted_characters=40, kept_30s=1.0, kept_5min=0.5, latency_ms=300.0),
        offer(outcome="partly", accepted_characters=10, kept_30s=0.5),
        offer(outcome="accepted", accepted_characters=40, day="2026-11-23", language="go", model="n"),
        offer(),
        offer(outcome="typed through", day="2026-11-23", language="<b>&\x1b[31m"),
    ]
    requests = [
        RequestSum("2026-11-20", "python", "m", "", 3, 900, 90, 60, 6),
        RequestSum("2026-11-20", "python", "m", "below the threshold", 4, 1200, 40, 20, 20),
        RequestSum("2026-11-23", "go", "n", "<script>", 1, 300, 10, 20, 4),
    ]
    return stats_of(offers, requests)


def test_the_total_is_summed_up(stats: Stats) -> None:
    total = stats.total
    assert total.shown == 5
    assert total.outcomes == {"accepted": 2, "partly": 1, "typed through": 1, "dismissed": 1, "shown": 0}
    assert total.acceptance == pytest.approx(3 / 5)
    assert total.kept_30s == pytest.approx((40 + 5) / 50)  # weighed by what was accepted, where it was looked at
    assert total.kept_5min == pytest.approx(0.5)
    assert total.kept_commit is None
    assert total.kept_per_shown == pytest.approx((20 + 5) / 200)  # the newest look at each; without one, nothing
    assert (total.latency_p50_ms, total.latency_p95_ms) == (100.0, 300.0)
    assert (total.requests, total.evaluated_tokens, total.decoded_tokens) == (8, 140, 100)
    assert total.wasted == pytest.approx(0.3)
    assert stats.reasons == {"below the threshold": 4, "<script>": 1}


def test_groups_add_up_to_the_total_and_days_have_no_gaps(stats: Stats) -> None:
    assert list(stats.days) == ["2026-11-20", "2026-11-21", "2026-11-22", "2026-11-23"]
    assert next(iter(stats.languages)) == "python"
    for group in (stats.days, stats.languages, stats.models):
        for name in ("shown", "requests", "evaluated_tokens", "wasted_tokens", "characters_shown"):
            assert sum(getattr(each, name) for each in group.values()) == getattr(stats.total, name)


def test_without_rows_every_share_is_absent() -> None:
    total = stats_of([], []).total
    assert (total.shown, total.acceptance, total.kept_per_shown, total.latency_p50_ms, total.wasted) == (
        0, None, None, None, None,
    )  # fmt: skip


def test_requests_alone_can_be_shown() -> None:
    stats = stats_of([], [RequestSum("2026-11-20", "go", "n", "too slow", 1, 300, 10, 20, 4)])
    assert any("too slow" in line for line in view(stats, "T", 80, charts_for("utf-8")))
    assert "too slow" in page(stats, "T")


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_lines_fit_the_terminal_and_its_encoding(stats: Stats, width: int, encoding: str) -> None:
    lines = view(stats, "Completions, the last 30 days", width, charts_for(encoding))
    assert max(map(len, lines)) <= width
    assert "\x1b" not in "".join(lines)
    "\n".join(lines).encode(encoding)
    text = "\n".join(lines)
    assert re.search(r"^accepted +60 %", text, re.MULTILINE)
    assert re.search(r"below t\S.* +\S+ +4 +80 %", text)


def test_a_bar_is_as_long_as_its_share() -> None:
    blocks, ascii_ = charts_for("utf-8"), charts_for("ascii")
    assert [blocks.bar(share, 4) for share in (0, 0.5, 0.53, 1, 7)] == ["    ", "██  ", "██▏ ", "████", "████"]
    assert blocks.bar(0.0001, 4) == "▏   "
    assert [ascii_.bar(share, 4) for share in (0, 0.01, 0.5, 1)] == ["    ", "#   ", "##  ", "####"]


def test_a_sparkline_shows_the_newest_and_marks_what_is_absent() -> None:
    assert charts_for("utf-8").sparkline([9.0, 0.0, None, 4.0, 8.0], 4) == "▁·▅█"
    assert charts_for("utf-8").sparkline([0.0, 0.0], 4) == "▁▁"
    assert charts_for("ascii").sparkline([0.0, 1.0, 2.0], 4) == "_=#"
    assert charts_for("utf-8").sparkline([1.0], 0) == ""


def test_an_encoding_that_nobody_knows_gets_ascii() -> None:
    assert charts_for("no-such-encoding") == charts_for("ascii")


class Tags(HTMLParser):
    """Checks that each tag is closed, and collects what the page refers to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes += attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_is_whole_and_refers_to_nothing_else(stats: Stats) -> None:
    text = page(stats, "Completions <of> the last 30 days")
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.seen.isdisjoint({"script", "link", "img", "iframe", "b>"})
    assert {name for name, _ in tags.attributes}.isdisjoint({"src", "href", "onclick", "onload"})
    assert "url(" not in text
    assert "@import" not in text
    assert "prefers-color-scheme: dark" in text
    assert "&lt;b&gt;&amp;" in text


def test_the_drawings_hold_the_figures(stats: Stats) -> None:
    text = page(stats, "T")
    drawings = [ET.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, re.DOTALL)]
    assert len(drawings) == 3
    hints = [element.text for drawing in drawings for element in drawing.iter("title")]
    assert "2026-11-20: 3 shown, 67 % accepted" in hints
    assert "2026-11-20: 300 ms" in hints
    bars = [bar for bar in drawings[0].iter("rect") if bar.get("class") in ("accepted", "partly", "typed", "other")]
    heights = sorted(float(bar.get("height", "0")) for bar in bars)
    assert heights == pytest.approx([200 / 3] * 5, abs=0.1)
