"""A dense model's layers, as llama.cpp computes them (src/models/qwen2.cpp, llama.cpp), for many sequences at once.

The residual stream is float32; matrices are multiplied in the type that the caller gives the weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from dsassist_train.carving.dense import DenseModel, DenseShape

__all__ = ["FeedForward", "Layer", "activations", "attended", "embedded", "load_layer", "normed", "quick_dtype"]

_ROWS = 2048  # tokens in memory at once where a matrix product makes something large
_ATTENTION = ("attn_q", "attn_k", "attn_v", "attn_output")


def quick_dtype() -> torch.dtype:
    """bfloat16 where the processor has instructions for it."""
    has_bf16 = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.bfloat16 if has_bf16 else torch.float32


class FeedForward(NamedTuple):
    """`norm` `(n_embd,)` float32; `gate` and `up` `(n_ff, n_embd)`, `down` `(n_embd, n_ff)`."""

    norm: Tensor
    gate: Tensor
    up: Tensor
    down: Tensor


class Layer(NamedTuple):
    """`attention` by the file's names, such as `attn_q.bias`; `frequencies` `(head_dim / 2,)`."""

    attention: Mapping[str, Tensor]
    frequencies: Tensor
    feed_forward: FeedForward


def load_layer(model: DenseModel, index: int, dtype: torch.dtype) -> Layer:
    """A layer's weights, dequantized; matrices in `dtype`, the others float32."""

    def read(name: str, kind: torch.dtype) -> Tensor:
        return torch.from_numpy(model.values(f"blk.{index}.{name}").copy()).to(kind)

    attention = {f"{name}.weight": read(f"{name}.weight", dtype) for name in _ATTENTION}
    attention |= {
        f"{name}.bias": read(f"{name}.bias", torch.float32)
        for name in _ATTENTION
        if f"blk.{index}.{name}.bias" in model
    }
    attention["norm"] = read("attn_norm.weight", torch.float32)
    feed_forward = FeedForward(
        read("ffn_norm.weight", torch.float32), *(read(f"ffn_{name}.weight", dtype) for name in ("gate", "up", "down"))
    )
    return Layer(attention, _frequencies(model), feed_forward)


def embedded(model: DenseModel, tokens: Tensor) -> Tensor:
    """`(B, T, n_embd)` float32 of ids `(B, T)`; only the rows that occur are dequantized."""
    from dsassist_train.storage import dequantized

    used, places = tokens.unique(return_inverse=True)
    rows = dequantized(model.raw("token_embd.weight")[used.numpy()], model.tensor("token_embd.weight").type)
    return torch.from_numpy(rows)[places]


def normed(hidden: Tensor, weight: Tensor, eps: float) -> Tensor:
    """RMS norm over the last axis."""
    return functional.rms_norm(hidden, (hidden.shape[-1],), weight, eps)


def attended(hidden: Tensor, layer: Layer, shape: DenseShape) -> Tensor:
    """The residual stream `(B, T, n_embd)` behind causal attention."""
    _, n_tokens, _ = hidden.shape
    angles = torch.arange(n_tokens)[:, None] * layer.frequencies  # (T, head_dim / 2)
    rotation = torch.polar(torch.ones_like(angles), angles)
    return torch.cat([part + _attention(part, layer, shape, rotation) for part in hidden.split(_ROWS // n_tokens + 1)])


def activations(inputs: Tensor, feed_forward: FeedForward) -> Tensor:
    """What the neurons give, `(N, n_ff)`, of normed `(N, n_embd)`; in the weights' type."""
    parts = []
    for part in inputs.to(feed_forward.gate.dtype).split(_ROWS):
        gate = functional.silu((part @ feed_forward.gate.T).float())
        parts.append((gate * (part @ feed_forward.up.T)).to(feed_forward.gate.dtype))
    return torch.cat(parts)


def _attention(hidden: Tensor, layer: Layer, shape: DenseShape, rotation: Tensor) -> Tensor:
    batch, n_tokens, _ = hidden.shape
    inputs = normed(hidden, layer.attention["norm"], shape.norm_eps)

    def project(name: str, values: Tensor) -> Tensor:
        weight, bias = layer.attention[f"{name}.weight"], layer.attention.get(f"{name}.bias")
        made = (values.to(weight.dtype) @ weight.T).float()
        return made if bias is None else made + bias

    def heads(name: str, n_heads: int) -> Tensor:
        return project(name, inputs).view(batch, n_tokens, n_heads, shape.head_dim).transpose(1, 2)  # (B, H, T, D)

    queries = _rotated(heads("attn_q", shape.n_heads), rotation, pairs=shape.pairs)
    keys = _rotated(heads("attn_k", shape.n_kv_heads), rotation, pairs=shape.pairs)
    mixed = functional.scaled_dot_product_attention(
        queries, keys, heads("attn_v", shape.n_kv_heads), is_causal=True, enable_gqa=True
    )
    return project("attn_output", mixed.transpose(1, 2).reshape(batch, n_tokens, -1))


def _rotated(values: Tensor, rotation: Tensor, *, pairs: bool) -> Tensor:
    """Rotary positions on `(B, H, T, D)`: of neighbours, or of the two halves of a head."""
    if pairs:
        turned = torch.view_as_complex(values.unflatten(-1, (-1, 2)).contiguous()) * rotation
        return torch.view_as_real(turned).flatten(-2)
    first, second = values.chunk(2, -1)
    turned = torch.complex(first, second) * rotation
    return torch.cat([turned.real, turned.imag], -1)


def _frequencies(model: DenseModel) -> Tensor:
    """A position's angles, with Llama 3's factors where the file has them."""
    shape = model.shape
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    found = shape.rope_base**-steps / shape.rope_factor
    if "rope_freqs.weight" in model:
        found /= torch.from_numpy(model.values("rope_freqs.weight").copy())
    return found
