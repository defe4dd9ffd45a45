"""A router by least squares chooses the experts that give most, and all of them get nearly the same probability."""

from __future__ import annotations

import numpy as np

from dsassist_train.carving.router import LARGEST_LOGIT, chosen_experts, fit_router


def test_experts_that_follow_from_the_input_are_chosen_on_tokens_that_were_not_seen() -> None:
    draw = np.random.default_rng(1)
    inputs = draw.normal(size=(3000, 16)).astype(np.float32)
    given = (inputs @ draw.normal(size=(16, 8)) + 20).astype(np.float32)
    router = fit_router(inputs[:2000], given[:2000])
    best = np.argsort(-given[2000:], axis=1)[:, :3]
    chosen = chosen_experts(inputs[2000:], router, 3)
    assert chosen.sum(axis=1).tolist() == [3] * 1000
    assert np.take_along_axis(chosen, best, axis=1).mean() > 0.95


def test_no_probability_is_off_by_more_than_a_thousandth() -> None:
    draw = np.random.default_rng(2)
    inputs = draw.normal(size=(500, 16)).astype(np.float32)
    router = fit_router(inputs, draw.random((500, 8)).astype(np.float32) * 100)
    assert router.dtype == np.float32
    logits = inputs @ router.T
    assert abs(logits).max() <= LARGEST_LOGIT * 1.001
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert abs(8 * probabilities - 1).max() < 2.1 * LARGEST_LOGIT
    assert len({tuple(row) for row in np.argsort(logits, axis=1)}) > 100, "the order is still told"


def test_a_silent_layer_has_a_router_of_numbers() -> None:
    router = fit_router(np.ones((50, 4), np.float32), np.zeros((50, 2), np.float32))
    assert np.isfinite(router).all()
