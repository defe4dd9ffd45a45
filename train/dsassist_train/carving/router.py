"""A router by least squares: from a token's input to how much each expert gives it. No gradient, no iteration."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["LARGEST_LOGIT", "chosen_experts", "fit_router"]

Floats = NDArray[np.float32]

LARGEST_LOGIT = 1e-3
"""So small that the softmax gives each expert 1/n within a thousandth; float32 still tells the order."""

_RIDGE = 1e-3


def fit_router(inputs: Floats, given: Floats) -> Floats:
    """The router `(n_experts, n_embd)`, its logits at most `LARGEST_LOGIT` on these tokens.

    `inputs` `(n_tokens, n_embd)` are what the feed-forward gets; `given` `(n_tokens, n_experts)` is the norm of what
    each expert adds. Only the order within a token matters, so each token counts alike, and the experts' mean is taken
    off.
    """
    wanted = given / given.mean(axis=1, keepdims=True).clip(1e-12)
    wanted -= 1
    x = inputs.astype(np.float64)
    gram = x.T @ x
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram)
    router = np.linalg.solve(gram, x.T @ wanted).T
    router -= router.mean(axis=0)  # a softmax does not see it
    largest = np.abs(x @ router.T).max()
    scaled: Floats = (router * (LARGEST_LOGIT / max(largest, 1e-30))).astype(np.float32)
    return scaled


def chosen_experts(inputs: Floats, router: Floats, top_k: int) -> NDArray[np.bool_]:
    """`(n_tokens, n_experts)`: which experts llama.cpp would choose."""
    logits = inputs @ router.T
    places = np.argpartition(-logits, top_k - 1, axis=1)[:, :top_k]
    chosen = np.zeros(logits.shape, bool)
    np.put_along_axis(chosen, places, True, axis=1)
    return chosen
