"""`dsassist bench offload` with tiny models: what it says of texts and bytes, not its times."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from dsassist.bench.offload.arm import Order, Outcome, Streamed, Traffic
from dsassist.bench.offload.cases import Cap, Case, Cell
from dsassist.bench.offload.figures import Round, case_figures
from dsassist.bench.offload.memory_cap import MemoryCap
from dsassist.bench.offload.routing import read_recording
from dsassist.bench.report import Figure
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


@pytest.mark.parametrize("case", ["a", "b"])
def test_choices_that_are_forced_on_a_model_are_followed_in_every_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    arguments = ["--folder", str(tmp_path), "--only", case, "--repeats", "1", "--tokens", "8"]
    assert main(["bench", "offload", *arguments, "--quick", "--json"]) in (0, 1)
    report = json.loads(capsys.readouterr().out)
    figures = {figure["name"]: figure["value"] for figure in report["figures"]}
    assert figures[f"{case}: runs with other logits or texts"] == 0.0
    assert any("mmap" in name for name in figures)
    assert (figures.get("a: resident, ours over bare llama.cpp, speed", 0) > 0) == (case == "a")
    n_caps = 1 if case == "a" else 2
    assert len([name for name in figures if name.endswith("our callback's part of a token")]) == n_caps
    waited = [value for name, value in figures.items() if name.endswith("streamed: waited for experts")]
    assert len(waited) == n_caps
    assert all(0 < value < 100 for value in waited)


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


HALF = Cap("half", 2_000_000, 1_000_000)
OURS, RESIDENT = Cell("streamed", HALF), Cell("resident")
ORDER = Order("streamed", "model.gguf", n_threads=1, n_prompt=1, batch=1, n_tokens=1, limit_s=1.0)
CASE = Case("b", "a mixture of experts", ORDER, (RESIDENT, OURS))


def figures_of(ours: Outcome, resident: Outcome | None = None) -> dict[str, Figure]:
    outcomes = {OURS: ours} | ({RESIDENT: resident} if resident else {})
    return {figure.name: figure for figure in case_figures(CASE, [Round(outcomes, 1e9)], small=False)}


def test_a_peak_that_nobody_tells_is_no_figure(tmp_path: Path) -> None:
    """Where no cap could be set, or the kernel is older than the peaks of cgroups."""
    assert MemoryCap("cgroup v2", tmp_path).peak() is None
    none = figures_of(Outcome([0.1], [1, 2], Traffic(0, 0), None))
    assert not any("peak" in name for name in none)


@pytest.mark.parametrize(("peak_bytes", "ok"), [(2_000_000, True), (2_100_000, False)])
def test_who_takes_more_than_the_cap_misses_its_bar(peak_bytes: int, ok: bool) -> None:
    """The cgroup of the streamed way is a quarter larger than the cap, or nothing could come out above it."""
    found = figures_of(Outcome([0.1], [1, 2], Traffic(0, 0), peak_bytes))
    assert found["b: half: streamed, peak memory of the cap"].ok is ok


def test_slow_tokens_are_told_with_what_the_disk_alone_makes_of_them() -> None:
    """37 tokens of forty miss nothing; three read 300 MB at 1 GB/s each, beside computing for 100 ms."""
    streamed = Streamed([0] * 37 + [300_000_000] * 3, [0.0] * 37 + [0.28] * 3, watching_s=0.011)
    ours = Outcome([0.11] * 37 + [0.4] * 3, [1] * 41, Traffic(0, 0), None, streamed)
    found = figures_of(ours, Outcome([0.1] * 40, [1] * 41, Traffic(0, 0), None))

    def value(name: str) -> float:
        return found[f"b: half{name}"].value

    assert value(": streamed, token p95 over median") == pytest.approx(0.4 / 0.11)
    assert value(": streamed, the same of the floor, computing, then reading") == pytest.approx(4.0)
    assert value(": streamed, the same of the floor, both side by side") == pytest.approx(3.0)
    assert value(": streamed, our callback's part of a token") == pytest.approx(10.0)
    assert found["b: half: streamed, our callback's part of a token"].ok
    assert value(", streamed: the same of the slowest twentieth") == pytest.approx(70.0)
