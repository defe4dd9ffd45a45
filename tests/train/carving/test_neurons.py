"""Neurons that fire together come together, and those that every token needs are shared."""

from __future__ import annotations

import numpy as np
import pytest

from dsassist_train.carving.neurons import balanced_assignment, balanced_groups, firing, shared_neurons


def test_groups_that_were_planted_are_found_again() -> None:
    draw = np.random.default_rng(1)
    n_groups, size = 8, 32
    planted = draw.permutation(np.repeat(np.arange(n_groups), size))
    active = draw.random((600, n_groups)) < 0.2
    given = np.abs(draw.normal(size=(600, planted.size))) * (0.1 + active[:, planted])
    found = balanced_groups(firing(given.astype(np.float32)).T, n_groups)
    assert np.bincount(found).tolist() == [size] * n_groups
    pure = [np.bincount(planted[found == group]).max() / size for group in range(n_groups)]
    assert np.mean(pure) > 0.9, pure


def test_a_group_has_as_many_neurons_as_every_other_whatever_they_are_like() -> None:
    profiles = np.ones((24, 10), np.float32)
    assert np.bincount(balanced_groups(profiles, 6)).tolist() == [4] * 6


def test_groups_of_unequal_size_are_refused() -> None:
    with pytest.raises(ValueError, match="10 neurons cannot be split into 4 equal groups"):
        balanced_groups(np.ones((10, 3), np.float32), 4)


def test_a_balanced_assignment_loses_little_against_the_best() -> None:
    """The best that there is, by trying all, of 8 rows and 2 columns."""
    from itertools import combinations

    for seed in range(20):
        likeness = np.random.default_rng(seed).normal(size=(8, 2)).astype(np.float32)
        labels = balanced_assignment(likeness)
        assert np.bincount(labels, minlength=2).tolist() == [4, 4]
        first = likeness[:, 0] - likeness[:, 1]
        best = max(sum(first[list(rows)]) for rows in combinations(range(8), 4)) + likeness[:, 1].sum()
        assert likeness[np.arange(8), labels].sum() >= best - 1e-4


def test_a_tenth_of_the_neurons_fires_at_a_token() -> None:
    given = np.random.default_rng(3).random((5, 40)).astype(np.float32)
    fires = firing(given)
    assert fires.sum(axis=1).tolist() == [4] * 5
    assert (given[fires == 1].reshape(5, 4).min(axis=1) >= np.where(fires == 0, given, 0).max(axis=1)).all()


def test_a_neuron_that_carries_one_token_alone_is_shared() -> None:
    """The first token of a text gets nearly all from a few neurons that are silent elsewhere."""
    given = np.random.default_rng(4).random((100, 500)).astype(np.float32)
    given[:, 7] = 0
    given[0, 7] = 1e4
    given[:, [3, 20]] *= 5
    assert shared_neurons(given, 3).tolist() == [3, 7, 20]
