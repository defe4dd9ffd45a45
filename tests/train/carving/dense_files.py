"""Small dense models of Qwen2's and Llama's shape with random weights, and the builtin model's vocabulary."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from dsassist_runtime.gguf import ArrayInFile, read_header
from dsassist_runtime.models.store import BUILTIN_PATH
from dsassist_train.carving.writing import array_of
from dsassist_train.gguf_writer import MetaValue, WrittenTensor, write_gguf

__all__ = ["N_FF", "N_LAYERS", "write_dense"]

N_LAYERS, N_FF = 2, 256
_HIDDEN, _HEADS, _KV_HEADS = 64, 4, 2
_WIDTH = _HIDDEN // _HEADS
_DIRECTIONS = 6


def write_dense(path: Path, architecture: Literal["qwen2", "llama"], **more: MetaValue) -> Path:
    """All in float32; `more` are keys of the architecture, or general ones with a dot in them."""
    source = read_header(BUILTIN_PATH)
    vocabulary: dict[str, MetaValue] = {
        key: array_of(source, key, value) if isinstance(value, ArrayInFile) else value
        for key, value in source.metadata.items()
        if key.startswith("tokenizer.")
    }
    keys: dict[str, MetaValue] = {
        "context_length": 1024,
        "embedding_length": _HIDDEN,
        "block_count": N_LAYERS,
        "feed_forward_length": N_FF,
        "attention.head_count": _HEADS,
        "attention.head_count_kv": _KV_HEADS,
        "attention.layer_norm_rms_epsilon": 1e-6,
        "rope.freq_base": 10_000.0,
        "rope.dimension_count": _WIDTH,
    }
    metadata: dict[str, MetaValue] = {
        "general.architecture": architecture,
        "general.name": "Small dense",
        "general.file_type": 0,
        "tokenizer.chat_template": "{{ messages[0].content }}",
        **{f"{architecture}.{key}": value for key, value in keys.items()},
        **vocabulary,
        **more,
    }
    draw = np.random.default_rng(5)
    n_vocab = source.length("tokenizer.ggml.tokens")
    shapes: dict[str, tuple[int, ...]] = {"token_embd.weight": (n_vocab, _HIDDEN), "output_norm.weight": (_HIDDEN,)}
    if architecture == "llama":  # Qwen2's small ones have tied embeddings
        shapes["output.weight"] = (n_vocab, _HIDDEN)
        shapes["rope_freqs.weight"] = (_WIDTH // 2,)
    for layer in range(N_LAYERS):
        shapes |= {f"blk.{layer}.{name}": shape for name, shape in _layer(architecture).items()}
    tensors = [WrittenTensor(name, _values(name, shape, draw)) for name, shape in shapes.items()]
    write_gguf(path, metadata, tensors)
    return path


def _layer(architecture: str) -> dict[str, tuple[int, ...]]:
    queries, keys = _HEADS * _WIDTH, _KV_HEADS * _WIDTH
    shapes: dict[str, tuple[int, ...]] = {
        "attn_norm.weight": (_HIDDEN,),
        "attn_q.weight": (queries, _HIDDEN),
        "attn_k.weight": (keys, _HIDDEN),
        "attn_v.weight": (keys, _HIDDEN),
        "attn_output.weight": (_HIDDEN, queries),
        "ffn_norm.weight": (_HIDDEN,),
        "ffn_gate.weight": (N_FF, _HIDDEN),
        "ffn_up.weight": (N_FF, _HIDDEN),
        "ffn_down.weight": (_HIDDEN, N_FF),
    }
    if architecture == "qwen2":
        shapes |= {"attn_q.bias": (queries,), "attn_k.bias": (keys,), "attn_v.bias": (keys,)}
    return shapes


def _values(name: str, shape: tuple[int, ...], draw: np.random.Generator) -> npt.NDArray[np.float32]:
    values = draw.normal(size=shape)
    if "norm" in name:
        values = 1 + 0.2 * values
    elif name == "rope_freqs.weight":
        values = np.linspace(1, 8, *shape)
    elif "ffn_gate" in name or "ffn_up" in name:  # few directions, so that neurons tell of each other as real ones do
        values = draw.normal(size=(shape[0], _DIRECTIONS)) @ draw.normal(size=(_DIRECTIONS, shape[1])) / shape[1] ** 0.5
    elif name != "token_embd.weight":
        values *= 1.5 / shape[-1] ** 0.5
    return values.astype(np.float32)
