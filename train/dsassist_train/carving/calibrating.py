"""Layer by layer through a dense model: which neurons belong together, the router, and the corrected `down`.

With a correction two streams go side by side: the dense model's, and that of the mixture as far as it is made, so that
each layer also makes up for what the layers before it got wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dsassist_train.carving.correcting import FITTED_SHARE, corrected_down
from dsassist_train.carving.dense import DenseModel
from dsassist_train.carving.forward import FeedForward, activations, attended, embedded, load_layer, normed
from dsassist_train.carving.neurons import balanced_groups, firing, shared_neurons
from dsassist_train.carving.router import chosen_experts, fit_router

__all__ = ["CarvedLayer", "Plan", "carved_layers"]

_WATCHED = 2048  # tokens by which neurons are grouped


@dataclass(frozen=True)
class Plan:
    """How a layer is split: `n_shared` neurons for every token, `n_experts` groups, `top_k` of them for each token."""

    n_experts: int
    n_shared: int
    top_k: int
    corrects: bool
    dtype: torch.dtype = torch.float32


class CarvedLayer(NamedTuple):
    """`order` `(n_ff,)`: the shared neurons, then expert by expert; `down` and `energy` have this order.

    `router` `(n_experts, n_embd)`; `energy` `(n_ff,)` is the mean square of what each neuron gives. `lost` is what the
    layer's output lacks, as energy, in shares of the whole, on tokens that no correction was fitted to; `lost_before`
    the same without this layer's correction.
    """

    order: NDArray[np.intp]
    router: NDArray[np.float32]
    down: NDArray[np.float32]
    energy: NDArray[np.float32]
    lost_before: float
    lost: float


def carved_layers(model: DenseModel, tokens: NDArray[np.int64], plan: Plan) -> Iterator[CarvedLayer]:
    """The layers in turn; `tokens` are sequences of equal length."""
    eps = model.shape.norm_eps
    dense = embedded(model, torch.from_numpy(tokens))  # (B, T, n_embd)
    carved = dense
    for index in range(model.shape.n_layers):
        layer = load_layer(model, index, plan.dtype)
        ff = layer.feed_forward
        dense = attended(dense, layer, model.shape)
        carved = attended(carved, layer, model.shape) if plan.corrects else dense
        inputs = normed(carved, ff.norm, eps).flatten(0, 1)  # (N, n_embd)
        given = activations(inputs, ff)  # (N, n_ff)
        full = _output(given, ff.down)
        if plan.corrects:
            dense = dense + _output(activations(normed(dense, ff.norm, eps).flatten(0, 1), ff), ff.down).view_as(dense)
        else:
            dense = dense + full.view_as(dense)
        order = _order(given, ff, plan)
        places = torch.from_numpy(order)
        given, down = given[:, places], ff.down[:, places]
        router = fit_router(inputs.numpy(), _norms(given, down, plan).numpy())
        energy = given.float().square().mean(0)
        if plan.top_k < plan.n_experts:
            given = given * _used(inputs, router, plan, given.shape[1])
        weights = 1 / carved.flatten(0, 1).square().mean(1)
        wanted = (dense - carved).flatten(0, 1) if plan.corrects else full
        missing = wanted - _output(given, down)
        lost = lost_before = _energy(missing, weights) / _energy(full, weights)
        down = down.float()
        if plan.corrects:
            down += corrected_down(given, missing, weights)
            output = _output(given, down.to(plan.dtype))
            lost = _energy(wanted - output, weights) / _energy(full, weights)
            carved = carved + output.view_as(carved)
        yield CarvedLayer(order, router, down.numpy(), energy.numpy(), lost_before, lost)


def _output(given: Tensor, down: Tensor) -> Tensor:
    return (given @ down.T).float()


def _energy(values: Tensor, weights: Tensor) -> float:
    """On the tokens that nothing is fitted to."""
    start = int(len(values) * FITTED_SHARE)
    return float((values[start:].square().sum(1) * weights[start:]).mean())


def _order(given: Tensor, ff: FeedForward, plan: Plan) -> NDArray[np.intp]:
    """The neurons, those that are shared first, then group by group."""
    every = -(-len(given) // _WATCHED)
    sizes = (given[::every].float().abs() * ff.down.float().norm(dim=0)).numpy()  # (watched, n_ff)
    shared = shared_neurons(sizes, plan.n_shared)
    routed = np.setdiff1d(np.arange(sizes.shape[1]), shared)
    groups = balanced_groups(firing(sizes)[:, routed].T, plan.n_experts)
    return np.concatenate([shared, *(routed[groups == group] for group in range(plan.n_experts))])


def _norms(given: Tensor, down: Tensor, plan: Plan) -> Tensor:
    """`(N, n_experts)`: how long the vector is that each expert adds."""
    neurons = (values[:, plan.n_shared :].chunk(plan.n_experts, 1) for values in (given, down))
    return torch.stack([_output(*expert).norm(dim=1) for expert in zip(*neurons, strict=True)], 1)


def _used(inputs: Tensor, router: NDArray[np.float32], plan: Plan, n_ff: int) -> Tensor:
    """`(N, n_ff)`: is it a neuron that the token uses?"""
    chosen = torch.from_numpy(chosen_experts(inputs.numpy(), router, plan.top_k))
    routed = chosen.repeat_interleave((n_ff - plan.n_shared) // plan.n_experts, 1)
    return torch.cat([torch.ones(len(chosen), plan.n_shared, dtype=torch.bool), routed], 1)
