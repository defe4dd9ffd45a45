"""What is lost with the experts that a token leaves out, won back by least squares in `down`."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

__all__ = ["FITTED_SHARE", "corrected_down"]

FITTED_SHARE = 7 / 8
"""Of the tokens, from the first on; by the others the change is judged."""

_ROWS = 2048
_RIDGES = (0.003, 0.03, 0.3, 3.0)


def corrected_down(given: Tensor, missing: Tensor, weights: Tensor) -> Tensor:
    """What to add to `down`, `(n_embd, n_ff)` float32, so that `given` makes up for what is `missing`.

    `given` `(N, n_ff)` are the neurons of the experts that each token chose, 0 elsewhere; `missing` `(N, n_embd)` is
    what the output lacks; `weights` `(N,)` tells how much a token's error counts. A ridge, a share of the neurons' mean
    energy, holds the change small; the best of a few is taken, and no change where none helps on the tokens that were
    not fitted.
    """
    n_fitted = int(len(given) * FITTED_SHARE)
    scale = weights.sqrt()[:, None]
    gram, cross = torch.zeros(given.shape[1], given.shape[1]), torch.zeros(given.shape[1], missing.shape[1])
    for rows in _parts(0, n_fitted):
        scaled = given[rows].float() * scale[rows]
        gram.addmm_(scaled.T, scaled)
        cross.addmm_(scaled.T, missing[rows] * scale[rows])
    energy = float(gram.diagonal().mean())
    best = torch.zeros(missing.shape[1], given.shape[1])
    least = sum(float((missing[rows] * scale[rows]).square().sum()) for rows in _parts(n_fitted, len(given)))
    before = 0.0
    for ridge in _RIDGES if energy else ():
        gram.diagonal().add_((ridge - before) * energy)
        before = ridge
        change = torch.cholesky_solve(cross, torch.linalg.cholesky(gram)).T
        left = 0.0
        for rows in _parts(n_fitted, len(given)):
            left += float(((missing[rows] - given[rows].float() @ change.T) * scale[rows]).square().sum())
        if left < least:
            best, least = change, left
    return best


def _parts(start: int, end: int) -> Iterator[slice]:
    return (slice(at, min(at + _ROWS, end)) for at in range(start, end, _ROWS))
