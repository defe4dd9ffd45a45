"""A batch after the other: the scheduler composes it, llama.cpp evaluates it, each job takes what is its own.

An exception of a job ends that job and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Protocol

from dsassist_runtime.api import Priority
from dsassist_runtime.engine.interruption import Interruption
from dsassist_runtime.engine.job import Job
from dsassist_runtime.engine.meter import Meter
from dsassist_runtime.engine.prefix_cache import PrefixCache
from dsassist_runtime.engine.scheduler import Batch, Scheduler
from dsassist_runtime.engine.speculation import Speculation
from dsassist_runtime.engine.threads import ThreadPolicy
from dsassist_runtime.engine.writing import Writing
from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.context import Aborted, BatchToken, Context, NoRoom

__all__ = ["DecodeLoop"]

_BURST_S = 0.03
_BURST_ROUNDS = 32
_DECODING_TOKENS = 16  # a batch of at most so many counts as decoding, when threads are chosen


class _FollowsThreads(Protocol):
    """What uses as many threads as the loop: a draft model."""

    def set_threads(self, n_threads: int) -> None:
        """From the next batch on."""


class _Storage(Protocol):
    """Where weights come from that are not in memory."""

    @property
    def waited_s(self) -> float:
        """How long decoding has waited for them."""

    def before(self, context: Context, priority: Priority, n_tokens: int, *, is_text: bool) -> None:
        """A batch is evaluated next; `NotDone` where it cannot be."""

    def failed(self, error: Exception) -> None:
        """It could not be."""


class DecodeLoop:
    """Evaluates what the scheduler asks for. `before_long_batch` is called when a batch will take its time."""

    def __init__(
        self,
        context: Context,
        cache: PrefixCache,
        scheduler: Scheduler,
        interruption: Interruption,
        speculation: Speculation,
        meter: Meter,
        *,
        n_threads: int,
        followers: Iterable[_FollowsThreads],
        before_long_batch: Callable[[], None],
        storage: _Storage | None = None,
    ) -> None:
        self.is_quiet: Callable[[], bool] = lambda: True  # whether nothing has arrived that somebody must look at
        self._context = context
        self._cache = cache
        self._scheduler = scheduler
        self._interruption = interruption
        self._speculation = speculation
        self._meter = meter
        self._followers = tuple(followers)
        self._before_long_batch = before_long_batch
        self._storage = storage
        self._n_threads = n_threads
        self._policy = ThreadPolicy(n_threads)
        self._is_fresh = True

    @property
    def n_threads(self) -> int:
        """What texts are written with at present."""
        return self._policy.n_threads

    def step(self) -> Batch | None:
        """Evaluate one batch, and the next tokens of its texts; None when there is nothing to do."""
        now = time.perf_counter()
        self._scheduler.expire(now)
        batch = self._scheduler.next_batch(now)
        if batch is None:
            self._is_fresh = True
            return None
        try:
            if self._has_room(batch) and self._evaluate(batch):
                self._advance(batch)
                if batch.decoding_tokens:
                    self._go_on(batch)
        except NotDone as error:  # llama.cpp refused the batch, nothing is left that could give way, or a disk failed
            if self._storage is not None:
                self._storage.failed(error)
            for job, _tokens in batch.parts:
                job.undo()
                job.fail(error)
        return batch

    def _has_room(self, batch: Batch) -> bool:
        """Free the cells that the batch needs; False when somebody had to give way, and the next batch is another."""
        # A request with a KV cache of its own knows what fits there.
        if batch.context is not self._context or self._cache.make_room(len(batch)):
            return True
        self._relieve(batch)
        return False

    def _relieve(self, batch: Batch) -> None:
        for job, _tokens in batch.parts:
            job.undo()
        if not self._scheduler.relieve(batch):
            raise NotDone(
                f"the KV cache of {self._cache.n_cells} tokens is full; shorten the prompt or raise engine.n_ctx"
            )

    def _evaluate(self, batch: Batch) -> bool:
        """Let llama.cpp do it; False when it was broken off or had no room."""
        tokens = batch.tokens
        self._set_threads(batch.context, len(tokens))
        if len(tokens) > _DECODING_TOKENS:
            self._before_long_batch()
        started, waited_s = time.perf_counter(), self._waited_s
        self._meter.evaluated_tokens += len(tokens) - batch.decoding_tokens  # what is broken off is work too
        try:
            with self._interruption.evaluating(batch):
                self._decode(batch, tokens)
        except Aborted:
            for job, _tokens in batch.parts:
                job.undo()
            return False
        except NoRoom:
            self._relieve(batch)
            return False
        elapsed_ms = 1000 * (time.perf_counter() - started)
        self._observe(batch, len(tokens), batch.decoding_tokens, elapsed_ms, 1000 * (self._waited_s - waited_s))
        return True

    def _decode(self, batch: Batch, tokens: list[BatchToken]) -> None:
        if self._storage is not None:
            is_text = all(job.decoding for job, _tokens in batch.parts)
            self._storage.before(batch.context, batch.priority, len(tokens), is_text=is_text)
        batch.context.decode(tokens)

    @property
    def _waited_s(self) -> float:
        return 0.0 if self._storage is None else self._storage.waited_s

    def _set_threads(self, context: Context, n_tokens: int) -> None:
        # A prompt's batches are too long and too few to try anything with: they take all, unless texts found the cores
        # in other hands.
        is_text = n_tokens <= _DECODING_TOKENS
        n_threads = self._policy.n_threads if is_text or self._policy.is_crowded else self._n_threads
        if n_threads != context.n_threads:
            context.set_threads(n_threads)
            for follower in self._followers:
                follower.set_threads(n_threads)

    def _advance(self, batch: Batch) -> None:
        first = 0
        for job, own in batch.parts:
            with _failing(job):
                job.advance(first)
            first += len(own)

    def _go_on(self, batch: Batch) -> None:
        """Evaluate the next tokens of the same texts at once, until there is enough to show or something else to do.

        Around each token the scheduler, the text and the messages cost 0.3 ms, a seventh of the builtin model's time
        for it; nobody reads faster than what is shown every `_BURST_S`.
        """
        jobs = [job for job, _tokens in batch.parts if isinstance(job, Writing) and job.decoding and not job.finished]
        n_texts = sum(job.sequences_wanted() for job in jobs)
        if len(jobs) != len(batch.parts) or not self._cache.make_room(n_texts * _BURST_ROUNDS):
            return
        started, waited_s = time.perf_counter(), self._waited_s
        rounds = n_tokens = 0
        try:
            with self._interruption.evaluating(batch):
                while rounds < _BURST_ROUNDS and self.is_quiet() and time.perf_counter() - started < _BURST_S:
                    if not (n_tokens := self._go_on_once(batch, jobs)):
                        break
                    rounds += 1
        except (Aborted, NoRoom):
            for job in jobs:
                job.forget_unknown()
        for job in jobs:
            with _failing(job):
                job.settle()
        if rounds and n_tokens:
            elapsed_ms = 1000 * (time.perf_counter() - started) / rounds
            self._observe(batch, n_tokens, n_tokens, elapsed_ms, 1000 * (self._waited_s - waited_s) / rounds)

    def _go_on_once(self, batch: Batch, jobs: list[Writing]) -> int:
        """One more token for every text; how many that were, 0 when something else must be decided first."""
        parts = [job.more(alone=len(jobs) == 1) for job in jobs]
        if not all(parts):
            return 0
        tokens = [token for own in parts for token in own]
        self._decode(batch, tokens)
        first = 0
        failed = False
        for job, own in zip(jobs, parts, strict=True):
            with _failing(job):
                job.took(first)
            failed = failed or job.finished
            first += len(own)
        return 0 if failed else len(tokens)

    def _observe(self, batch: Batch, n_tokens: int, n_decoding: int, elapsed_ms: float, waited_ms: float) -> None:
        if batch.context is not self._context:
            return
        if self._is_fresh:  # the threads slept, and had to be woken: that says nothing of the next batch
            self._is_fresh = False
            return
        if n_tokens <= _DECODING_TOKENS:
            # How long a disk took says nothing of the threads.
            self._policy.observe(n_tokens, batch.context.n_threads, elapsed_ms - waited_ms)
        self._meter.batch(n_tokens, n_decoding, elapsed_ms)
        if len(batch.parts) == 1 and n_decoding:
            job = batch.parts[0][0]
            if isinstance(job, Writing) and job.replaying:
                self._speculation.replayed(elapsed_ms)
            else:
                self._speculation.observe(n_tokens, elapsed_ms)


@contextmanager
def _failing(job: Job) -> Iterator[None]:
    try:
        yield
    except (Aborted, NoRoom):
        raise
    except Exception as error:
        job.fail(error)
