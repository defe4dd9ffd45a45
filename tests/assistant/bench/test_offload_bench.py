"""`dsassist bench offload` with tiny models: what it says of texts and bytes, not its times."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dsassist.bench.offload.routing import read_recording
from dsassist.cli import main

pytestmark = pytest.mark.slow  # a process for each way to run


def test_the_text_of_a_model_is_the_same_from_all_experts_down_to_the_least(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["bench", "offload", "--quick", "--json"]) in (0, 1)  # 1: a bar of speed, on a busy machine
    report = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    assert figures["c: runs with other logits or texts"] == 0.0
    hits = [value for name, value in figures.items() if name.endswith("streamed: hits")]
    assert len(hits) == 4
    assert hits == sorted(hits, reverse=True)
    assert hits[-1] < hits[0]


def test_recorded_choices_are_followed_in_a_mixture_of_128_experts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--folder", str(tmp_path), "--only", "b", "--repeats", "1", "--tokens", "8"]
    assert main(["bench", "offload", *arguments, "--quick", "--json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    assert figures["b: runs with other logits or texts"] == 0.0
    assert any("mmap" in name for name in figures)


def test_the_large_models_need_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "offload", "--only", "a"]) == 2
    assert "--folder DIR" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["", "step,layer,expert\n0,0,many\n", "a,b\n1,2\n"])
def test_a_recording_that_is_none_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str
) -> None:
    recording = tmp_path / "routing.csv"
    recording.write_text(content)
    assert main(["bench", "offload", "--routing", str(recording)]) in (2, 3)
    assert str(recording) in capsys.readouterr().err


def test_the_recording_that_is_carried_has_the_choices_of_a_whole_chat() -> None:
    assert len(read_recording(None)) == 156  # steps
