"""What the engine asks of llama.cpp beside the weights: contexts, their cells, batches. A test holds it to the engine.

Kept apart from `engine.local`, which loads llama.cpp when it is imported.
"""

from __future__ import annotations

__all__ = [
    "KV_ELEMENT_BYTES",
    "N_BATCH",
    "N_CONTEXTS",
    "N_OUTPUTS",
    "N_SEQUENCES",
    "automatic_ctx",
    "n_cells",
]

N_BATCH = 256
N_OUTPUTS = 64
N_SEQUENCES = 64
N_CONTEXTS = 2  # for requests, and for scores
KV_ELEMENT_BYTES = 2  # F16
_LARGEST_AUTOMATIC_CONTEXT = 8192
_LARGEST_SCORING_CONTEXT = 4096


def automatic_ctx(n_ctx_train: int) -> int:
    """The context that the engine takes when it is not told one."""
    return min(n_ctx_train or _LARGEST_AUTOMATIC_CONTEXT, _LARGEST_AUTOMATIC_CONTEXT)


def n_cells(n_ctx: int) -> int:
    """The cells of both contexts: half as much again as `n_ctx` for requests, and those for scores."""
    return n_ctx + n_ctx // 2 + min(n_ctx, _LARGEST_SCORING_CONTEXT)
