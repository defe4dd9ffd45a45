"""The thread policy on simulated machines: it must find the quickest number, and find it again when that changes."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from dsassist_runtime.engine.threads import ThreadPolicy

Machine = Callable[[int], float]


def quiet(threads: int) -> float:
    return 10 + 90 / threads


def busy(threads: int) -> float:
    """Another program holds every core: threads wait for each other."""
    return 97 + 53 * (threads - 1)


def collapsed(threads: int) -> float:
    """As measured with the builtin model: 700 tokens/s with one thread, 10 with two."""
    return 1.4 if threads == 1 else 100.0


class Clock:
    """Goes on by what the batches take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


CLOCK = Clock()


def policy_of(limit: int) -> ThreadPolicy:
    return ThreadPolicy(limit, now=CLOCK)


def run(policy: ThreadPolicy, machine: Machine, batches: int, limit: int, noise: float = 0.03) -> float:
    """The time of so many batches, compared with the best that the machine allows."""
    draw = random.Random(1)
    spent = 0.0
    for _ in range(batches):
        elapsed = machine(policy.n_threads) * draw.uniform(1 - noise, 1 + noise)
        CLOCK.seconds += elapsed / 1000
        policy.observe(1, policy.n_threads, elapsed)
        spent += elapsed
    return spent / (batches * min(machine(threads) for threads in range(1, limit + 1)))


def test_a_quiet_machine_uses_all_its_cores() -> None:
    policy = policy_of(2)
    run(policy, quiet, 200, 2)
    assert policy.n_threads == 2


@pytest.mark.parametrize("machine", [busy, collapsed])
def test_a_busy_machine_uses_fewer(machine: Machine) -> None:
    policy = policy_of(2)
    run(policy, machine, 20, 2)
    assert policy.n_threads == 1


def test_it_tells_a_crowd_from_a_model_that_needs_one_thread() -> None:
    """Prompts go on with all threads where texts are a little quicker with one."""
    policy = policy_of(2)
    run(policy, lambda threads: 1.0 if threads == 1 else 1.25, 200, 2)
    assert (policy.n_threads, policy.is_crowded) == (1, False)
    policy = policy_of(2)
    run(policy, collapsed, 200, 2)
    assert policy.is_crowded
    run(policy, lambda threads: 1.0 if threads == 1 else 1.25, 20_000, 2)
    assert not policy.is_crowded


@pytest.mark.parametrize("limit", [2, 4, 8])
def test_it_follows_a_machine_that_changes(limit: int) -> None:
    policy = policy_of(limit)
    run(policy, quiet, 100, limit)
    assert policy.n_threads == limit
    run(policy, busy, 200, limit)
    assert policy.n_threads <= limit // 2
    run(policy, quiet, 2000, limit)
    assert policy.n_threads == limit


def test_it_sees_at_once_that_the_other_program_has_gone() -> None:
    """Trials that fail are dear here, but one thread is quicker too when the cores are free again."""
    policy = policy_of(2)
    run(policy, lambda threads: 90.0 if threads == 1 else 900.0, 60, 2)
    assert (policy.n_threads, policy.is_crowded) == (1, True)
    run(policy, lambda threads: 46.0 if threads == 1 else 25.0, 25, 2)
    assert (policy.n_threads, policy.is_crowded) == (2, False)


@pytest.mark.parametrize("machine", [quiet, busy, collapsed])
def test_looking_costs_little(machine: Machine) -> None:
    """In the long run, on a machine that stays as it is."""
    policy = policy_of(2)
    run(policy, machine, 50, 2)
    assert run(policy, machine, 20_000, 2) < 1.06


def test_one_core_leaves_nothing_to_choose() -> None:
    policy = policy_of(1)
    run(policy, busy, 100, 1)
    assert policy.n_threads == 1


def test_a_growing_context_is_not_taken_for_another_program() -> None:
    policy = policy_of(2)
    changes = 0
    elapsed = 50.0
    for _ in range(600):
        before = policy.n_threads
        policy.observe(1, before, elapsed / before * 2)
        changes += policy.n_threads != before
        elapsed *= 1.001
    assert policy.n_threads == 2
    assert changes <= 2, "the trial at the start"


def test_batches_of_changing_sizes_do_not_confuse_it() -> None:
    policy = policy_of(2)
    draw = random.Random(2)
    for _ in range(500):
        size = draw.randrange(1, 9)
        policy.observe(size, policy.n_threads, size * quiet(policy.n_threads))
    assert policy.n_threads == 2
    for _ in range(500):
        size = draw.randrange(1, 9)
        policy.observe(size, policy.n_threads, size * collapsed(policy.n_threads))
    assert policy.n_threads == 1
