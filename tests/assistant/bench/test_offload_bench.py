"""`dsassist bench offload` with tiny models: what it says of texts and bytes, not its times."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from dsassist.bench.offload.arm import Order, Outcome, Traffic
from dsassist.bench.offload.cases import Cap, Case, Cell
from dsassist.bench.offload.figures import Round, case_figures
from dsassist.bench.offload.memory_cap import MemoryCap
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


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("none.csv", b""),
        ("words.csv", b"step,layer,expert\n0,0,many\n"),
        ("others.csv", b"a,b\n1,2\n"),
        ("long.csv", b"step,layer,expert\n0,0," + b"1" * 200_000),
        ("damaged.csv.gz", gzip.compress(b"", mtime=0)[:10] + b"\xff" * 20),
    ],
)
def test_a_recording_that_is_none_is_refused_before_anything_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, content: bytes
) -> None:
    recording = tmp_path / name
    recording.write_bytes(content)
    assert main(["bench", "offload", "--routing", str(recording)]) == 2
    assert str(recording) in capsys.readouterr().err


def test_the_recording_that_is_carried_has_the_choices_of_a_whole_chat() -> None:
    assert len(read_recording(None)) == 156  # steps


def test_a_peak_that_nobody_tells_is_no_figure(tmp_path: Path) -> None:
    """Where no cap could be set, or the kernel is older than the peaks of cgroups."""
    assert MemoryCap("cgroup v2", tmp_path).peak() is None
    cell = Cell("streamed", Cap("half", 2_000_000, 1_000_000))
    order = Order("streamed", "model.gguf", n_threads=1, n_prompt=1, batch=1, n_tokens=1, limit_s=1.0)
    case = Case("b", "a mixture of experts", order, (cell,))

    def peaks(peak_bytes: int | None) -> list[float]:
        outcome = Outcome([0.1], [1, 2], Traffic(0, 0), peak_bytes)
        figures = case_figures(case, [Round({cell: outcome}, 1e9)], small=True)
        return [figure.value for figure in figures if "peak" in figure.name]

    assert peaks(None) == []
    assert peaks(1_000_000) == [1.0, 0.5]
