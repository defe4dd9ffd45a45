"""How many bytes of KV cache a token takes in each layer, by the metadata and the tensors of the layer.

Mirrors the constructor of llama.cpp's `llama_kv_cache` and, for recurrent layers, `llama_hparams::n_embd_r` and
`n_embd_s`. Sliding windows are not subtracted: the engine leaves `swa_full` on.
"""

from __future__ import annotations

from collections.abc import Mapping, Set

from dsassist_runtime.gguf import GgufHeader
from dsassist_runtime.models.description import is_mla
from dsassist_runtime.planning.engine_use import KV_ELEMENT_BYTES
from dsassist_runtime.planning.keys import largest, of_layer

__all__ = ["bytes_per_cell", "bytes_with_mla", "has_state", "state_bytes"]

_STATE_ELEMENT_BYTES = 4  # F32


def bytes_per_cell(header: GgufHeader, tensors: Mapping[int, Set[str]]) -> dict[int, int]:
    """The bytes that a token takes in each layer; `tensors` has the names in a layer, without their `blk.N.`.

    DeepSeek-V2-Lite: 576 * 2 B = 1152 a layer; converted without the keys for MLA 16 * (192 + 128) * 2 B = 10,240.
    """
    n_head = largest(header, "{arch}.attention.head_count")
    width = header.integer("{arch}.embedding_length") // n_head if n_head else 0
    key = header.integer("{arch}.attention.key_length", width)
    value = 0 if is_mla(header) else header.integer("{arch}.attention.value_length", width)
    heads = "{arch}.attention.head_count_kv"
    default = 0 if largest(header, heads) else n_head  # without the key each head has keys and values of its own
    return {
        layer: (of_layer(header, heads, layer) or default) * (key + value) * KV_ELEMENT_BYTES if _attends(names) else 0
        for layer, names in tensors.items()
    }


def bytes_with_mla(header: GgufHeader) -> int:
    """What a token would take in a layer if the file had the keys for MLA; 0 for a model that has no latent keys."""
    rank = header.integer("{arch}.attention.kv_lora_rank")
    return (rank + header.integer("{arch}.rope.dimension_count")) * KV_ELEMENT_BYTES if rank else 0


def has_state(names: Set[str]) -> bool:
    """Does a layer with these tensors keep a running state for each sequence?"""
    return any(name.startswith(("ssm_", "time_mix_", "shortconv.")) for name in names)


def state_bytes(header: GgufHeader) -> int:
    """The state of one sequence in a recurrent layer of Mamba's kind; 0 where the keys do not tell it."""
    kernel, inner = header.integer("{arch}.ssm.conv_kernel"), header.integer("{arch}.ssm.inner_size")
    state, groups = header.integer("{arch}.ssm.state_size"), header.integer("{arch}.ssm.group_count")
    if not inner or not state:
        return 0
    return (max(kernel - 1, 0) * (inner + 2 * groups * state) + state * inner) * _STATE_ELEMENT_BYTES


def _attends(names: Set[str]) -> bool:
    """A linear layer of Qwen3-Next has an `attn_qkv` as well, beside its `ssm_` tensors."""
    if names & {"attn_k.weight", "attn_kv_a_mqa.weight", "attn_kv_b.weight"}:
        return True
    return "attn_qkv.weight" in names and not has_state(names)
