"""Which neurons every token uses, and which belong together: from how much each of them gave to each token.

Knows neither files nor models. After CMoE (arXiv 2502.04416), but for one thing: shared are not the neurons that fire
most, but those with the largest mean share of what tokens are given. A neuron fires at a token where it is among the
tenth that gives most there; by that the others are grouped, equally many in each group.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["balanced_groups", "firing", "shared_neurons"]

Floats = NDArray[np.float32]

_FIRING_SHARE = 0.1
_ROUNDS = 8
_PRICE_STEPS = 15
_SMOOTHNESS = 0.02


def firing(given: Floats) -> Floats:
    """1 where a neuron fires, of how much each gave to each token: both `(n_tokens, n_neurons)`, from 0 on."""
    n_firing = max(1, int(_FIRING_SHARE * given.shape[1]))
    least = np.partition(given, -n_firing, axis=1)[:, -n_firing]
    return (given >= least[:, None]).astype(np.float32)


def shared_neurons(given: Floats, n_shared: int) -> NDArray[np.intp]:
    """The neurons of which tokens have most, in ascending order.

    By their share of what a token is given, so that one that carries a few tokens alone (the first of a text) is kept.
    """
    energy = given**2
    share = (energy / energy.sum(axis=1, keepdims=True).clip(1e-30)).mean(axis=0)
    return np.sort(np.argsort(-share, kind="stable")[:n_shared])


def balanced_groups(profiles: Floats, n_groups: int, seed: int = 0) -> NDArray[np.intp]:
    """The group of each neuron, equally many in each: k-means by the angle of `profiles` `(n_neurons, n_tokens)`."""
    n_neurons = len(profiles)
    if n_neurons % n_groups:
        raise ValueError(f"{n_neurons} neurons cannot be split into {n_groups} equal groups")
    units = profiles - profiles.mean(axis=0)
    units /= np.linalg.norm(units, axis=1, keepdims=True).clip(1e-12)
    centres = _first_centres(units, n_groups, np.random.default_rng(seed))
    labels = np.full(n_neurons, -1)
    for _ in range(_ROUNDS):
        before, labels = labels, balanced_assignment(units @ centres.T)
        if np.array_equal(before, labels):
            break
        centres = np.stack([units[labels == group].mean(axis=0) for group in range(n_groups)])
        centres /= np.linalg.norm(centres, axis=1, keepdims=True).clip(1e-12)
    return labels


def balanced_assignment(likeness: Floats) -> NDArray[np.intp]:
    """A column for each row of `likeness` `(n, n_groups)`, each column equally often, with a large sum.

    Columns get prices at which about equally many rows want each (Sinkhorn's iteration); where too many still do, those
    that lose least by another column go there.
    """
    n_rows, n_groups = likeness.shape
    scores = likeness.astype(np.float64) / _SMOOTHNESS
    prices = np.zeros(n_groups)
    for _ in range(_PRICE_STEPS):
        wanted = np.exp(scores - prices - (scores - prices).max(axis=1, keepdims=True))
        wanted /= wanted.sum(axis=1, keepdims=True)
        prices += np.log(wanted.sum(axis=0).clip(1e-9) * n_groups / n_rows)
    scores -= prices
    labels = np.full(n_rows, -1)
    room = np.full(n_groups, n_rows // n_groups)
    while (left := np.flatnonzero(labels < 0)).size:
        open_scores = np.where(room > 0, scores[left], -np.inf)
        choice = open_scores.argmax(axis=1)
        best = open_scores[np.arange(left.size), choice]
        open_scores[np.arange(left.size), choice] = -np.inf
        lost = best - open_scores.max(axis=1)  # infinite where one column is left
        for group in np.unique(choice):
            wanting = np.flatnonzero(choice == group)
            taken = wanting[np.argsort(-lost[wanting], kind="stable")[: room[group]]]
            labels[left[taken]] = group
            room[group] -= taken.size
    return labels


def _first_centres(units: Floats, n_groups: int, draw: np.random.Generator) -> Floats:
    """k-means++: each further one with a chance that grows with its distance from those before."""
    chosen = [int(draw.integers(len(units)))]
    distance = 1 - units @ units[chosen[0]]
    while len(chosen) < n_groups:
        weight = distance.clip(0).astype(np.float64) + 1e-12
        chosen.append(int(draw.choice(len(units), p=weight / weight.sum())))
        distance = np.minimum(distance, 1 - units @ units[chosen[-1]])
    centres: Floats = units[chosen]
    return centres
