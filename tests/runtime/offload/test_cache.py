from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsassist_runtime.offload.cache import ExpertCache, Key, layer_bytes

_N_LAYERS, _N_EXPERTS = 4, 6
_ALL = [Key(layer, expert) for layer in range(_N_LAYERS) for expert in range(_N_EXPERTS)]

sizes = st.fixed_dictionaries({key: st.integers(1, 9) for key in _ALL})
wishes = st.tuples(
    st.integers(0, _N_LAYERS - 1), st.sets(st.integers(0, _N_EXPERTS - 1), min_size=1, max_size=_N_EXPERTS)
)
uses = st.lists(st.tuples(wishes, st.booleans()), max_size=60)


unhurried = settings(deadline=None, max_examples=50)


def smallest(own: dict[Key, int]) -> int:
    return max(layer_bytes(own).values())


@unhurried
@given(sizes, st.integers(0, 250), uses)
def test_budget_holds_and_what_is_wanted_is_there(
    own: dict[Key, int], spare: int, asked: list[tuple[tuple[int, set[int]], bool]]
) -> None:
    budget = smallest(own) + spare
    cache = ExpertCache(own, budget)
    held: set[Key] = set()
    hits = misses = evictions = missed_bytes = 0
    for (layer, experts), protect in asked:
        wanted = {Key(layer, expert) for expert in experts}
        change = cache.acquire(layer, experts, protect=protect)
        assert set(change.missing) == wanted - held
        assert set(change.evicted) <= held - wanted  # never of what is in flight
        held = held - set(change.evicted) | set(change.missing)
        assert len(held) == len(cache.held()) == len(set(cache.held()))
        assert set(cache.held()) == held >= wanted
        misses += len(change.missing)
        hits += len(wanted) - len(change.missing)
        evictions += len(change.evicted)
        missed_bytes += sum(own[key] for key in change.missing)
        figures = cache.figures()
        assert figures.held_bytes == sum(own[key] for key in held) <= budget
        assert figures.protected_bytes <= budget - smallest(own)
    figures = cache.figures()
    assert (figures.hits, figures.misses, figures.evictions) == (hits, misses, evictions)
    assert figures.missed_bytes == missed_bytes
    assert figures.hit_rate == (hits / (hits + misses) if asked else 1.0)


@unhurried
@given(sizes, st.integers(0, 250), st.lists(wishes, max_size=60), st.booleans())
def test_one_kind_of_use_alone_is_a_plain_lru(
    own: dict[Key, int], spare: int, asked: list[tuple[int, set[int]]], protect: bool
) -> None:
    budget = smallest(own) + spare
    cache = ExpertCache(own, budget)
    plain: OrderedDict[Key, None] = OrderedDict()
    for layer, experts in asked:
        wanted = [Key(layer, expert) for expert in sorted(experts)]
        for key in wanted:
            if key in plain:
                plain.move_to_end(key)
        missing = [key for key in wanted if key not in plain]
        for key in list(plain):
            if sum(own[held] for held in (*plain, *missing)) <= budget:
                break
            if key not in wanted:
                del plain[key]
        plain.update(dict.fromkeys(missing))
        assert cache.acquire(layer, sorted(experts), protect=protect).missing == tuple(missing)
        assert set(cache.held()) == set(plain)


@unhurried
@given(sizes, st.integers(0, 250), uses, st.lists(wishes, min_size=1, max_size=60))
def test_review_never_evicts_what_is_protected(
    own: dict[Key, int], spare: int, before: list[tuple[tuple[int, set[int]], bool]], review: list[tuple[int, set[int]]]
) -> None:
    cache = ExpertCache(own, smallest(own) + spare)
    for (layer, experts), protect in before:
        cache.acquire(layer, experts, protect=protect)
    protected_bytes = cache.figures().protected_bytes
    protected: set[Key] = set()
    for key in reversed(cache.held()):  # the protected ones go last
        if sum(own[one] for one in protected) < protected_bytes:
            protected.add(key)
    for layer, experts in review:
        cache.acquire(layer, experts, protect=False)
        assert protected <= set(cache.held())


def test_completions_experts_survive_a_long_review() -> None:
    own = dict.fromkeys(_ALL, 10)
    cache = ExpertCache(own, 160)
    for layer in range(_N_LAYERS):
        cache.acquire(layer, {0, 1}, protect=True)
    for _ in range(5):
        for layer in range(_N_LAYERS):
            cache.acquire(layer, range(_N_EXPERTS), protect=False)
    missed = [cache.acquire(layer, {0, 1}, protect=True).missing for layer in range(_N_LAYERS)]
    assert missed == [()] * _N_LAYERS


@unhurried
@given(sizes, st.integers(0, 250), uses, st.integers(0, 250))
def test_smaller_budget_evicts_and_larger_one_does_not(
    own: dict[Key, int], spare: int, asked: list[tuple[tuple[int, set[int]], bool]], other: int
) -> None:
    cache = ExpertCache(own, smallest(own) + spare)
    for (layer, experts), protect in asked:
        cache.acquire(layer, experts, protect=protect)
    held = cache.held()
    evicted = cache.resize(smallest(own) + other)
    assert set(held) - set(evicted) == set(cache.held())
    assert sum(own[key] for key in cache.held()) <= smallest(own) + other
    if other >= spare:
        assert not evicted


def test_what_could_not_be_read_is_missing_again() -> None:
    cache = ExpertCache(dict.fromkeys(_ALL, 1), 100)
    change = cache.acquire(1, {2, 3}, protect=True)
    cache.acquire(2, {2}, protect=False)
    cache.drop((*change.missing, Key(2, 2), Key(3, 3)))
    assert cache.held() == ()
    assert cache.figures().held_bytes == cache.figures().protected_bytes == 0
    assert cache.acquire(1, {2, 3}, protect=True).missing == change.missing


def test_budget_below_a_layer_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold a layer of 60"):
        ExpertCache(dict.fromkeys(_ALL, 10), 59)


preloads = st.tuples(st.permutations(_ALL), st.integers(1, 60))
actions = st.lists(st.one_of(st.tuples(wishes, st.booleans()), preloads), max_size=40)


@unhurried
@given(sizes, st.integers(0, 250), actions)
def test_preloading_takes_only_what_is_free_or_was_preloaded_in_vain(
    own: dict[Key, int], spare: int, done: list[Any]
) -> None:
    budget = smallest(own) + spare
    cache = ExpertCache(own, budget)
    held: set[Key] = set()
    unused: set[Key] = set()
    for first, second in done:
        if isinstance(second, bool):
            (layer, experts), protect = first, second
            change = cache.acquire(layer, experts, protect=protect)
            unused -= {Key(layer, expert) for expert in experts}
        else:
            change = cache.preload(first, second)
            assert set(change.evicted) <= unused, "what was used stays"
            unused |= set(change.missing)
            assert sum(own[key] for key in change.missing[:-1]) < second
            assert list(change.missing) == [key for key in first if key in set(change.missing)], "the hottest first"
        assert not set(change.missing) & held
        held = held - set(change.evicted) | set(change.missing)
        unused &= held
        assert set(cache.held()) == held
        figures = cache.figures()
        assert figures.held_bytes == sum(own[key] for key in held) <= budget
        assert figures.protected_bytes <= budget - smallest(own)


@unhurried
@given(sizes, st.integers(0, 250), st.permutations(_ALL), st.permutations(_ALL), st.integers(1, 60))
def test_preloading_ends_with_the_hottest_that_fit_whatever_was_preloaded_before(
    own: dict[Key, int], spare: int, others: list[Key], hottest: list[Key], limit: int
) -> None:
    cache = ExpertCache(own, smallest(own) + spare)
    for order in (others, hottest):
        while cache.preload(order, limit).missing:
            pass
    room, expected = smallest(own) + spare, set()
    for key in hottest:
        if own[key] > room:
            break
        room -= own[key]
        expected.add(key)
    assert expected <= set(cache.held())


def test_what_is_used_outlives_what_was_preloaded_and_the_hottest_of_that_goes_last() -> None:
    cache = ExpertCache(dict.fromkeys(_ALL, 1), 12)
    cache.preload(_ALL[:12], 100)
    cache.acquire(1, {5}, protect=True)
    gone = [cache.acquire(3, {expert}, protect=True).evicted for expert in range(6)]
    assert gone == [(key,) for key in reversed(_ALL[5:11])]
    assert Key(1, 5) in cache.held()
