"""A small mixture of experts with random weights, and both ways to ask `ChatCompletion`."""

from __future__ import annotations

from pathlib import Path

import pytest

from chat_calls import Ask, acreate, create
from dsassist.bench.synthetic import Shapes, write_synthetic


@pytest.fixture(scope="session")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Q4_K and Q5_0 experts, whose slices are no whole pages."""
    path = tmp_path_factory.mktemp("moe") / "small.gguf"
    shapes = Shapes(
        num_hidden_layers=4,
        hidden_size=256,
        num_attention_heads=2,
        kv_lora_rank=64,
        intermediate_size=512,
        moe_intermediate_size=96,
        n_routed_experts=16,
        num_experts_per_tok=2,
    )
    write_synthetic(path, shapes)
    return path


@pytest.fixture(params=[create, acreate], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """`ChatCompletion.create` and `acreate` are to be alike."""
    found: Ask = request.param
    return found
