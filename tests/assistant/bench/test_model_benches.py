"""The benches of one model's own behaviour, on the builtin model with a few texts: their reports, not their figures."""

from __future__ import annotations

import json

import pytest

from dsassist.cli import main

pytestmark = pytest.mark.slow  # whole servers


def report(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, float]:
    assert main(["bench", *args, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["bench"] == args[0]
    assert found["settings"]["model"] == "builtin.gguf"
    return {figure["name"]: figure["value"] for figure in found["figures"]}


def test_a_gap_saves_most_of_the_prompt(capsys: pytest.CaptureFixture[str]) -> None:
    figures = report(capsys, "gap", "--count", "6")
    evaluated = {name: value for name, value in figures.items() if name.startswith("prompt tokens evaluated")}
    assert evaluated["prompt tokens evaluated, with the gap"] < evaluated["prompt tokens evaluated, afresh"] / 4
    assert 0 <= figures["the same text"] <= 100


def test_guesses_are_reported_for_repeated_and_new_text(capsys: pytest.CaptureFixture[str]) -> None:
    figures = report(capsys, "speculation", "--count", "2", "--draft-model", "builtin")
    assert {name.partition(":")[0] for name in figures} == {"repeated text", "new text"}
    assert all(value >= 0 for value in figures.values())


def test_a_model_that_is_nothing_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "gap", "--model", "no-such-model"]) == 2
    assert "no-such-model" in capsys.readouterr().err
