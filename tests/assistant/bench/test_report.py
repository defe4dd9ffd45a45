"""What a report says of its figures."""

from __future__ import annotations

import json

import pytest

from dsassist.bench.report import Figure, Report


def test_value_is_the_median() -> None:
    assert Figure("a", (9.0, 1.0, 2.0), "ms").value == 2.0


@pytest.mark.parametrize(("count", "expected"), [(1, 1.0), (10, 10.0), (20, 19.0), (100, 95.0)])
def test_p95_is_the_sample_that_95_in_100_do_not_exceed(count: int, expected: float) -> None:
    samples = tuple(float(value) for value in range(count, 0, -1))
    assert Figure("a", samples, "ms", statistic="p95").value == expected


def test_bar_is_held_against_the_value() -> None:
    samples = (1.0,) * 18 + (50.0, 60.0)
    assert Figure("a", samples, "ms", bar=2.0).ok is True
    assert Figure("a", samples, "ms", bar=2.0, statistic="p95").ok is False
    assert Figure("a", samples, "ms", "higher", bar=2.0).ok is False
    assert Figure("a", samples, "ms").ok is None


def test_a_missed_bar_fails_the_report_and_stands_in_the_table() -> None:
    good, bad = Figure("good", (1.0,), "x", bar=1.0), Figure("bad", (3.0,), "x", bar=1.0)
    assert Report("b", {}, [good]).ok
    report = Report("b", {"rounds": 3}, [good, bad], ["the moon: too far"])
    assert not report.ok
    table = report.as_table().splitlines()
    assert any(line.startswith("good") and "reached" in line for line in table)
    assert any(line.startswith("bad") and "MISSED" in line for line in table)
    assert "left out: the moon: too far" in table
    assert "rounds: 3" in table


def test_columns_stand_below_each_other_for_small_and_large_values() -> None:
    figures = [Figure("a", (0.01,), "x"), Figure("much longer", (4321.5,), "tokens/s")]
    *_, first, second = Report("b", {}, figures).as_table().splitlines()
    assert first.index("0.01") + 4 == second.index("4321.50") + 7


def test_json_has_what_the_documentation_says() -> None:
    figure = Figure("a", (1.0, 2.0, 3.0), "ms", bar=2.0, statistic="p95")
    found = json.loads(Report("b", {"rounds": 3}, [figure], ["c"]).as_json())
    assert set(found) == {"bench", "machine", "settings", "figures", "left_out"}
    assert found["figures"] == [
        {
            "name": "a",
            "samples": [1.0, 2.0, 3.0],
            "unit": "ms",
            "better": "lower",
            "bar": 2.0,
            "statistic": "p95",
            "value": 3.0,
            "ok": False,
        }
    ]
