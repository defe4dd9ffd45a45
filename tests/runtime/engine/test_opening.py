"""How a model is opened: by the plan, which needs no speed, and plainly wherever nothing has to be streamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.api import EngineSettings, InfillRequest, Sampling, TextPiece
from dsassist_runtime.engine.local import LocalEngine
from dsassist_runtime.engine.opening import open_model, placement_of, plan_for
from dsassist_runtime.engine.trial import trial_name, try_streaming
from dsassist_runtime.errors import DsassistError, ModelUnsupported, NotDone
from dsassist_runtime.gguf import read_header
from dsassist_runtime.llama.context import Context
from dsassist_runtime.llama.placement import Placement
from dsassist_runtime.offload import StreamedModel, least_budget_bytes
from dsassist_runtime.planning.contents import Contents
from dsassist_runtime.planning.kept import kept
from dsassist_runtime.planning.memory import FreeMemory
from dsassist_runtime.planning.plan import Plan, PlanImpossible
from gguf_files import Field, gguf_bytes, write
from other_mixtures import write_mixture
from planned_models import Q4_K, Tensors, deepseek_v2_lite, write_holes
from streamed_engine import keep_measured, ram_for

GB = 1_000_000_000
TEXT = InfillRequest("def add(a, b):\n    ", "\n", max_tokens=24, sampling=Sampling(temperature=0.0))


@pytest.fixture
def lite(tmp_path: Path) -> Path:
    return write_holes(tmp_path / "lite.gguf", *deepseek_v2_lite())


def dense(path: Path) -> Path:
    keys = {"block_count": 1, "embedding_length": 256, "attention.head_count": 4, "context_length": 1024}
    metadata: dict[str, Field] = {"general.architecture": "llama", "general.name": "Dense"}
    metadata |= {f"llama.{key}": value for key, value in keys.items()}
    names = ("attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight", "ffn_up.weight")
    tensors: Tensors = {f"blk.0.{name}": (Q4_K, (256, 256)) for name in names}
    return write_holes(path, metadata, tensors | {"token_embd.weight": (Q4_K, (256, 512))})


def free(*n_bytes: int) -> Callable[[], FreeMemory]:
    """What the system says is free, asked once and again."""
    left = list(n_bytes)
    return lambda: FreeMemory(left.pop(0) if len(left) > 1 else left[0], "a test")


def planned(path: Path, memory: Callable[[], FreeMemory] | None = None, **settings: Any) -> tuple[Contents, Plan]:
    """With plenty of memory unless it is said otherwise."""
    found = plan_for(EngineSettings(path, **settings), read_header(path), memory or free(100 * GB))
    assert found is not None
    return found


def written(engine: LocalEngine) -> str:
    return "".join(event.text for event in engine.events(TEXT) if isinstance(event, TextPiece))


def test_model_that_fits_is_opened_as_without_a_plan(builtin_model: Path) -> None:
    """No callback asks llama.cpp for anything, and weights are laid out as it likes best: the same numbers."""
    texts = []
    for settings in (
        EngineSettings(builtin_model, n_threads=1, plan="off"),
        EngineSettings(builtin_model, n_threads=1),
    ):
        with closing(LocalEngine(settings)) as engine:
            assert type(engine._context) is Context
            assert engine._context._eval_callback is None
            assert engine._loop._storage is None
            assert engine.status().streaming is None
            texts.append(written(engine))
    assert texts[0] == texts[1] != ""


def test_whether_it_fits_is_told_by_what_is_free_less_a_reserve(lite: Path) -> None:
    _, whole = planned(lite)
    needed = whole.ram.n_bytes + 1_500_000_000
    assert not planned(lite, free(needed))[1].is_streamed
    plan = planned(lite, free(needed - 1))[1]
    assert plan.is_streamed
    assert plan.ram.n_bytes == whole.ram.n_bytes - 1


def test_small_model_does_not_give_way_to_the_reserve_of_a_machine_with_little_memory(builtin_model: Path) -> None:
    assert not planned(builtin_model, free(GB))[1].is_streamed


def test_memory_that_an_engine_before_is_just_giving_back_is_waited_for(lite: Path) -> None:
    assert not planned(lite, free(4 * GB, 8 * GB, 14 * GB))[1].is_streamed
    assert planned(lite, free(4 * GB, 8 * GB, 8 * GB))[1].limits.ram_bytes == 6_500_000_000


def test_limits_that_are_named_are_kept_whatever_is_free(lite: Path) -> None:
    plan = planned(lite, ram_bytes=4 * GB, n_ctx=4096)[1]
    assert plan.is_streamed
    assert plan.ram.n_bytes == plan.limits.ram_bytes == 4 * GB
    assert plan.limits.n_ctx == 4096
    in_vram = planned(lite, ram_bytes=4 * GB, vram_bytes=4 * GB)[1]
    assert in_vram.n_gpu_layers == 28
    assert in_vram.expert_layers_in_vram
    assert in_vram.disk_bytes < plan.disk_bytes


def test_llama_cpp_is_told_of_experts_only_where_some_stay_behind(lite: Path, tmp_path: Path) -> None:
    none = placement_of(*planned(lite, vram_bytes=1_200_000_000, n_ctx=4096))
    assert none == Placement(28, ())
    some = placement_of(*planned(lite, vram_bytes=3 * GB, n_ctx=4096))
    assert some.n_gpu_layers == 28
    assert some.expert_layers_in_vram
    assert placement_of(*planned(lite, vram_bytes=20 * GB, n_ctx=4096)) == Placement(28, None)
    assert placement_of(*planned(dense(tmp_path / "dense.gguf"), vram_bytes=20 * GB)) == Placement(2, None)
    assert placement_of(*planned(lite, vram_bytes=0)) == Placement(0, ())


def test_model_that_cannot_be_held_is_refused_with_the_numbers(lite: Path) -> None:
    said = r"DeepSeek-V2-Lite needs 2\.\d GB of RAM at least \(.*\), and there are 1\.0 GB; take a shorter context"
    with pytest.raises(PlanImpossible, match=said):
        planned(lite, ram_bytes=GB)
    with pytest.raises(PlanImpossible, match=said):
        planned(lite, free(2 * GB))


def test_dense_model_is_refused_for_a_named_limit_alone(tmp_path: Path) -> None:
    """What is free changes by the minute, and llama.cpp's mapping of it worked before there was a plan."""
    path = dense(tmp_path / "dense.gguf")
    assert not planned(path, free(0))[1].is_streamed
    with pytest.raises(PlanImpossible, match="a dense model has no experts on disk, so offload has nothing to do"):
        planned(path, ram_bytes=300_000)


def test_system_that_tells_nothing_of_its_memory_is_taken_to_have_enough(lite: Path) -> None:
    def unknown() -> FreeMemory:
        raise NotDone("this system does not tell how much memory is free; name it with --ram")

    assert not planned(lite, unknown)[1].is_streamed
    assert planned(lite, unknown, ram_bytes=4 * GB)[1].is_streamed


def test_no_plan_is_made_where_it_is_off_or_layers_are_named(lite: Path) -> None:
    header = read_header(lite)
    assert plan_for(EngineSettings(lite, plan="off", ram_bytes=1), header, free(0)) is None
    assert plan_for(EngineSettings(lite, n_gpu_layers=3), header, free(0)) is None
    with pytest.raises(DsassistError, match=r"engine\.n_gpu_layers takes the place of a plan") as refused:
        plan_for(EngineSettings(lite, n_gpu_layers=3, ram_bytes=4 * GB), header, free(0))
    assert refused.value.exit_code == 2


def test_what_a_plan_has_no_words_for_is_left_to_llama_cpp(tmp_path: Path) -> None:
    metadata: dict[str, Field] = {"general.architecture": "llama", "llama.block_count": 1}
    tensors = {f"blk.0.ffn_{part}.0.weight": (0, (8, 8), 256) for part in ("gate", "up", "down")}
    path = write(tmp_path / "old.gguf", gguf_bytes(metadata, tensors))
    assert plan_for(EngineSettings(path), read_header(path)) is None
    with pytest.raises(ModelUnsupported, match="has each expert in a tensor of its own"):
        plan_for(EngineSettings(path, ram_bytes=GB), read_header(path))


@pytest.fixture
def qwen3(tmp_path: Path) -> Path:
    return write_mixture(tmp_path / "qwen3.gguf", "qwen3moe")


@pytest.mark.parametrize("name", ["builtin_model", "qwen3"])
def test_first_start_tries_streaming_and_later_ones_do_not(request: pytest.FixtureRequest, name: str) -> None:
    path: Path = request.getfixturevalue(name)
    keep_measured(path, is_tried=False)
    header = read_header(path)
    settings = EngineSettings(path, ram_bytes=ram_for(path, 0.7))
    for expected in (True, False):
        with closing(open_model(settings, header)) as opened:
            assert opened.streamed is not None
            own = opened.streamed.figures().cache.misses > 0  # a model of another architecture is tried itself
            assert own == (expected and name == "qwen3")
        assert kept(trial_name(header.architecture)) == {"passed": True}


def test_trial_that_fails_refuses_the_model_and_is_due_again(qwen3: Path) -> None:
    keep_measured(qwen3, is_tried=False)
    with closing(StreamedModel(qwen3, 2 * least_budget_bytes(qwen3), preadv=_wrong)) as model:
        for _ in range(2):
            with pytest.raises(NotDone, match=r"computes other numbers .*; serve it with --plan off"):
                try_streaming(model)
    assert kept(trial_name("qwen3moe")) is None


def _wrong(fd: int, buffers: Any, offset: int) -> int:
    count = os.preadv(fd, buffers, offset)
    for buffer in buffers:
        for at in range(2000, count, 4096):
            buffer[at] ^= 0x55
    return count


def test_speeds_are_measured_for_what_is_streamed_alone(builtin_model: Path) -> None:
    header = read_header(builtin_model)
    settings = EngineSettings(builtin_model)
    with closing(open_model(settings, header)) as opened:
        assert opened.expected == ()
    assert kept("bytes/s that memory is read with") is None
    keep_measured(builtin_model)
    with closing(open_model(replace(settings, ram_bytes=ram_for(builtin_model, 0.5)), header)) as opened:
        assert [each.routing for each in opened.expected] == ["even", "local"]
        assert 0 < opened.expected[0].tokens_per_s < opened.expected[1].tokens_per_s


def test_experts_of_layers_in_vram_are_not_streamed(builtin_model: Path) -> None:
    """Without a GPU they stay mapped: what is left out of the stream is what counts here."""
    placement = Placement(7, (4, 5))
    least = least_budget_bytes(builtin_model, placement)
    assert least < least_budget_bytes(builtin_model)
    with closing(StreamedModel(builtin_model, least, placement=placement)) as model:
        assert list(model.experts.by_layer) == [1, 2, 3]
