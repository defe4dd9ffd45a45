"""Small mixtures of experts of other architectures than ours, with random weights: what each of them does otherwise.

qwen2moe    a shared expert with a gate of its own
qwen3moe    no shared expert
glm4moe     a dense layer first, sigmoid gates, a bias that decides on experts
gpt-oss     biases for each expert, windows of attention, sinks
llama4      one expert, in every other layer, and its input is weighted rather than its output
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dsassist.bench.synthetic import _head, _scalar, _Tensor, _tokenizer, _write_weights
from dsassist_runtime.gguf import Value, read_header
from dsassist_runtime.models.store import BUILTIN_PATH

__all__ = ["ARCHITECTURES", "N_LAYERS", "write_mixture"]

N_LAYERS = 4
_HIDDEN, _HEADS, _KV_HEADS, _WIDTH, _DENSE_FF = 256, 4, 2, 64, 512
_EXPERTS, _USED, _EXPERT_FF = 16, 3, 256

# The keys that an architecture has beside those of all.
ARCHITECTURES: dict[str, dict[str, Value]] = {
    "qwen2moe": {"expert_shared_feed_forward_length": _EXPERT_FF},
    "qwen3moe": {},
    "glm4moe": {"expert_shared_count": 1, "leading_dense_block_count": 1, "expert_gating_func": 2},
    "gpt-oss": {"attention.sliding_window": 32},
    "llama4": {"expert_used_count": 1, "interleave_moe_layer_step": 2},
}


def write_mixture(path: Path, architecture: str) -> Path:
    """Q4_K throughout, the vocabulary of the builtin model."""
    tokenizer = read_header(BUILTIN_PATH)
    n_vocab = tokenizer.length("tokenizer.ggml.tokens")
    tensors = [_Tensor("token_embd.weight", "weights", (n_vocab, _HIDDEN))]
    for layer in range(N_LAYERS):
        tensors += [_Tensor(f"blk.{layer}.{each.name}", each.fill, each.shape) for each in _layer(architecture, layer)]
    tensors += [_Tensor("output_norm.weight", "ones", (_HIDDEN,))]
    tensors += [_Tensor("output.weight", "weights", (n_vocab, _HIDDEN))]
    keys: dict[str, Value] = {
        "context_length": 2048,
        "embedding_length": _HIDDEN,
        "block_count": N_LAYERS,
        "feed_forward_length": _DENSE_FF,
        "attention.head_count": _HEADS,
        "attention.head_count_kv": _KV_HEADS,
        "attention.key_length": _WIDTH,
        "attention.value_length": _WIDTH,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 1e6,
        "expert_count": _EXPERTS,
        "expert_used_count": _USED,
        "expert_feed_forward_length": _EXPERT_FF,
        **ARCHITECTURES[architecture],
    }
    metadata: dict[str, Value] = {"general.architecture": architecture, "general.name": f"small {architecture}"}
    metadata |= {f"{architecture}.{key}": value for key, value in keys.items()}
    with path.open("wb") as file:
        file.write(_head(tensors, {key: _scalar(value) for key, value in metadata.items()} | _tokenizer(tokenizer)))
        _write_weights(file, tensors, np.random.default_rng(3))
    return path


def _layer(architecture: str, layer: int) -> list[_Tensor]:
    second_norm = "post_attention_norm" if architecture in ("glm4moe", "gpt-oss") else "ffn_norm"
    tensors = [
        _Tensor("attn_norm.weight", "ones", (_HIDDEN,)),
        _Tensor("attn_q.weight", "weights", (_HEADS * _WIDTH, _HIDDEN)),
        _Tensor("attn_k.weight", "weights", (_KV_HEADS * _WIDTH, _HIDDEN)),
        _Tensor("attn_v.weight", "weights", (_KV_HEADS * _WIDTH, _HIDDEN)),
        _Tensor("attn_output.weight", "weights", (_HIDDEN, _HEADS * _WIDTH)),
        _Tensor(f"{second_norm}.weight", "ones", (_HIDDEN,)),
    ]
    if architecture == "qwen3moe":
        tensors += [_Tensor(f"attn_{each}_norm.weight", "ones", (_WIDTH,)) for each in "qk"]
    if architecture == "gpt-oss":
        tensors += [_Tensor("attn_sinks.weight", "router", (_HEADS,))]
        tensors += [_Tensor("attn_output.bias", "router", (_HIDDEN,))]
    is_dense = (architecture == "glm4moe" and layer == 0) or (architecture == "llama4" and layer % 2 == 0)
    return tensors + (_feed_forward("", _DENSE_FF) if is_dense else _experts(architecture))


def _experts(architecture: str) -> list[_Tensor]:
    tensors = [
        _Tensor("ffn_gate_inp.weight", "router", (_EXPERTS, _HIDDEN)),
        _Tensor("ffn_gate_exps.weight", "weights", (_EXPERTS, _EXPERT_FF, _HIDDEN)),
        _Tensor("ffn_up_exps.weight", "weights", (_EXPERTS, _EXPERT_FF, _HIDDEN)),
        _Tensor("ffn_down_exps.weight", "weights", (_EXPERTS, _HIDDEN, _EXPERT_FF)),
    ]
    if architecture in ("qwen2moe", "glm4moe", "llama4"):
        tensors += _feed_forward("_shexp", _EXPERT_FF)
    if architecture == "qwen2moe":
        tensors += [_Tensor("ffn_gate_inp_shexp.weight", "router", (_HIDDEN,))]
    if architecture == "glm4moe":
        tensors += [_Tensor("exp_probs_b.bias", "router", (_EXPERTS,))]
    if architecture == "gpt-oss":
        tensors += [_Tensor("ffn_gate_inp.bias", "router", (_EXPERTS,))]
        widths = {"gate": _EXPERT_FF, "up": _EXPERT_FF, "down": _HIDDEN}
        tensors += [_Tensor(f"ffn_{each}_exps.bias", "router", (_EXPERTS, width)) for each, width in widths.items()]
    return tensors


def _feed_forward(suffix: str, width: int) -> list[_Tensor]:
    return [
        _Tensor(f"ffn_gate{suffix}.weight", "weights", (width, _HIDDEN)),
        _Tensor(f"ffn_up{suffix}.weight", "weights", (width, _HIDDEN)),
        _Tensor(f"ffn_down{suffix}.weight", "weights", (_HIDDEN, width)),
    ]
