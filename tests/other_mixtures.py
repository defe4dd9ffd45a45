"""A small mixture of experts of another architecture than ours: Qwen3's, with random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dsassist.bench.synthetic import _head, _scalar, _Tensor, _tokenizer, _write_weights
from dsassist_runtime.gguf import Value, read_header
from dsassist_runtime.models.store import BUILTIN_PATH

__all__ = ["write_qwen3_mixture"]

_LAYERS, _HIDDEN, _HEADS, _KV_HEADS, _WIDTH = 4, 256, 4, 2, 64
_EXPERTS, _USED, _EXPERT_FF = 16, 3, 256


def write_qwen3_mixture(path: Path) -> Path:
    """Q4_K throughout, the vocabulary of the builtin model."""
    tokenizer = read_header(BUILTIN_PATH)
    n_vocab = tokenizer.length("tokenizer.ggml.tokens")
    tensors = [_Tensor("token_embd.weight", "weights", (n_vocab, _HIDDEN))]
    for layer in range(_LAYERS):
        tensors += [_Tensor(f"blk.{layer}.{each.name}", each.fill, each.shape) for each in _layer()]
    tensors += [_Tensor("output_norm.weight", "ones", (_HIDDEN,))]
    tensors += [_Tensor("output.weight", "weights", (n_vocab, _HIDDEN))]
    keys: dict[str, Value] = {
        "context_length": 2048,
        "embedding_length": _HIDDEN,
        "block_count": _LAYERS,
        "feed_forward_length": 512,
        "attention.head_count": _HEADS,
        "attention.head_count_kv": _KV_HEADS,
        "attention.key_length": _WIDTH,
        "attention.value_length": _WIDTH,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 1e6,
        "expert_count": _EXPERTS,
        "expert_used_count": _USED,
        "expert_feed_forward_length": _EXPERT_FF,
    }
    metadata: dict[str, Value] = {"general.architecture": "qwen3moe", "general.name": "small Qwen3 mixture"}
    metadata |= {f"qwen3moe.{key}": value for key, value in keys.items()}
    with path.open("wb") as file:
        file.write(_head(tensors, {key: _scalar(value) for key, value in metadata.items()} | _tokenizer(tokenizer)))
        _write_weights(file, tensors, np.random.default_rng(3))
    return path


def _layer() -> list[_Tensor]:
    return [
        _Tensor("attn_norm.weight", "ones", (_HIDDEN,)),
        _Tensor("attn_q.weight", "weights", (_HEADS * _WIDTH, _HIDDEN)),
        _Tensor("attn_k.weight", "weights", (_KV_HEADS * _WIDTH, _HIDDEN)),
        _Tensor("attn_v.weight", "weights", (_KV_HEADS * _WIDTH, _HIDDEN)),
        _Tensor("attn_q_norm.weight", "ones", (_WIDTH,)),
        _Tensor("attn_k_norm.weight", "ones", (_WIDTH,)),
        _Tensor("attn_output.weight", "weights", (_HIDDEN, _HEADS * _WIDTH)),
        _Tensor("ffn_norm.weight", "ones", (_HIDDEN,)),
        _Tensor("ffn_gate_inp.weight", "router", (_EXPERTS, _HIDDEN)),
        _Tensor("ffn_gate_exps.weight", "weights", (_EXPERTS, _EXPERT_FF, _HIDDEN)),
        _Tensor("ffn_up_exps.weight", "weights", (_EXPERTS, _EXPERT_FF, _HIDDEN)),
        _Tensor("ffn_down_exps.weight", "weights", (_EXPERTS, _HIDDEN, _EXPERT_FF)),
    ]
