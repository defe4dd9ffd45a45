"""The thread policy on simulated machines: it must find the quickest number, and find it again when that changes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from dsassist_runtime.engine.threads import ThreadPolicy

Machine = Callable[[int], float]


def quiet(threads: int) -> float:
    return 100 / threads


def busy(threads: int) -> float:
    """Another program holds every core: threads wait for each other (measured: 150 ms with two, 97 with one)."""
    return 97 + 53 * (threads - 1)


def run(policy: ThreadPolicy, machine: Machine, batches: int, noise: float = 0.05, n_tokens: int = 1) -> float:
    """The time of so many batches, compared with the best that the machine allows."""
    draw = random.Random(1)
    spent = 0.0
    for _ in range(batches):
        elapsed = machine(policy.n_threads) * draw.uniform(1 - noise, 1 + noise)
        policy.observe(n_tokens, policy.n_threads, elapsed)
        spent += elapsed
    return spent / (batches * min(machine(threads) for threads in range(1, 9)))


def test_a_quiet_machine_uses_all_its_cores() -> None:
    policy = ThreadPolicy(2)
    run(policy, quiet, 200)
    assert policy.n_threads == 2


def test_a_busy_machine_uses_fewer() -> None:
    policy = ThreadPolicy(2)
    run(policy, busy, 50)
    assert policy.n_threads == 1


@pytest.mark.parametrize("limit", [2, 4, 8])
def test_it_follows_a_machine_that_changes(limit: int) -> None:
    policy = ThreadPolicy(limit)
    run(policy, quiet, 100)
    assert policy.n_threads == limit
    run(policy, busy, 200)
    assert policy.n_threads <= limit // 2
    run(policy, quiet, 300)
    assert policy.n_threads == limit


def test_looking_costs_little() -> None:
    """In the long run, on a machine that stays as it is."""
    assert run(ThreadPolicy(2), lambda threads: quiet(min(threads, 2)), 500) < 1.03 * 4
    policy = ThreadPolicy(2)
    run(policy, busy, 100)
    assert run(policy, busy, 500) < 1.1


def test_one_core_leaves_nothing_to_choose() -> None:
    policy = ThreadPolicy(1)
    run(policy, busy, 100)
    assert policy.n_threads == 1


def test_a_growing_context_is_not_taken_for_another_program() -> None:
    policy = ThreadPolicy(2)
    changes = 0
    elapsed = 50.0
    for _ in range(600):
        before = policy.n_threads
        policy.observe(1, before, elapsed / before * 2)
        changes += policy.n_threads != before
        elapsed *= 1.001
    assert policy.n_threads == 2
    assert changes <= 6, "the trial at the start, and at most two more"
