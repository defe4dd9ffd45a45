"""A dense model's file: its sizes, and its tensors as numbers or as the bytes that they are stored in.

Of Qwen2's shape or Llama's, which is Mistral's too. What llama.cpp would compute otherwise than `forward` does is
refused by its name.
"""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsassist_runtime.errors import ModelInvalid, ModelUnsupported
from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.gguf import GgufHeader, Tensor, read_header
from dsassist_train.storage import dequantized

__all__ = ["MIXTURE_OF", "DenseModel", "DenseShape", "open_dense"]

MIXTURE_OF = {"qwen2": "qwen2moe", "llama": "granitemoe"}
"""llama.cpp's architecture that computes the same and has experts, a shared one among them.

Of Llama's shape that is Granite's: `llama` itself has routed experts only (Mixtral).
"""

_NEEDED = ("attn_norm", "attn_q", "attn_k", "attn_v", "attn_output", "ffn_norm", "ffn_gate", "ffn_up", "ffn_down")
_KNOWN = {f"{name}.weight" for name in _NEEDED} | {"attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias"}


class DenseShape(NamedTuple):
    """Sizes. Queries and keys are rotated in two halves (`pairs` False) or in neighbours."""

    n_layers: int
    n_embd: int
    n_ff: int
    n_heads: int
    n_kv_heads: int
    head_dim: int
    norm_eps: float
    rope_base: float
    rope_factor: float
    pairs: bool


class DenseModel:
    """An open file. Tensors are read when they are asked for."""

    def __init__(self, header: GgufHeader, shape: DenseShape) -> None:
        self.header = header
        self.shape = shape
        self._tensors = {tensor.name: tensor for tensor in header.tensors}

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def tensor(self, name: str) -> Tensor:
        """Its entry in the header."""
        return self._tensors[name]

    def raw(self, name: str) -> NDArray[np.uint8]:
        """`(..., bytes of a row)`, mapped."""
        tensor = self._tensors[name]
        _, block, size = TENSOR_TYPES[tensor.type]
        start = self.header.data_offset + tensor.offset
        rows = tensor.shape[:0:-1]
        found: NDArray[np.uint8] = self._data[start : start + tensor.n_bytes]
        return found.reshape(*rows, tensor.shape[0] // block * size)

    def values(self, name: str) -> NDArray[np.float32]:
        """The numbers, the slowest axis first."""
        return dequantized(self.raw(name), self._tensors[name].type)

    @cached_property
    def _data(self) -> NDArray[np.uint8]:
        return np.memmap(self.header.path, np.uint8, "r")


def open_dense(path: Path) -> DenseModel:
    """Read the header; `ModelUnsupported` for what cannot be carved, with the reason."""
    header = read_header(path)
    names = {tensor.name for tensor in header.tensors}
    if any("_exps" in name for name in names) or header.integer("{arch}.expert_count"):
        raise ModelUnsupported(
            f"{path} is a mixture of {header.integer('{arch}.expert_count')} experts already; name a dense model"
        )
    if header.architecture not in MIXTURE_OF:
        raise ModelUnsupported(
            f"{path} is of the architecture {header.architecture or 'unknown'}; "
            f"models of {' and '.join(MIXTURE_OF)} (Llama, Mistral) can be carved"
        )
    if header.integer("split.count") > 1:
        raise ModelUnsupported(f"{path} is one part of a model in several files; merge them by llama-gguf-split")
    return DenseModel(header, _shape(header, names))


def _shape(header: GgufHeader, names: set[str]) -> DenseShape:
    n_layers, n_embd = header.integer("{arch}.block_count"), header.integer("{arch}.embedding_length")
    n_heads = header.integer("{arch}.attention.head_count")
    n_ff = header.integer("{arch}.feed_forward_length")
    eps = header.metadata.get(f"{header.architecture}.attention.layer_norm_rms_epsilon")
    if not (n_layers and n_embd and n_heads and n_ff and isinstance(eps, float)):
        raise ModelInvalid(f"{header.path} does not state its sizes; pull it again")
    head_dim = header.integer("{arch}.attention.key_length", n_embd // n_heads)
    if header.integer("{arch}.rope.dimension_count", head_dim) != head_dim:
        raise ModelUnsupported(f"{header.path} rotates a part of each head only, which cannot be carved")
    _check_tensors(header, names, n_layers)
    return DenseShape(
        n_layers,
        n_embd,
        n_ff,
        n_heads,
        header.integer("{arch}.attention.head_count_kv", n_heads),
        head_dim,
        eps,
        _fraction(header, "rope.freq_base", 10_000.0),
        _rope_factor(header),
        pairs=header.architecture == "llama",
    )


def _check_tensors(header: GgufHeader, names: set[str], n_layers: int) -> None:
    for layer in range(n_layers):
        for name in _NEEDED:
            if f"blk.{layer}.{name}.weight" not in names:
                raise ModelUnsupported(f"{header.path} has no tensor blk.{layer}.{name}.weight, so it cannot be carved")
    for name in names:
        found = re.fullmatch(r"blk\.\d+\.(.+)", name)
        if found and found[1] not in _KNOWN and "rope_freqs" not in name:
            raise ModelUnsupported(f"{header.path} has a tensor {name}, of which carving knows nothing")
    if "token_embd.weight" not in names or "output_norm.weight" not in names:
        raise ModelUnsupported(f"{header.path} has no token_embd.weight or no output_norm.weight")


def _fraction(header: GgufHeader, key: str, default: float) -> float:
    value = header.metadata.get(f"{header.architecture}.{key}")
    return float(value) if isinstance(value, int | float) else default


def _rope_factor(header: GgufHeader) -> float:
    kind = header.text(f"{header.architecture}.rope.scaling.type")
    if kind not in ("", "none", "linear"):
        raise ModelUnsupported(f"{header.path} scales positions by {kind}, which carving does not compute")
    return 1.0 if kind == "none" else _fraction(header, "rope.scaling.factor", 1.0) or 1.0
