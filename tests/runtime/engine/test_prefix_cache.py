"""Laws of the radix tree, against a model of llama.cpp's unified KV cache that keeps every cell."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from dsassist_runtime.engine.prefix_cache import Lease, PrefixCache, common_prefix

N_CELLS = 40
N_SEQUENCES = 6


class Cells:
    """A unified KV cache: cells with a token, a position and the sequences that have them."""

    def __init__(self) -> None:
        self.cells: list[tuple[int, int, set[int]]] = []

    def forget(self, sequence: int, start: int = 0, end: int = -1) -> None:
        for _token, position, holders in self.cells:
            if position >= start and (end < 0 or position < end):
                holders.discard(sequence)
        self.cells = [cell for cell in self.cells if cell[2]]

    def share(self, source: int, target: int, start: int, end: int) -> None:
        for _token, position, holders in self.cells:
            if source in holders and start <= position < end:
                holders.add(target)

    def evaluate(self, sequence: int, start: int, tokens: list[int]) -> None:
        held = self.tokens(sequence)
        assert len(held) == start, "llama.cpp wants the positions of a batch to follow those of its sequence"
        assert len(self.cells) + len(tokens) <= N_CELLS, "llama.cpp finds no slot"
        self.cells += [(token, start + i, {sequence}) for i, token in enumerate(tokens)]

    def tokens(self, sequence: int) -> list[int]:
        held = sorted((position, token) for token, position, holders in self.cells if sequence in holders)
        assert [position for position, _token in held] == list(range(len(held))), "a hole in the sequence"
        return [token for _position, token in held]


def fill(cache: PrefixCache, cells: Cells, lease: Lease, tokens: list[int]) -> bool:
    """Evaluate what `lease` lacks of `tokens`; False when there was no room."""
    new = tokens[len(lease) :]
    if not cache.make_room(len(new)):
        return False
    cells.evaluate(lease.sequence, len(lease), new)
    lease.extend(new)
    return True


class CacheMachine(RuleBasedStateMachine):
    """Requests come, share, write, are cut and go, in any order."""

    leases = Bundle("leases")
    prompts = st.lists(st.integers(0, 2), min_size=1, max_size=12)

    def __init__(self) -> None:
        super().__init__()
        self.cells = Cells()
        self.cache = PrefixCache(self.cells, N_CELLS, N_SEQUENCES)
        self.held: list[Lease] = []

    @precondition(lambda self: len(self.held) < N_SEQUENCES)
    @rule(target=leases, prompt=prompts, publish=st.booleans())
    def acquire(self, prompt: list[int], publish: bool) -> Lease:
        known = self.cache.match(prompt)
        lease = self.cache.acquire(prompt)
        assert lease.tokens == prompt[: len(lease)]
        assert lease.cached == len(lease) == min(known, len(prompt) - 1), "all that is known, but for the last token"
        self.held.append(lease)
        if fill(self.cache, self.cells, lease, prompt) and publish:
            lease.publish()
        return lease

    @rule(lease=leases, tokens=st.lists(st.integers(0, 2), max_size=6))
    def write(self, lease: Lease, tokens: list[int]) -> None:
        fill(self.cache, self.cells, lease, lease.tokens + tokens)

    @rule(lease=leases, tokens=st.lists(st.integers(0, 2), max_size=8))
    def catch_up(self, lease: Lease, tokens: list[int]) -> None:
        wanted = lease.tokens + tokens
        before = len(lease)
        gained = lease.catch_up(wanted)
        assert lease.tokens == wanted[: before + gained]
        assert not gained or len(lease) < len(wanted), "the last token is left"

    @rule(lease=leases, length=st.integers(0, 12))
    def truncate(self, lease: Lease, length: int) -> None:
        lease.truncate(length)

    @precondition(lambda self: len(self.held) < N_SEQUENCES)
    @rule(target=leases, lease=leases, length=st.none() | st.integers(0, 12))
    def fork(self, lease: Lease, length: int | None) -> Lease:
        length = None if length is None else min(length, len(lease))
        other = lease.fork(length)
        assert other.tokens == lease.tokens[:length]
        self.held.append(other)
        return other

    @rule(lease=consumes(leases), keep=st.booleans())
    def release(self, lease: Lease, keep: bool) -> None:
        lease.release(keep=keep)
        lease.release(keep=not keep)  # twice is once
        self.held.remove(lease)

    @rule(n_cells=st.integers(0, N_CELLS))
    def make_room(self, n_cells: int) -> None:
        room = self.cache.room()
        assert self.cache.make_room(n_cells) == (n_cells <= room)

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        assert self.cache.idle_sequences == 0
        assert self.cache.idle_tokens == 0

    @invariant()
    def every_lease_has_its_cells(self) -> None:
        for lease in self.held:
            assert self.cells.tokens(lease.sequence) == lease.tokens

    @invariant()
    def the_books_never_count_too_little(self) -> None:
        assert len(self.cells.cells) <= self.cache.used <= N_CELLS or self.held

    @invariant()
    def what_is_kept_is_there(self) -> None:
        for sequence, tokens in self.cache.hottest(1000):
            assert self.cells.tokens(sequence) == tokens
            assert self.cache.match(tokens) == len(tokens)

    def teardown(self) -> None:
        for lease in self.held:
            lease.release()
        self.cache.clear()
        assert self.cells.cells == [], "a cell that nobody knows of"
        assert self.cache.used == 0


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_what_a_cut_sequence_leaves_to_its_forks_is_counted() -> None:
    cells = Cells()
    cache = PrefixCache(cells, N_CELLS, N_SEQUENCES)
    first = cache.acquire([1, 2, 3, 4])
    assert fill(cache, cells, first, [1, 2, 3, 4])
    second = first.fork()
    third = second.fork(3)
    first.truncate(1)
    assert cache.used == len(cells.cells) == 4
    second.truncate(0)
    assert cache.used >= len(cells.cells) == 3
    for lease in (first, second, third):
        lease.release(keep=False)
    assert cache.used == len(cells.cells) == 0


def test_of_several_forks_the_longest_counts_what_their_origin_leaves() -> None:
    cells = Cells()
    cache = PrefixCache(cells, N_CELLS, N_SEQUENCES)
    first = cache.acquire([1, 2, 3, 4])
    assert fill(cache, cells, first, [1, 2, 3, 4])
    forks = [first.fork(1), first.fork(3)]
    first.release(keep=False)
    assert cache.used == len(cells.cells) == 3
    forks[1].truncate(1)
    assert fill(cache, cells, forks[1], [1, 5, 6])
    assert cache.used >= len(cells.cells) == 3


def test_a_second_prompt_shares_the_longest_prefix() -> None:
    cells = Cells()
    cache = PrefixCache(cells, N_CELLS, N_SEQUENCES)
    for prompt in ([1, 2, 3, 4], [1, 2, 9]):
        lease = cache.acquire(prompt)
        assert fill(cache, cells, lease, prompt)
        lease.release()
    assert [len(cache.acquire(prompt)) for prompt in ([1, 2, 3, 4], [1, 2, 9, 9], [1, 2], [5])] == [3, 3, 1, 0]


def test_the_least_recently_used_tail_goes_first() -> None:
    cells = Cells()
    cache = PrefixCache(cells, N_CELLS, N_SEQUENCES)
    for first in (1, 2):
        lease = cache.acquire([first] * 18)
        assert fill(cache, cells, lease, [first] * 18)
        lease.release()
    assert cache.make_room(10)
    assert (cache.match([1] * 18), cache.match([2] * 18), cache.evicted_tokens) == (12, 18, 6)


def test_a_prompt_that_goes_on_where_another_ended_takes_its_sequence() -> None:
    cells = Cells()
    cache = PrefixCache(cells, N_CELLS, N_SEQUENCES)
    lease = cache.acquire([1, 2, 3])
    assert fill(cache, cells, lease, [1, 2, 3])
    lease.release()
    cache.acquire([1, 2, 3, 4])
    assert cache.idle_sequences == 0, "the older one has no cell of its own any more"


def test_a_state_that_cannot_be_cut_is_never_shared_or_cut_in_part() -> None:
    """Recurrent models: what is forgotten in part would be wrong without a sign of it."""
    cells = Cells()
    cache = PrefixCache(cells, N_CELLS, N_SEQUENCES, can_cut=False)
    lease = cache.acquire([1, 2, 3])
    assert fill(cache, cells, lease, [1, 2, 3])
    lease.publish()
    assert len(cache.acquire([1, 2, 3, 4])) == 0
    other = lease.fork()
    assert cells.tokens(other.sequence) == other.tokens == [1, 2, 3]
    other.truncate(2)
    assert cells.tokens(other.sequence) == other.tokens == []
    lease.undo()
    assert cells.tokens(lease.sequence) == lease.tokens == []
    lease.release()
    assert (cache.idle_sequences, cells.cells) == (0, [])


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_a_common_prefix_is_common_and_longest(left: list[int], right: list[int]) -> None:
    length = common_prefix(left, right)
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]
