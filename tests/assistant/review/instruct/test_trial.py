"""Whether a model may review, by what it said of unchanged functions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsassist.review.instruct.trial import Trial, least_share, most_share, read_trial


def trial(functions: int, alarms: int = 0) -> Trial:
    strengths = [9.0] * alarms + [None, 1.0] * functions
    return Trial(Path("unused"), {str(i): strengths[i] for i in range(functions)})


@pytest.mark.parametrize(
    ("alarms", "functions", "least", "most"),
    [
        (0, 60, 0.0, 0.0487),
        (0, 299, 0.0, 0.00997),
        (1, 60, 0.00085, 0.0766),
        (2, 10, 0.0368, 0.5069),
        (5, 5, 0.5493, 1.0),
    ],
)
def test_the_bounds_are_those_of_clopper_and_pearson(alarms: int, functions: int, least: float, most: float) -> None:
    assert least_share(alarms, functions) == pytest.approx(least, rel=0.01)
    assert most_share(alarms, functions) == pytest.approx(most, rel=0.01)


@pytest.mark.parametrize(
    ("functions", "alarms", "state"),
    [
        (0, 0, "open"),
        (59, 0, "open"),
        (60, 0, "admitted"),
        (60, 1, "open"),
        (99, 1, "open"),
        (100, 1, "admitted"),
        (9, 9, "open"),
        (10, 2, "refused"),
        (10, 1, "open"),
        (60, 3, "refused"),
        (299, 3, "open"),
        (300, 3, "admitted"),
        (300, 4, "refused"),
    ],
)
def test_a_model_is_let_in_within_the_budget_and_refused_beyond_doubt(functions: int, alarms: int, state: str) -> None:
    assert trial(functions, alarms).verdict(5.0) == (state, functions, alarms)


def test_what_is_below_the_threshold_is_no_alarm() -> None:
    strengths = {str(i): 5.0 for i in range(60)}
    assert Trial(Path("unused"), dict(strengths)).verdict(5.1).state == "admitted"
    assert Trial(Path("unused"), dict(strengths)).verdict(5.0).state == "refused"


def test_the_bound_is_told_with_what_was_seen() -> None:
    assert trial(60).verdict(5.0).text == (
        "0 of 60 unchanged functions had a finding, which means up to 4.9 of 100 with 95 % confidence"
    )


def test_what_was_seen_is_kept_for_each_file(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / f"{name}.gguf").write_text(name)
    read_trial(tmp_path / "one.gguf").add("a", None)
    first = read_trial(tmp_path / "one.gguf")
    first.add("b", 7.5)
    assert read_trial(tmp_path / "one.gguf").strengths == {"a": None, "b": 7.5}
    assert read_trial(tmp_path / "other.gguf").strengths == {}
    (tmp_path / "one.gguf").write_text("another model in its place")
    assert read_trial(tmp_path / "one.gguf").strengths == {}


@pytest.mark.parametrize(
    "record", ["", "[]", "{}", '{"question": 3, "strengths": {}}', '{"question": "QUESTION", "strengths": [1]}']
)
def test_a_damaged_record_or_one_of_another_question_is_none(tmp_path: Path, record: str) -> None:
    model = tmp_path / "model.gguf"
    model.write_text("a model")
    trial = read_trial(model)
    trial.add("a", 1.0)
    question = json.loads(trial.path.read_text())["question"]
    trial.path.write_text(record.replace("QUESTION", question))
    assert read_trial(model).strengths == {}


def test_numbers_that_are_none_are_left_out_of_a_record(tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_text("a model")
    trial = read_trial(model)
    trial.add("a", 1.0)
    read = json.loads(trial.path.read_text())
    trial.path.write_text(json.dumps({**read, "strengths": {"a": 1.0, "b": "x", "c": True, "d": None}}))
    assert read_trial(model).strengths == {"a": 1.0, "d": None}
