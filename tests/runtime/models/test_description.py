"""What `describe` makes of a file's keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.models.description import describe
from dsassist_runtime.models.store import BUILTIN_PATH
from gguf_files import gguf_bytes, small_model, write

V2_LITE: dict[str, Any] = {
    "general.architecture": "deepseek2",
    "general.file_type": 15,
    "deepseek2.block_count": 27,
    "deepseek2.context_length": 163840,
    "deepseek2.embedding_length": 2048,
    "deepseek2.attention.head_count": 16,
    "deepseek2.attention.kv_lora_rank": 512,
    "deepseek2.rope.dimension_count": 64,
    "deepseek2.expert_count": 64,
    "deepseek2.expert_used_count": 6,
    "deepseek2.expert_shared_count": 2,
}
MLA = {
    "deepseek2.attention.head_count_kv": 1,
    "deepseek2.attention.key_length": 576,
    "deepseek2.attention.value_length": 512,
    "deepseek2.attention.key_length_mla": 192,
    "deepseek2.attention.value_length_mla": 128,
}
OLD = {
    "deepseek2.attention.head_count_kv": 16,
    "deepseek2.attention.key_length": 192,
    "deepseek2.attention.value_length": 128,
}


def _describe(tmp_path: Path, metadata: dict[str, Any], n_ctx: int = 0) -> Any:
    return describe(write(tmp_path / "m.gguf", gguf_bytes(metadata, {"t": (8, (1024,), 1088)})), n_ctx)


def test_mla_caches_keys_alone(tmp_path: Path) -> None:
    found = _describe(tmp_path, V2_LITE | MLA)
    assert found.kv_bytes_per_token == 31_104
    assert (found.experts, found.experts_used, found.experts_shared) == (64, 6, 2)
    assert found.quantisation == "Q4_K_M"
    assert found.notes == ()


def test_a_conversion_before_mla_is_told_with_what_it_costs(tmp_path: Path) -> None:
    found = _describe(tmp_path, V2_LITE | OLD)
    assert found.kv_bytes_per_token == 276_480
    assert "276,480" in found.notes[0]
    assert "31,104" in found.notes[0]


@pytest.mark.parametrize(("heads", "expected"), [(2, 24 * 2 * 128 * 2), ([2, 0, 1] * 8, 24 * 128 * 2)])
def test_grouped_heads_are_counted_per_layer(tmp_path: Path, heads: int | list[int], expected: int) -> None:
    metadata = {
        "general.architecture": "qwen2",
        "qwen2.block_count": 24,
        "qwen2.embedding_length": 896,
        "qwen2.attention.head_count": 14,
        "qwen2.attention.head_count_kv": heads,
    }
    assert _describe(tmp_path, metadata).kv_bytes_per_token == expected


def test_memory_grows_by_the_cache(tmp_path: Path) -> None:
    small, large = (_describe(tmp_path, V2_LITE | MLA, n_ctx) for n_ctx in (1000, 2000))
    assert large.memory_bytes - small.memory_bytes == 1000 * 31_104
    assert small.memory_bytes == small.weight_bytes + 1000 * 31_104 + small.compute_bytes


def test_the_context_is_capped_unless_one_is_asked_for(tmp_path: Path) -> None:
    assert _describe(tmp_path, V2_LITE | MLA).n_ctx == 8192


def test_an_unknown_architecture_is_still_described(tmp_path: Path) -> None:
    found = describe(write(tmp_path / "m.gguf", small_model(1 << 12, "hyena9")))
    assert found.architecture == "hyena9"
    assert found.kv_bytes_per_token is None
    assert found.quantisation == "F32"
    assert found.weight_bytes == 1 << 12
    assert "KV cache" in found.notes[0]


def test_the_builtin_model_says_what_its_card_says() -> None:
    found = describe(BUILTIN_PATH)
    assert found.architecture == "deepseek2"
    assert found.experts > found.experts_used > 0
    assert found.fim_orders
    assert found.file_bytes == BUILTIN_PATH.stat().st_size
