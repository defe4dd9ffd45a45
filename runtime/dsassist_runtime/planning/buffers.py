"""An estimate of llama.cpp's buffers for one context: logits, the mask of attention, and the widest part of a layer.

llama.cpp plans its graph for a whole batch and lets tensors that do not live at the same time share memory. What lives
together in attention, in a dense feed-forward part and among the experts was fitted to what it reports for small
models of several shapes; `docs/plan.md` tells how well. Flash attention is assumed, which llama.cpp takes where it can.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from dsassist_runtime.gguf import GgufHeader
from dsassist_runtime.models.description import is_mla
from dsassist_runtime.planning.engine_use import N_BATCH, N_OUTPUTS
from dsassist_runtime.planning.keys import largest

__all__ = ["Buffers", "buffers"]

_F32, _F16 = 4, 2
_FRAGMENTED = 7 / 6  # of what lives at once: the most that the shapes which were tried took


class Buffers(NamedTuple):
    """Of one context: `fixed_bytes`, and `bytes_per_cell` of its KV cache."""

    fixed_bytes: int
    bytes_per_cell: int


def buffers(header: GgufHeader, n_vocab: int, n_expert_ff: int) -> Buffers:
    """The estimate; `n_expert_ff` is the width of a routed expert, 0 for a dense model."""
    logits = N_OUTPUTS * n_vocab * _F32
    widest = max(_attention(header), _dense(header), _experts(header, n_expert_ff))
    activations = math.ceil(_FRAGMENTED * widest) * N_BATCH * _F32
    # The logits are in the graph when all else of it is over, and once more outside of it.
    return Buffers(logits + max(logits, activations), N_BATCH * _F16)


def _attention(header: GgufHeader) -> int:
    """Elements a token: its residuals, the queries, and with MLA the queries and results among latent keys."""
    embd = header.integer("{arch}.embedding_length")
    n_head = largest(header, "{arch}.attention.head_count")
    width = embd // n_head if n_head else 0
    key = header.integer("{arch}.attention.key_length", width)
    value = header.integer("{arch}.attention.value_length", width)
    query = header.integer("{arch}.attention.key_length_mla") if is_mla(header) else key
    return n_head * (query + key + value) + 5 * embd


def _dense(header: GgufHeader) -> int:
    return 3 * largest(header, "{arch}.feed_forward_length") + 5 * header.integer("{arch}.embedding_length")


def _experts(header: GgufHeader, n_expert_ff: int) -> int:
    n_used, embd = largest(header, "{arch}.expert_used_count"), header.integer("{arch}.embedding_length")
    return 5 * embd + n_used * max(embd + n_expert_ff, 3 * n_expert_ff)
