"""Whose tokens go into the next batch, decided without a model."""

from __future__ import annotations

from typing import Any

import pytest

from dsassist_runtime.api import PRIORITIES, FinishReason, Priority, SequenceStatus
from dsassist_runtime.engine.job import Ticket
from dsassist_runtime.engine.prefix_cache import Lease, PrefixCache
from dsassist_runtime.engine.scheduler import Scheduler
from dsassist_runtime.errors import Overloaded
from dsassist_runtime.llama.context import BatchToken


class NoCells:
    """Bookkeeping alone."""

    def forget(self, sequence: int, start: int = 0, end: int = -1) -> None: ...

    def share(self, source: int, target: int, start: int, end: int) -> None: ...


class Reading:
    """A job with a prompt of so many tokens and a text of so many behind it."""

    context: Any = None

    def __init__(self, cache: PrefixCache, name: int, priority: Priority, prompt: int, text: int = 0) -> None:
        self.ticket = Ticket(name, priority, lambda _event: None, float(name))
        self.exclusive = False
        self.finished = False
        self.suspensions = 0
        self._cache = cache
        self._todo = list(range(1000 * name, 1000 * name + prompt + text))
        self._prompt = prompt
        self._lease: Lease | None = None
        self._proposed: list[int] = []

    @property
    def running(self) -> bool:
        return self._lease is not None

    @property
    def begun(self) -> bool:
        return self.decoding

    @property
    def evaluated(self) -> int:
        return len(self._lease) if self._lease else 0

    @property
    def decoding(self) -> bool:
        return self.evaluated >= self._prompt

    def cells_wanted(self) -> int:
        return len(self._todo) - self.evaluated

    def sequences_wanted(self) -> int:
        return 1

    def start(self) -> None:
        self._lease = self._cache.acquire(self._todo)

    def suspend(self) -> None:
        assert self._lease is not None
        self._lease.release()
        self._lease = None
        self.suspensions += 1

    def propose(self, room: int, *, alone: bool) -> list[BatchToken]:
        assert self._lease is not None
        start = len(self._lease)
        self._proposed = self._todo[start : start + (1 if self.decoding else min(room, self._prompt - start))]
        return [BatchToken(token, start + i, self._lease.sequence, False) for i, token in enumerate(self._proposed)]

    def advance(self, first: int) -> None:
        assert self._lease is not None
        assert self._cache.make_room(len(self._proposed))
        self._lease.extend(self._proposed)
        if len(self._lease) == len(self._todo):
            self.end("stop")

    def undo(self) -> None: ...

    def end(self, reason: FinishReason) -> None:
        if self._lease is not None:
            self._lease.release()
            self._lease = None
        self.finished = True

    def fail(self, error: Exception) -> None:
        raise error

    def status(self, now: float) -> SequenceStatus:
        raise AssertionError


class Desk:
    """A scheduler, its cache, and a clock."""

    def __init__(self, n_cells: int = 10_000) -> None:
        self.cache = PrefixCache(NoCells(), n_cells, 16)
        self.scheduler = Scheduler(self.cache, n_batch=256, n_outputs=8, max_sequences=12)
        self.now = 100.0
        self._names = iter(range(1, 1000))

    def ask(self, priority: Priority, prompt: int, text: int = 0) -> Reading:
        job = Reading(self.cache, next(self._names), priority, prompt, text)
        self.scheduler.submit(job)
        return job

    def step(self, seconds: float = 0.01) -> dict[int, int]:
        """Tokens of each job in the next batch."""
        batch = self.scheduler.next_batch(self.now)
        self.now += seconds
        if batch is None:
            return {}
        for job, _tokens in batch.parts:
            job.advance(0)
        return {job.ticket.request: len(tokens) for job, tokens in batch.parts}


def test_classes_are_served_in_their_order() -> None:
    desk = Desk()
    jobs = [desk.ask(priority, 10) for priority in reversed(PRIORITIES)]
    assert [list(desk.step()) for _ in jobs] == [[job.ticket.request] for job in reversed(jobs)]


def test_a_review_reads_its_prompt_in_small_batches() -> None:
    desk = Desk()
    review = desk.ask("review", 200)
    assert [desk.step()[review.ticket.request] for _ in range(4)] == [64, 64, 64, 8]


def test_a_review_is_interrupted_and_goes_on_where_it_was() -> None:
    desk = Desk()
    review = desk.ask("review", 200)
    desk.step()
    completion = desk.ask("interactive", 30, text=2)
    assert [list(desk.step()) for _ in range(3)] == [[completion.ticket.request]] * 3
    assert (review.evaluated, review.suspensions, desk.scheduler.preemptions) == (64, 0, 1)
    assert desk.step() == {review.ticket.request: 64}


def test_a_class_is_not_starved_for_ever() -> None:
    desk = Desk()
    review = desk.ask("review", 64 * 5)
    desk.ask("interactive", 1, text=900)
    served = [review.ticket.request in desk.step(seconds=0.1) for _ in range(100)]
    assert 3 <= sum(served) <= 6, "ten seconds of typing, a batch each two of them"


def test_what_waits_behind_others_gets_a_tenth_of_the_time_at_most() -> None:
    """Its batches may be long: a prompt's chunk takes a second where a token takes 30 ms."""
    desk = Desk()
    review = desk.ask("review", 64 * 50)
    desk.ask("chat", 1, text=5000)
    spent = {"review": 0.0, "chat": 0.0}
    for _ in range(3000):
        took = 1.0 if review.ticket.request in desk.step(seconds=0.0) else 0.03
        desk.now += took
        spent["review" if took == 1.0 else "chat"] += took
    assert 0.05 < spent["review"] / spent["chat"] < 0.12


def test_what_has_all_day_waits_for_everybody() -> None:
    desk = Desk()
    idle = desk.ask("idle", 64)
    desk.ask("review", 64 * 40)
    for _ in range(40):
        assert idle.ticket.request not in desk.step(seconds=1.0)


def test_texts_are_written_side_by_side_and_prompts_take_turns() -> None:
    desk = Desk()
    writing = desk.ask("chat", 1, text=50)
    desk.step()
    first, second = desk.ask("chat", 500), desk.ask("chat", 500)
    batches = [desk.step() for _ in range(6)]
    assert all(batch[writing.ticket.request] == 1 for batch in batches), "a text that is being read does not stall"
    assert all(sum(batch.values()) <= 65 for batch in batches)
    assert abs(first.evaluated - second.evaluated) <= 64


def test_texts_that_were_asked_for_together_go_on_together() -> None:
    desk = Desk()
    jobs = [desk.ask("chat", 100, text=20) for _ in range(4)]
    for job in jobs:
        job.ticket.arrived = 7.0
    batches = [desk.step() for _ in range(24)]
    reading = [batch for batch in batches if max(batch.values()) > 1]
    assert [sum(batch.values()) for batch in reading] == [128, 128, 128, 16]
    assert all(len(batch) == 4 for batch in batches[4:]), "all four texts in every batch"
    assert all(job.finished for job in jobs)


def test_a_short_prompt_shares_a_batch_with_a_long_one() -> None:
    desk = Desk()
    desk.ask("chat", 20)
    desk.ask("chat", 500)
    assert sorted(desk.step().values()) == [20, 108]


def test_no_more_texts_in_a_batch_than_it_has_logits_for() -> None:
    desk = Desk()
    jobs = [desk.ask("chat", 1, text=40) for _ in range(12)]
    for _ in range(200):
        batch = desk.step()
        assert len(batch) <= 8
    assert all(job.finished for job in jobs)


def test_a_request_waits_for_cells_of_its_own_class() -> None:
    desk = Desk(n_cells=300)
    first, second = desk.ask("chat", 200), desk.ask("chat", 200)
    desk.step()
    assert (first.running, second.running) == (True, False)
    for _ in range(10):
        desk.step()
    assert (first.finished, second.finished) == (True, True)


def test_a_lower_class_gives_its_cells_to_a_higher_one() -> None:
    desk = Desk(n_cells=300)
    review = desk.ask("review", 200)
    desk.step()
    completion = desk.ask("interactive", 200)
    desk.step()
    assert (review.running, review.suspensions, completion.running) == (False, 1, True)
    for _ in range(12):
        desk.step()
    assert review.finished


def test_one_that_wants_more_than_there_is_gets_all_there_is() -> None:
    desk = Desk(n_cells=100)
    job = desk.ask("chat", 90, text=60)
    desk.step()
    assert job.running


def test_a_full_queue_is_said() -> None:
    desk = Desk()
    for _ in range(64):
        desk.ask("interactive", 1)
    with pytest.raises(Overloaded, match="64 requests of the class 'interactive' wait already"):
        desk.ask("interactive", 1)
