"""What is made of a timeline: which texts were new, withdrawn, waited for, and what they cost."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from dsassist.bench.report import Figure
from dsassist.bench.typing.figures import OURS, PEER, Round, compared, of_layout
from dsassist.bench.typing.layouts import LAYOUTS, evaluated_again
from dsassist.bench.typing.our_server import work_of
from dsassist.bench.typing.timeline import Ghost, Keystroke, Shown, Timeline, Work, expected
from dsassist.bench.typing.trace import trace_of

TEXT = "x = "


def typed(*keys: tuple[float, str], screen: list[tuple[float, str | None]], work: list[Work] | None = None) -> Timeline:
    """A timeline of keys typed behind `TEXT` and of what the screen showed."""
    keystrokes, before = [], TEXT
    for at, text in keys:
        before += text
        keystrokes.append(Keystroke(at, "type", 0, text, before, len(before) - len(text)))
    shown = []
    for at, ghost in screen:
        left = next((key.before for key in reversed(keystrokes) if key.at <= at), TEXT)
        shown.append(Shown(at, None if ghost is None else Ghost(ghost), left))
    return Timeline(keystrokes, shown, work or [], began=0.0)


def test_a_text_that_is_typed_through_is_standing_and_not_withdrawn() -> None:
    timeline = typed((1.0, "a"), (2.0, "b"), screen=[(1.5, "bcd"), (2.0, "cd")])
    assert [(round(sight.waited_ms), sight.standing) for sight in timeline.sights()] == [(500, False), (0, True)]
    assert timeline.n_flickers == 0


@pytest.mark.parametrize("then", [None, "other", "c"])
def test_a_text_that_goes_or_changes_though_what_was_typed_agrees_is_withdrawn(then: str | None) -> None:
    timeline = typed((1.0, "a"), (2.0, "b"), screen=[(1.5, "bcd"), (2.0, "cd"), (2.2, then)])
    assert timeline.n_flickers == 1


def test_a_text_that_grows_or_is_typed_against_is_not_withdrawn() -> None:
    assert typed((1.0, "a"), screen=[(1.5, "b"), (1.6, "bc")]).n_flickers == 0
    assert typed((1.0, "a"), (2.0, "z"), screen=[(1.5, "bcd"), (2.0, None)]).n_flickers == 0


def test_nothing_is_left_of_a_text_when_the_editor_closed_a_bracket() -> None:
    assert expected(Ghost("(a)"), Keystroke(0.0, "type", 0, "()", "f(", 1)) is None
    assert expected(Ghost("a)", 1), Keystroke(0.0, "type", 0, "a", "f(a", 2)) == Ghost(")", 1)


def test_a_pause_without_a_text_counts_whole_and_a_short_gap_not_at_all() -> None:
    timeline = typed((1.0, "a"), (3.0, "b"), (3.2, "c"), (5.0, "d"), screen=[(3.7, "d")])
    assert [round(ms) for ms in timeline.pauses()] == [2000, 500]


def test_each_part_of_a_text_is_new_once() -> None:
    timeline = typed((1.0, "a"), (2.0, "b"), screen=[(1.5, "bc"), (2.0, "c"), (2.2, "cde"), (2.5, None), (2.6, "cde")])
    assert list(timeline.new_texts()) == ["bc", "de"]


def test_work_counts_for_the_key_before_it_and_ahead_of_the_first_for_that() -> None:
    work = [Work(0.5, 7, 0), Work(1.2, 5, 1), Work(1.9, 4, 1), Work(2.1, 3, 0, idle=True)]
    timeline = typed((1.0, "a"), (2.0, "b"), screen=[], work=work)
    assert timeline.evaluated() == [16, 0]
    assert timeline.evaluated(with_idle=True) == [16, 3]


def test_a_timeline_is_told_in_the_order_of_time() -> None:
    timeline = typed((1.0, "a"), (2.0, "b"), screen=[(1.5, "bc")], work=[Work(1.1, 5, 1)])
    rows = [json.loads(line) for line in timeline.as_jsonl(arm="x")]
    assert [row["event"] for row in rows] == ["key", "work", "screen", "key"]
    assert [row["at"] for row in rows] == [1.0, 1.1, 1.5, 2.0]
    assert {row["arm"] for row in rows} == {"x"}


def row(at: datetime, prompt: int, cached: int, written: int, *, priority: str = "interactive") -> dict[str, object]:
    return {
        "time": (at + timedelta(seconds=1)).isoformat(timespec="milliseconds"),
        "prompt_tokens": prompt,
        "cached_tokens": cached,
        "completion_tokens": written,
        "priority": priority,
        "finish_reason": "stop",
        "queue_ms": 0.0,
        "total_ms": 1000.0,
    }


def test_the_log_becomes_work_and_what_it_lacks_is_shared_among_requests_that_were_cancelled_unread() -> None:
    since = datetime(2026, 1, 1, tzinfo=timezone.utc)
    rows = [row(since, 100, 90, 4), row(since, 0, 0, 0), row(since, 50, 0, 0, priority="idle")]
    work = work_of(rows, (75, 6), since, 10.0)
    assert [(each.evaluated, each.decoded, each.idle) for each in work] == [
        (10, 4, False),
        (50, 0, True),
        (15, 0, False),
        (0, 2, False),
    ]
    assert {round(each.at, 3) for each in work} == {10.0}
    assert sum(each.evaluated for each in work) == 75


def rounds(evaluated: int, waited_s: float, decoded: int, cold_ms: float | None) -> list[Round]:
    work = [Work(1.0, evaluated, decoded), Work(2.0, evaluated, 0)]
    timeline = typed((1.0, "a"), (2.0, "z"), (4.0, "c"), screen=[(1.0 + waited_s, "bcd"), (2.0, None)], work=work)
    return [Round([timeline], {"a.py": cold_ms, "b.py": None})] * 2


def found(figures: list[Figure]) -> dict[str, Figure]:
    assert len({figure.name for figure in figures}) == len(figures), "two figures have one name"
    return {figure.name: figure for figure in figures}


def test_every_bar_of_the_peer_is_held_against_a_ratio_of_each_round() -> None:
    ours, peers = rounds(30, 0.1, 3, 100.0), rounds(100, 0.5, 33, 400.0)
    figures, left_out = compared({OURS: ours, PEER: peers}, len)
    by_name = found(figures)
    bars = {name: (figure.value, figure.bar) for name, figure in by_name.items() if figure.bar}
    assert bars == {
        "evaluated again per keystroke, mean, dsassist / llama.vim": (0.3, 0.5),
        "evaluated again per keystroke, p95, dsassist / llama.vim": (0.3, 0.5),
        "new text, median, dsassist / llama.vim": (pytest.approx(0.2), 0.7),
        "new text, p95, dsassist / llama.vim": (pytest.approx(0.2), 0.7),
        "tokens never shown, per trace, dsassist / llama.vim": (0.0, 0.5),
        "first text in a fresh file, median, dsassist / llama.vim": (0.25, 0.4),
    }
    assert all(len(figure.samples) == 2 for figure in figures)
    assert by_name["requests without an answer, dsassist"].bar == by_name["stale texts, dsassist"].bar == 0.0
    assert by_name["stale texts, llama.vim"].bar is None
    assert left_out == [f"2 of 4 fresh files in which {arm} shows nothing" for arm in (OURS, PEER)]


def test_without_a_peer_no_figure_compares_and_without_a_text_the_reason_is_told() -> None:
    silent = [Round([typed((1.0, "a"), screen=[])], {"a.py": None})]
    figures, left_out = compared({OURS: silent}, len)
    assert not [figure.name for figure in figures if PEER in figure.name or "new text" in figure.name]
    assert "new text, median, dsassist: nothing was shown" in left_out


def test_layouts_keep_what_stands_before_the_cursor_unless_they_shuffle() -> None:
    before = "".join(f"line_{n} = {n}\n" for n in range(60))
    trace = trace_of("t", "a.py", before, before.replace("line_30 = 30\n", "line_30 = 30\nmore\n"), seed=1)
    snippets = ["# one\n", "# two\n", "# three\n"]

    def characters(text: str) -> list[int]:
        return list(text.encode())

    counts = {name: evaluated_again(trace, lay, snippets, characters, seed=1) for name, lay in LAYOUTS.items()}
    assert len(counts["Tabby"]) == len([edit for edit in trace.edits if edit.kind != "move"])
    assert counts["Tabby"][1] > 400, "the window begins a line further down, so nothing is shared"
    assert max(counts["Tabby"][2:]) < 300, "the prefix is shared, the suffix of twenty lines is not"
    assert max(counts["Continue"][1:]) > 400, "an order that changes costs the whole prompt"
    mean, p95 = of_layout("Tabby", counts["Tabby"])
    assert mean.value <= p95.value
