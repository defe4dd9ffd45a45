"""The synthetic mixture of experts is a model that llama.cpp runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dsassist.bench.engine.decode import bare_loop
from dsassist.bench.synthetic import Shapes, write_synthetic
from dsassist_runtime.errors import NotDone
from dsassist_runtime.gguf import fim_orders, read_header
from dsassist_runtime.models.store import BUILTIN_PATH

SMALL = Shapes(
    num_hidden_layers=3,
    hidden_size=256,
    num_attention_heads=2,
    kv_lora_rank=64,
    intermediate_size=512,
    moe_intermediate_size=96,  # no multiple of 256: its down projections are Q5_0
    n_routed_experts=8,
    num_experts_per_tok=2,
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("synthetic") / "deep" / "small.gguf"
    write_synthetic(path, SMALL)
    return path


def test_header_tells_the_shapes_that_were_asked_for(model: Path) -> None:
    header = read_header(model)  # which also checks that the file is whole
    assert header.architecture == "deepseek2"
    assert header.integer("{arch}.block_count") == 3
    assert header.integer("{arch}.expert_count") == 8
    assert header.integer("{arch}.expert_used_count") == 2
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    assert shapes["blk.1.ffn_down_exps.weight"] == (96, 256, 8)
    assert "blk.0.ffn_gate_exps.weight" not in shapes


def test_tokenizer_is_the_builtin_models(model: Path) -> None:
    header, builtin = read_header(model), read_header(BUILTIN_PATH)
    for key in ("tokenizer.ggml.tokens", "tokenizer.ggml.merges"):
        assert list(header.strings(key)) == list(builtin.strings(key))
    assert fim_orders(header)


def test_llama_cpp_loads_it_and_decodes(model: Path) -> None:
    async def speed() -> float:
        async with bare_loop(model, 1) as bare:
            return await bare.decode_tokens_per_s("def f(a, b):", 8)

    assert asyncio.run(speed()) > 0


def test_same_seed_gives_the_same_file(model: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.gguf"
    write_synthetic(again, SMALL)
    assert again.read_bytes() == model.read_bytes()


def test_what_cannot_be_written_is_told_and_leaves_nothing(tmp_path: Path) -> None:
    target = tmp_path / "x.gguf"
    target.mkdir()  # the finished file cannot take the place of a folder
    with pytest.raises(NotDone, match="make room"):
        write_synthetic(target, SMALL)
    assert list(tmp_path.iterdir()) == [target]
