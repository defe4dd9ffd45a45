"""`dsassist plan`, through the door that the command line takes."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from dsassist import output
from dsassist.cli import main
from dsassist.commands.plan import COMMAND
from dsassist.engine import settings_of
from dsassist.options import EngineConfig
from dsassist_runtime.engine.opening import plan_for
from dsassist_runtime.gguf import read_header
from dsassist_runtime.planning.kept import keep, kept_path
from gguf_files import gguf_bytes, write
from planned_models import Q4_K, Tensors, deepseek_v2_lite, keep_speeds, write_holes, write_split


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def measured(tmp_path: Path) -> None:
    keep_speeds(tmp_path, Path(__file__), BUILTIN)


BUILTIN = Path(COMMAND.run.__globals__["__file__"])  # beside the builtin model, on the same device


def planned(capsys: pytest.CaptureFixture[str], *argv: str) -> dict[str, Any]:
    assert main(["plan", *argv, "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def said(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[str, str]:
    assert main(["plan", *argv]) == 0
    captured = capsys.readouterr()
    assert max(map(len, captured.out.splitlines())) <= 80
    return " ".join(captured.out.split()), captured.err


def fails(capsys: pytest.CaptureFixture[str], code: int, *argv: str) -> str:
    assert main(["plan", *argv]) == code
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_the_builtin_model_is_held_by_memory(capsys: pytest.CaptureFixture[str]) -> None:
    text, notes = said(capsys, "builtin")
    assert "16 experts a layer, 2 used, 1 shared" in text
    assert "tokens/s, bound by memory bandwidth" in text
    assert "disk alone" not in text
    assert notes == ""


def test_a_model_larger_than_the_memory_named_is_planned_with_both_assumptions(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())
    text, notes = said(capsys, "lite.gguf", "--ram", "4G", "--ctx", "4096")
    assert "RAM 756 MB 2.8 GB" in text
    assert "disk alone" in text
    assert "bound by the disk, if routing asks for all experts equally often" in text
    assert "if routing repeats itself as Qwen3-30B-A3B's did" in text
    assert "disk 0.50, 0.90, 1.00, 1.00 GB/s with 1, 2, 4, 8 reads at once, around the page cache" in text
    assert notes == ""


def test_json_has_the_same_plan_in_bytes(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())
    found = planned(capsys, "lite.gguf", "--ram", "4GB", "--ctx", "4096")
    plan = found["plan"]
    assert plan["limits"] == {"ram_bytes": 4_000_000_000, "vram_bytes": plan["limits"]["vram_bytes"], "n_ctx": 4096}
    assert sum(plan["ram"].values()) <= 4_000_000_000
    placed = (plan["ram"], plan["vram"])
    assert sum(each["expert_bytes"] for each in placed) + plan["disk_bytes"] == found["contents"]["expert_bytes"]
    assert [each["routing"] for each in plan["expected"]] == ["even", "local"]
    assert plan["is_streamed"]
    assert found["machine"]["disk"]["lanes"] == 4
    assert found["contents"]["kv_bytes_per_token"] == 31_104


def test_a_split_model_is_planned_by_its_first_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    first = write_split(tmp_path, *deepseek_v2_lite(), 3)
    assert "of weights in 3 files" in said(capsys, first.name, "--ram", "12G")[0]


def test_vram_that_is_named_is_used_and_what_is_not_known_of_it_is_said(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())
    text, notes = said(capsys, "lite.gguf", "--ram", "12G", "--vram", "2500G", "--ctx", "4096")
    assert "n_gpu_layers = 28, with the experts of 26 layers, 1 to 26" in text
    assert "at most 2 TB" not in text
    assert "expected at most" not in text
    assert "2500 GB of VRAM were named" in notes
    assert "the speed of VRAM is not measured" in notes


def test_a_dense_model_has_nothing_to_offload(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    metadata, tensors = _dense()
    write_holes(tmp_path / "dense.gguf", metadata, tensors)
    text, notes = said(capsys, "dense.gguf")
    assert "2 layers, dense" in text
    assert "offload has nothing to do" in notes
    assert "offload has nothing to do" in planned(capsys, "dense.gguf")["notes"][0]


def test_a_dense_model_that_does_not_fit_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_holes(tmp_path / "dense.gguf", *_dense())
    line = fails(capsys, 3, "dense.gguf", "--ram", "300K")
    assert "of RAM at least" in line
    assert "there are 300 KB; a dense model has no experts on disk, so offload has nothing to do" in line


def test_a_conversion_without_mla_is_warned_of(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_holes(tmp_path / "old.gguf", *deepseek_v2_lite(mla=False))
    assert "8.9 times as much as the 31,104" in said(capsys, "old.gguf", "--ram", "14G")[1]


def test_it_is_warned_of_where_the_plan_is_refused_as_well(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write_holes(tmp_path / "old.gguf", *deepseek_v2_lite(mla=False))
    assert main(["plan", "old.gguf", "--ram", "6G", "--ctx", "16384"]) == 3
    warning, refusal = capsys.readouterr().err.splitlines()
    assert "8.9 times as much" in warning
    assert "7.9 GB of KV cache for 16384 tokens" in refusal


def test_what_was_measured_beside_other_programs_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    keep("bytes/s that memory is read with", {"bytes_s": 30_000_000_000, "busy": True})
    assert "`--measure` on a quiet one tells more" in said(capsys, "builtin")[1]


def test_more_than_is_free_or_was_trained_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    _, notes = said(capsys, "builtin", "--ram", "4000T", "--ctx", "2048")
    assert "of RAM were named" in notes
    assert "it was trained for 1,024 tokens" in notes


def test_a_cache_below_one_token_is_refused_with_the_least_that_makes_sense(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())
    least = planned(capsys, "lite.gguf", "--ram", "12G", "--ctx", "4096")["plan"]["least_ram_bytes"]
    line = fails(capsys, 3, "lite.gguf", "--ram", f"{least // 1_000_000}M", "--ctx", "4096")
    assert f"needs {least / 1e9:.1f} GB of RAM at least" in line
    assert "for the experts of one token and of one layer" in line


@pytest.mark.parametrize("ram", ["4G", "12G"])
@pytest.mark.parametrize("vram", ["0", "2G"])
def test_the_server_comes_to_the_same_plan(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, ram: str, vram: str
) -> None:
    path = write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())
    engine = EngineConfig(ram=ram, vram=vram, n_ctx=4096)
    applied = plan_for(settings_of(path, engine), read_header(path))
    assert applied is not None
    _contents, plan = applied
    said = planned(capsys, "lite.gguf", "--ram", ram, "--vram", vram, "--ctx", "4096")["plan"]
    assert said | {"expected": ()} == json.loads(json.dumps(asdict(plan))) | {"expected": ()}


def test_options_take_the_place_of_flags(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())
    monkeypatch.setenv("DSASSIST_ENGINE_RAM", "5G")
    monkeypatch.setenv("DSASSIST_ENGINE_VRAM", "3G")
    limits = planned(capsys, "lite.gguf")["plan"]["limits"]
    assert (limits["ram_bytes"], limits["vram_bytes"]) == (5 * 10**9, 3 * 10**9)
    assert planned(capsys, "lite.gguf", "--ram", "6G")["plan"]["limits"]["ram_bytes"] == 6 * 10**9


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [("PLAN", "off", 'engine.plan is "off"'), ("N_GPU_LAYERS", "4", "engine.n_gpu_layers is set")],
)
def test_a_plan_that_the_server_does_not_make_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"DSASSIST_ENGINE_{variable}", value)
    assert f"the server makes no plan: {reason}" in said(capsys, "builtin")[1]


def test_an_impossible_plan_is_refused_with_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    line = fails(capsys, 3, "builtin", "--ram", "6M")
    assert "MB of RAM at least (" in line
    assert "and there are 6.0 MB;" in line


def test_the_context_is_the_configured_one_unless_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert planned(capsys, "builtin")["plan"]["limits"]["n_ctx"] == 1024
    monkeypatch.setenv("DSASSIST_ENGINE_N_CTX", "512")
    assert planned(capsys, "builtin")["plan"]["limits"]["n_ctx"] == 512
    assert planned(capsys, "builtin", "--ctx", "256")["plan"]["limits"]["n_ctx"] == 256


@pytest.mark.parametrize(
    ("size", "n_bytes"),
    [("0", 0), ("6G", 6 * 10**9), ("6gb", 6 * 10**9), ("6GiB", 6 << 30), ("1.5 MiB", 3 << 19), ("20K", 20_000)],
)
def test_sizes_are_decimal_unless_they_say_otherwise(
    capsys: pytest.CaptureFixture[str], size: str, n_bytes: int
) -> None:
    assert planned(capsys, "builtin", "--vram", size)["plan"]["limits"]["vram_bytes"] == n_bytes


@pytest.mark.parametrize("size", ["6", "G", "-6G", "6X", "6Gb/s", "", "١G", "1e9", "6 G B"])
def test_other_sizes_are_refused(capsys: pytest.CaptureFixture[str], size: str) -> None:
    assert "is no size; write a number with a unit" in fails(capsys, 2, "builtin", f"--ram={size}")


@pytest.mark.parametrize(
    ("argv", "code", "reason"),
    [
        (["builtin", "--ctx", "0"], 2, "is not allowed"),
        (["missing.gguf"], 3, "there is no file"),
        (["https://example.com"], 2, "is an address, which has no file"),
        (["nonesuch"], 2, "nonesuch"),
        ([], 2, "MODEL"),
    ],
)
def test_what_cannot_be_planned_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str], argv: list[str], code: int, reason: str
) -> None:
    assert reason in fails(capsys, code, *argv)


def test_a_quantisation_that_is_not_known_is_refused_in_a_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    content = gguf_bytes({"general.architecture": "llama"}, {"token_embd.weight": (99, (256, 8), 64)})
    write(tmp_path / "new.gguf", content)
    assert "take another quantisation" in fails(capsys, 3, "new.gguf")


def test_measuring_again_does_not_use_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    before = kept_path().read_text()
    assert planned(capsys, "builtin")["machine"]["memory"]["bytes_s"] == 30e9
    assert planned(capsys, "builtin", "--measure")["machine"]["memory"]["bytes_s"] != 30e9
    assert kept_path().read_text() != before


def test_colour_is_in_the_table_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "builtin"]) == 0
    assert "\x1b[" not in capsys.readouterr().out
    assert main(["plan", "--color", "always", "builtin"]) == 0
    assert "\x1b[1m" in capsys.readouterr().out
    output.set_color("auto")


def test_a_name_in_the_file_cannot_move_the_cursor_or_write_in_colour(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    metadata, tensors = _dense()
    write_holes(tmp_path / "odd.gguf", metadata | {"general.name": "a\x1b[2Jb [red]c[/red] [/]"}, tensors)
    text, _ = said(capsys, "odd.gguf")
    assert text.startswith(r"a\x1b[2Jb [red]c[/red] [/] (llama)")


def _dense() -> tuple[dict[str, Any], Tensors]:
    keys = {"block_count": 2, "embedding_length": 256, "attention.head_count": 4, "context_length": 1024}
    metadata = {"general.architecture": "llama", "general.name": "Dense"}
    metadata |= {f"llama.{key}": value for key, value in keys.items()}  # type: ignore[misc]
    names = ("attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "ffn_up.weight")
    tensors: Tensors = {f"blk.{layer}.{name}": (Q4_K, (256, 256)) for layer in (0, 1) for name in names}
    return metadata, tensors | {"token_embd.weight": (Q4_K, (256, 512))}
