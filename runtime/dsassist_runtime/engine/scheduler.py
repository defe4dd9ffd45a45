"""Whose tokens go into the next batch: continuous batching in classes.

The highest class that has work is served: somebody who types before somebody who chats, before a review, before what
has all day. A lower class keeps its sequences meanwhile and goes on where it was; where a higher one is never idle, it
still gets a tenth of the time (but for what has all day). Within a class every request that decodes is in every batch,
and prompts take turns, a chunk each. The chunks are small, since a request that arrives waits for the batch that runs.

Nothing here knows the model: jobs (`job.Job`) say what they want evaluated, the cache says what there is room for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from dsassist_runtime.api import PRIORITIES, Priority
from dsassist_runtime.engine.job import Job
from dsassist_runtime.engine.prefix_cache import PrefixCache
from dsassist_runtime.errors import DeadlineExceeded, Overloaded
from dsassist_runtime.llama.context import BatchToken, Context

__all__ = ["Batch", "Scheduler"]

# Tokens of a prompt in a batch. 64 evaluate nearly as fast as 512 (0.5B on two cores: 135 and 143 tokens/s), and it is
# the longest that a completion can wait for a review. What is idle is broken off at every keystroke: half as much is
# lost, for a fifteenth of the speed.
_CHUNK: dict[Priority, int] = {"interactive": 128, "chat": 128, "review": 64, "idle": 32}
# Where experts are streamed, a batch of 64 tokens reads nearly all that one of 256 does: what counts is how many
# batches a prompt has.
_CHUNK_STREAMED: dict[Priority, int] = {"interactive": 256, "chat": 256, "review": 128, "idle": 64}
_CHUNK_BESIDE_DECODING = 64  # a stream that is being read must not stall for long
_LARGEST_QUEUE: dict[Priority, int] = {"interactive": 64, "chat": 128, "review": 256, "idle": 256}
_TOGETHER_S = 0.2
_COMPANY_CELLS = 2048
_STARVED_S = 2.0
_LEAST_SHARE = 0.1  # of the time, for a class that is always behind others


@dataclass
class Batch:
    """Tokens of one class, with the jobs that they belong to."""

    priority: Priority
    parts: list[tuple[Job, list[BatchToken]]] = field(default_factory=list)

    @property
    def context(self) -> Context:
        """Where they are evaluated: only a request that is alone in its batch has a context of its own."""
        return self.parts[0][0].context

    @property
    def decoding_tokens(self) -> int:
        """Those that are the next one of a text, guesses included."""
        return sum(len(tokens) for job, tokens in self.parts if job.decoding)

    @property
    def tokens(self) -> list[BatchToken]:
        """All tokens, in the order of the jobs."""
        return [token for _job, tokens in self.parts for token in tokens]

    def __len__(self) -> int:
        return sum(len(tokens) for _job, tokens in self.parts)


class _Class:
    """The requests of one priority."""

    def __init__(self, priority: Priority) -> None:
        self.priority = priority
        self.waiting: deque[Job] = deque()
        self.running: deque[Job] = deque()  # whose turn is next stands first
        self.served_at = 0.0
        self.took_s = 0.0  # its last batch, and what was done around it

    def __iter__(self) -> Iterator[Job]:
        yield from self.running
        yield from self.waiting

    def __bool__(self) -> bool:
        return bool(self.running or self.waiting)


class Scheduler:
    """Owns the queues. `jobs` of one class are admitted in the order of their arrival, at most `max_running` in all."""

    def __init__(
        self, cache: PrefixCache, *, n_batch: int, n_outputs: int, max_sequences: int, is_streamed: bool = False
    ) -> None:
        """`n_outputs`: how many logits a batch can have. `max_sequences`: how many sequences jobs may hold together."""
        self._cache = cache
        self._chunk = _CHUNK_STREAMED if is_streamed else _CHUNK
        self._n_batch = n_batch
        self._n_outputs = n_outputs
        self._max_sequences = max_sequences
        self._classes = {priority: _Class(priority) for priority in PRIORITIES}
        self._last: Priority | None = None
        self._serving: _Class | None = None
        self.preemptions = 0

    def jobs(self) -> Iterator[Job]:
        """All requests that are not finished, the most urgent class first."""
        for queue in self._classes.values():
            yield from queue

    def submit(self, job: Job) -> None:
        """Queue a request; `Overloaded` when too many of its class wait."""
        queue = self._classes[job.ticket.priority]
        limit = _LARGEST_QUEUE[job.ticket.priority]
        if len(queue.waiting) >= limit:
            raise Overloaded(f"{limit} requests of the class {queue.priority!r} wait already; ask again in a moment")
        queue.waiting.append(job)

    def forget_finished(self) -> None:
        """Take what is finished off the queues."""
        for queue in self._classes.values():
            for jobs in (queue.running, queue.waiting):
                if any(job.finished for job in jobs):
                    rest = [job for job in jobs if not job.finished]
                    jobs.clear()
                    jobs.extend(rest)

    def expire(self, now: float) -> None:
        """End the requests whose time is up."""
        for job in self.jobs():
            if job.ticket.expired(now):
                if job.begun:
                    job.end("deadline")
                else:
                    job.fail(DeadlineExceeded("the request's time was up before its answer was begun"))
        self.forget_finished()

    def next_deadline(self) -> float | None:
        """When `expire` has something to do next."""
        return min((job.ticket.deadline for job in self.jobs() if job.ticket.deadline is not None), default=None)

    def next_batch(self, now: float) -> Batch | None:
        """What to evaluate next, None when there is nothing to do."""
        self.forget_finished()
        if self._serving is not None:
            self._serving.took_s, self._serving = now - self._serving.served_at, None
        for queue in self._by_urgency(now):
            self._admit(queue)
            if not queue.running:
                continue  # no room: what holds the cells is of a higher class, or of this one and goes on
            batch = self._compose(queue)
            if batch.parts:
                queue.served_at, self._serving = now, queue
                self._note_preemption(queue.priority)
                return batch
        return None

    def _by_urgency(self, now: float) -> list[_Class]:
        busy = [queue for queue in self._classes.values() if queue]
        for queue in busy:
            if not queue.served_at:
                queue.served_at = now
        starved = [
            queue
            for queue in busy[1:]
            if queue.priority != "idle" and now - queue.served_at > max(_STARVED_S, queue.took_s / _LEAST_SHARE)
        ]
        for queue in self._classes.values():
            if not queue:
                queue.served_at = 0.0
        return starved[:1] + [queue for queue in busy if queue not in starved[:1]]

    def _note_preemption(self, priority: Priority) -> None:
        if self._last is not None and PRIORITIES.index(priority) < PRIORITIES.index(self._last):
            self.preemptions += bool(self._classes[self._last].running)
        self._last = priority

    def _admit(self, queue: _Class) -> None:
        while queue.waiting:
            job = queue.waiting[0]
            if not self._make_room_for(job, queue):
                return
            queue.waiting.popleft()
            try:
                job.start()
            except Exception as error:
                job.fail(error)
            if not job.finished:  # it may have had nothing to evaluate
                queue.running.append(job)

    def _make_room_for(self, job: Job, queue: _Class) -> bool:
        """Are there cells and sequences for `job`? Lower classes give theirs up for it, the least urgent first."""
        while True:
            running = [other for other in self.jobs() if other.running]
            held = sum(other.sequences_wanted() for other in running)
            promised = sum(other.cells_wanted() for other in running)
            # Of those that want batches of their own, one runs at a time: they share a cache, and its order counts.
            in_the_way = [other for other in running if job.exclusive and other.exclusive]
            fits = job.cells_wanted() + promised <= self._cache.room()
            fits = fits and held + job.sequences_wanted() <= self._max_sequences
            if fits and not in_the_way:
                return True
            victim = self._victim(queue, in_the_way if fits else [o for o in running if o.sequences_wanted()])
            if victim is not None:
                self._suspend(victim)
            elif in_the_way or not self._cache.give_up_one():
                return not in_the_way and not held  # what is alone gets all there is

    def _victim(self, below: _Class, helpful: list[Job]) -> Job | None:
        """The last request of the least urgent class below, of those that it would help to suspend."""
        for priority in reversed(PRIORITIES):
            if priority == below.priority:
                return None
            if found := next((job for job in reversed(self._classes[priority].running) if job in helpful), None):
                return found
        return None

    def _suspend(self, job: Job) -> None:
        queue = self._classes[job.ticket.priority]
        queue.running.remove(job)
        job.suspend()
        queue.waiting.appendleft(job)

    def _compose(self, queue: _Class) -> Batch:
        batch = Batch(queue.priority)
        if queue.running[0].exclusive:
            self._add(batch, queue.running[0], self._n_batch, alone=True)
            queue.running.rotate(-1)
            return batch
        shared = [job for job in queue.running if not job.exclusive]
        waiting_for = self._company(shared) if queue.priority != "interactive" else None
        decoding = [
            job
            for job in shared
            if job.decoding and (waiting_for is None or job.ticket.arrived < waiting_for - _TOGETHER_S)
        ]
        alone = len(shared) == 1
        outputs = self._n_outputs
        for job in decoding:
            if job.sequences_wanted() <= outputs:
                outputs -= self._add(batch, job, outputs, alone=alone)
        chunk = _CHUNK_BESIDE_DECODING if batch.parts else self._chunk[queue.priority]
        room = min(chunk, self._n_batch - len(batch))
        for job in shared:  # a prompt that ends within its chunk leaves room for the next one
            if not job.decoding and room > 0 and outputs > 0:
                room -= self._add(batch, job, room, alone=alone)
                outputs -= 1
        served = {id(job) for job, _tokens in batch.parts}
        queue.running = deque(sorted(queue.running, key=lambda job: id(job) in served))  # the others go first next time
        return batch

    def _company(self, shared: list[Job]) -> float | None:
        """Since when requests wait whose prompts are to be read before texts that came with them go on.

        Texts that begin together end together: else the last ones are written in small batches, where a token costs
        more (eight texts of Qwen2.5-Coder-0.5B at once: a tenth of the speed).
        """
        prompts = [job for job in shared if not job.decoding and not job.begun]
        few = sum(job.cells_wanted() for job in prompts) <= _COMPANY_CELLS
        return min(job.ticket.arrived for job in prompts) if prompts and few else None

    def _add(self, batch: Batch, job: Job, room: int, *, alone: bool) -> int:
        tokens = job.propose(room, alone=alone)
        if tokens:
            batch.parts.append((job, tokens))
        return len(tokens)

    def relieve(self, batch: Batch) -> bool:
        """The batch found no free cell: suspend the last job that is in the way. False when there is none but its own.

        The least urgent class gives way first, and in the batch's own class the request that came last.
        """
        for priority in reversed(PRIORITIES):
            queue = self._classes[priority]
            if len(queue.running) > (1 if priority == batch.priority else 0):
                self._suspend(max(queue.running, key=lambda job: job.ticket.arrived))
                return True
            if priority == batch.priority:
                break
        others = any(queue.running for queue in self._classes.values() if queue.priority != batch.priority)
        if others:  # of a higher class: this one waits for them
            self._suspend(self._classes[batch.priority].running[0])
        return others
