"""How fast a machine multiplies matrices, how much of that a model's training needs, and what makes a CPU quick."""

from __future__ import annotations

import ctypes
import sys
import time

import torch

from dsassist_train.architecture import ModelConfig

__all__ = ["flops_per_token", "keep_memory", "peak_flops"]

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # malloc.h of glibc
_SIDE, _SIDE_GPU = 2048, 8192


def keep_memory() -> None:
    """Let glibc keep freed memory: page faults at each large tensor would cost a third of the speed."""
    if not sys.platform.startswith("linux"):
        return
    library = ctypes.CDLL(None)
    if hasattr(library, "gnu_get_libc_version"):
        library.mallopt(_M_MMAP_MAX, 0)
        library.mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
        library.mallopt(_M_TOP_PAD, 64 << 20)


def flops_per_token(config: ModelConfig, length: int, lora_rank: int = 0) -> float:
    """Floating-point operations of a token's forward and backward pass, in sequences of `length`.

    What the mathematics need: 6 for each weight that a token uses (2 forward, 2 for the gradient of its input, 2 for
    its own), twice that of the causal half of attention for each pass; neither norms nor what a kernel computes beside.
    With `lora_rank`, that of an adapter (`lora`), its weights take 6 and all others, which get no gradient, 4.
    """
    weights = _weights_used(config)
    learnt = _adapter_used(config, lora_rank) if lora_rank else weights
    frozen = weights if lora_rank else 0
    heads = config.num_attention_heads
    scores = config.num_hidden_layers * heads * (config.qk_head_dim + config.v_head_dim) * length / 2
    return 6.0 * (learnt + scores) + 4.0 * frozen


def _weights_used(config: ModelConfig) -> int:
    """How many weights of matrices a token is multiplied by; looking it up in the embedding is none."""
    hidden, heads = config.hidden_size, config.num_attention_heads
    queries = heads * config.qk_head_dim
    into_queries = hidden * queries if config.q_lora_rank is None else config.q_lora_rank * (hidden + queries)
    attention = (
        into_queries
        + hidden * (config.kv_lora_rank + config.qk_rope_head_dim)
        + config.kv_lora_rank * heads * (config.qk_nope_head_dim + config.v_head_dim)
        + heads * config.v_head_dim * hidden
    )
    experts = config.num_experts_per_tok + config.n_shared_experts
    mixture = 3 * hidden * config.moe_intermediate_size * experts + hidden * config.n_routed_experts
    dense = 3 * hidden * config.intermediate_size
    return (
        config.num_hidden_layers * attention
        + config.n_moe_layers * mixture
        + config.first_k_dense_replace * dense
        + config.vocab_size * hidden
    )


def _adapter_used(config: ModelConfig, rank: int) -> int:
    """The same of an adapter's: a pair for the output of attention, and for gate, up and down of each feed-forward."""
    hidden, inner = config.hidden_size, config.moe_intermediate_size
    attention = hidden + config.num_attention_heads * config.v_head_dim
    routed = 3 * (hidden + inner) * config.num_experts_per_tok
    shared = 3 * (hidden + inner * config.n_shared_experts)
    dense = 3 * (hidden + config.intermediate_size)
    return rank * (
        config.num_hidden_layers * attention
        + config.n_moe_layers * (routed + shared)
        + config.first_k_dense_replace * dense
    )


def peak_flops(device: torch.device, dtype: torch.dtype, seconds: float = 1.0) -> float:
    """The quickest square matrix product of those that fit into the time, in operations per second."""
    side = _SIDE if device.type == "cpu" else _SIDE_GPU
    left, right = (torch.ones(side, side, dtype=dtype, device=device) for _ in range(2))
    quickest, end = float("inf"), time.perf_counter() + seconds
    while quickest == float("inf") or time.perf_counter() < end:
        start = time.perf_counter()
        torch.mm(left, right)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        quickest = min(quickest, time.perf_counter() - start)
    return 2.0 * side**3 / quickest
