"""What is read of a model's parts, against arithmetic and against what else is known of the file."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dsassist_runtime.errors import ModelInvalid, ModelMissing, ModelUnsupported
from dsassist_runtime.models.description import describe
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_runtime.planning.contents import read_contents
from gguf_files import Field, gguf_bytes, write
from planned_models import F32, Q4_K, Tensors, deepseek_v2_lite, size_of, write_holes, write_split


def small(architecture: str, **keys: Field) -> dict[str, Field]:
    """The metadata of a model with four heads of 64."""
    own = {"block_count": 2, "context_length": 4096, "embedding_length": 256, "attention.head_count": 4}
    named = {key.replace("__", "."): value for key, value in keys.items()}
    return {"general.architecture": architecture} | {f"{architecture}.{key}": v for key, v in (own | named).items()}


def attention(layer: int) -> Tensors:
    names = ("attn_q.weight", "attn_k.weight", "attn_v.weight", "attn_output.weight")
    return {f"blk.{layer}.{name}": (Q4_K, (256, 256)) for name in names}


def experts(layer: int, n_experts: int = 8) -> Tensors:
    names = ("ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_down_exps.weight")
    return {f"blk.{layer}.{name}": (Q4_K, (256, 256, n_experts)) for name in names}


def test_the_builtin_model_has_the_weights_and_the_cache_that_its_description_states() -> None:
    contents, described = read_contents(BUILTIN_PATH), describe(BUILTIN_PATH)
    assert contents.weight_bytes == described.weight_bytes
    assert contents.kv_bytes_per_token == described.kv_bytes_per_token
    assert (contents.n_experts, contents.n_used, contents.n_shared) == (16, 2, 1)
    assert [layer.n_experts for layer in contents.layers] == [0, 16, 16, 16, 16, 16]
    assert contents.layers[1].expert_bytes == 3 * 557_056
    assert contents.layers[1].one_expert_bytes == 3 * 557_056 // 16
    assert contents.shared_bytes == 5 * 3 * 34_816
    assert contents.is_tied
    assert contents.warnings == ()


def test_deepseek_v2_lite_is_nine_tenths_experts(tmp_path: Path) -> None:
    metadata, tensors = deepseek_v2_lite()
    contents = read_contents(write_holes(tmp_path / "lite.gguf", metadata, tensors))
    one = 2 * size_of(Q4_K, (2048, 1408)) + size_of(6, (1408, 2048))
    assert contents.layers[0].expert_bytes == 0
    assert {layer.expert_bytes for layer in contents.layers[1:]} == {64 * one}
    assert contents.expert_bytes == 26 * 64 * one
    assert contents.weight_bytes == sum(size_of(*tensor) for tensor in tensors.values())
    assert 0.9 < contents.expert_bytes / contents.weight_bytes < 0.95
    assert contents.kv_bytes_per_token == 27 * 576 * 2
    assert contents.input_bytes == size_of(Q4_K, (2048, 102400))
    assert not contents.is_tied
    assert contents.warnings == ()


def test_a_conversion_from_before_mla_takes_nine_times_the_cache_and_says_so(tmp_path: Path) -> None:
    contents = read_contents(write_holes(tmp_path / "old.gguf", *deepseek_v2_lite(mla=False)))
    assert contents.kv_bytes_per_token == 276_480
    (warning,) = contents.warnings
    assert "276,480 bytes a token, 8.9 times as much as the 31,104" in warning


def test_a_split_model_is_the_same_as_a_whole_one(tmp_path: Path) -> None:
    metadata, tensors = deepseek_v2_lite()
    whole = read_contents(write_holes(tmp_path / "lite.gguf", metadata, tensors))
    split = read_contents(write_split(tmp_path, metadata, tensors, 3))
    assert split.n_files == 3
    assert split.layers == whole.layers
    assert (split.weight_bytes, split.input_bytes) == (whole.weight_bytes, whole.input_bytes)
    assert split.compute_bytes(4096) == whole.compute_bytes(4096)


def test_a_split_model_with_a_file_missing_is_refused_by_its_name(tmp_path: Path) -> None:
    first = write_split(tmp_path, *deepseek_v2_lite(), 3)
    (tmp_path / "model-00002-of-00003.gguf").unlink()
    with pytest.raises(ModelMissing, match="model-00002-of-00003"):
        read_contents(first)


def test_another_file_of_a_split_model_names_the_first(tmp_path: Path) -> None:
    write_split(tmp_path, *deepseek_v2_lite(), 2)
    with pytest.raises(ModelInvalid, match=r"not the first file of its model; name .*model-00001-of-00002\.gguf"):
        read_contents(tmp_path / "model-00002-of-00002.gguf")


def test_a_split_model_under_another_name_is_refused(tmp_path: Path) -> None:
    first = write_split(tmp_path, *deepseek_v2_lite(), 2)
    with pytest.raises(ModelInvalid, match="one of 2 files"):
        read_contents(first.rename(tmp_path / "renamed.gguf"))


def test_files_of_different_splits_are_refused(tmp_path: Path) -> None:
    metadata, tensors = deepseek_v2_lite()
    first = write_split(tmp_path, metadata, tensors, 2)
    write_holes(tmp_path / "model-00002-of-00002.gguf", {}, {"blk.0.attn_norm.weight": (F32, (8,))})
    with pytest.raises(ModelInvalid, match="pull them again"):
        read_contents(first)


def test_a_quantisation_that_is_not_known_is_refused_in_a_sentence(tmp_path: Path) -> None:
    content = gguf_bytes(small("qwen3moe"), {"blk.0.ffn_up_exps.weight": (99, (256, 256, 8), 64)})
    with pytest.raises(ModelUnsupported, match="take another quantisation"):
        read_contents(write(tmp_path / "new.gguf", content))


def test_experts_in_tensors_of_their_own_are_refused(tmp_path: Path) -> None:
    tensors: Tensors = {"blk.0.ffn_gate.0.weight": (Q4_K, (256, 256))}
    with pytest.raises(ModelUnsupported, match="newer conversion"):
        read_contents(write_holes(tmp_path / "m.gguf", small("llama", expert_count=8, expert_used_count=2), tensors))


@pytest.mark.parametrize("n_used", [0, 9])
def test_more_experts_used_than_there_are_or_none_is_refused(tmp_path: Path, n_used: int) -> None:
    metadata = small("qwen3moe", expert_count=8, expert_used_count=n_used)
    with pytest.raises(ModelInvalid, match=f"expert_used_count is {n_used}"):
        read_contents(write_holes(tmp_path / "m.gguf", metadata, attention(0) | experts(0)))


def test_experts_used_may_differ_from_layer_to_layer(tmp_path: Path) -> None:
    metadata = small("qwen3moe", expert_count=8, expert_used_count=[2, 4])
    contents = read_contents(write_holes(tmp_path / "m.gguf", metadata, attention(0) | experts(0)))
    assert contents.n_used == 4, "the most that a token may ask for"


def test_fused_projections_are_experts_and_their_biases_are_not(tmp_path: Path) -> None:
    tensors: Tensors = attention(0) | {
        "blk.0.ffn_gate_up_exps.weight": (39, (256, 512, 8)),
        "blk.0.ffn_down_exps.weight": (39, (256, 256, 8)),
        "blk.0.ffn_down_exps.bias": (F32, (256, 8)),
        "blk.0.exp_probs_b.bias": (F32, (8,)),
    }
    metadata = small("gpt-oss", expert_count=8, expert_used_count=4, attention__sliding_window=128)
    contents = read_contents(write_holes(tmp_path / "m.gguf", metadata, tensors))
    merged = size_of(39, (256, 512, 8)) + size_of(39, (256, 256, 8))
    assert contents.expert_bytes == merged
    assert contents.dense_bytes == contents.weight_bytes - merged
    assert any("look back 128 tokens" in warning for warning in contents.warnings)


def test_heads_may_differ_from_layer_to_layer(tmp_path: Path) -> None:
    metadata = small("qwen3moe", attention__head_count_kv=[2, 1])
    contents = read_contents(write_holes(tmp_path / "m.gguf", metadata, attention(0) | attention(1)))
    assert [layer.kv_bytes_per_cell for layer in contents.layers] == [2 * 128 * 2, 1 * 128 * 2]


@pytest.mark.parametrize("odd", [math.nan, math.inf, 1.5])
def test_a_number_of_heads_that_is_none_counts_as_unknown(tmp_path: Path, odd: float) -> None:
    metadata = small("qwen3moe", attention__head_count_kv=[odd, 2.0], expert_used_count=[odd, 2.0])
    path = write_holes(tmp_path / "m.gguf", metadata, attention(0) | attention(1) | experts(1))
    contents = read_contents(path)
    assert [layer.kv_bytes_per_cell for layer in contents.layers] == [0, 2 * 128 * 2]
    assert contents.n_used == 2
    assert describe(path).kv_bytes_per_token == 2 * 128 * 2


def test_a_layers_number_of_thousands_of_digits_is_no_layers(tmp_path: Path) -> None:
    odd: Tensors = {f"blk.{'9' * 5000}.attn_q.weight": (Q4_K, (256, 256))}
    contents = read_contents(write_holes(tmp_path / "m.gguf", small("llama"), attention(0) | odd))
    assert [layer.index for layer in contents.layers] == [0]


def test_without_a_number_of_heads_for_keys_each_head_has_its_own(tmp_path: Path) -> None:
    contents = read_contents(write_holes(tmp_path / "m.gguf", small("llama"), attention(0)))
    assert contents.kv_bytes_per_token == 4 * 128 * 2


def test_a_recurrent_layer_keeps_a_state_and_no_keys(tmp_path: Path) -> None:
    metadata = small("qwen3next", ssm__conv_kernel=4, ssm__inner_size=512, ssm__state_size=128, ssm__group_count=2)
    linear: Tensors = {"blk.0.attn_qkv.weight": (Q4_K, (256, 768)), "blk.0.ssm_out.weight": (Q4_K, (256, 256))}
    contents = read_contents(write_holes(tmp_path / "m.gguf", metadata, linear | attention(1)))
    recurrent, full = contents.layers
    assert recurrent.kv_bytes_per_cell == 0
    assert recurrent.state_bytes == 64 * 4 * (3 * (512 + 2 * 2 * 128) + 128 * 512)
    assert full.state_bytes == 0
    assert full.kv_bytes_per_cell == 4 * 128 * 2


def test_a_state_of_unknown_size_is_told(tmp_path: Path) -> None:
    tensors: Tensors = {"blk.0.ssm_out.weight": (Q4_K, (256, 256))}
    contents = read_contents(write_holes(tmp_path / "m.gguf", small("mamba"), tensors))
    assert [warning.split(",")[0] for warning in contents.warnings] == [
        "its keys do not tell the size of the KV cache",
        "its recurrent layers keep a state of unknown size for each sequence",
    ]


def test_layers_that_predict_further_tokens_are_not_used(tmp_path: Path) -> None:
    metadata = small("glm4moe", nextn_predict_layers=1, expert_count=8, expert_used_count=2)
    extra = attention(1) | experts(1)
    contents = read_contents(write_holes(tmp_path / "m.gguf", metadata, attention(0) | experts(0) | extra))
    assert [layer.index for layer in contents.layers] == [0]
    assert contents.unused_bytes == sum(size_of(*tensor) for tensor in extra.values())
    assert contents.weight_bytes == 2 * contents.unused_bytes
