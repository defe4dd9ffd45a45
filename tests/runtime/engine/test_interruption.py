"""Which batch is broken off for whom: with real jobs of the builtin model, and the flag that llama.cpp looks at."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import pytest

from asked import Asked, finish
from dsassist_runtime.api import CompletionRequest, InfillRequest, Priority, Sampling
from dsassist_runtime.engine.interruption import Interruption
from dsassist_runtime.engine.local import LocalEngine, Request
from dsassist_runtime.engine.scheduler import Batch
from dsassist_runtime.llama.context import Aborted, AbortFlag
from streamed_engine import KINDS, kind_of_engine

LONG = "def f():\n    return 1\n" * 60
TYPED = InfillRequest(LONG, "\n", max_tokens=4, sampling=Sampling(temperature=0.0), document="a.py")
WARM = replace(TYPED, max_tokens=0, priority="idle")
ALL: tuple[Priority, ...] = ("interactive", "chat", "review", "idle")


@pytest.fixture(scope="module", params=KINDS)
def shared_engine(request: pytest.FixtureRequest) -> Iterator[LocalEngine]:
    with kind_of_engine(request.param) as engine:
        yield engine


@pytest.fixture
def engine(shared_engine: LocalEngine) -> Iterator[LocalEngine]:
    shared_engine.forget_everything()
    yield shared_engine
    for job in list(shared_engine._scheduler.jobs()):
        job.end("cancelled")
    finish(shared_engine)
    shared_engine.watch(lambda: True)


class Watched:
    """A batch of one request's prompt that runs, and the flag."""

    def __init__(self, engine: LocalEngine, request: Request) -> None:
        self.asked = Asked(engine, request)
        job = engine._jobs[self.asked.id]
        self.flag = AbortFlag()
        self.interruption = Interruption(self.flag)
        job.start()
        self.batch = Batch(job.ticket.priority, [(job, job.propose(32, alone=True))])
        self._running = self.interruption.evaluating(self.batch)

    def __enter__(self) -> Watched:
        self._running.__enter__()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._running.__exit__(None, None, None)

    def is_broken_off_for(self, request: InfillRequest | CompletionRequest) -> bool:
        self.flag.clear()
        infill = request if isinstance(request, InfillRequest) else None
        self.interruption.arrived(10_000, request.priority, request.document, infill)
        return bool(self.flag)


@pytest.mark.parametrize("running", ALL)
@pytest.mark.parametrize("newer", ALL)
def test_a_batch_is_broken_off_for_who_is_more_urgent(engine: LocalEngine, running: Priority, newer: Priority) -> None:
    with Watched(engine, CompletionRequest(prompt=LONG, max_tokens=4, priority=running)) as watched:
        urgent = ALL.index(newer) < ALL.index(running)
        assert watched.is_broken_off_for(CompletionRequest(prompt="x", priority=newer)) == urgent


def test_a_warm_up_of_the_same_document_breaks_nothing_off(engine: LocalEngine) -> None:
    """It took the place of the completion that was being read: a batch was lost."""
    with Watched(engine, TYPED) as watched:
        assert not watched.is_broken_off_for(replace(WARM, prefix="something else"))


def test_what_the_next_keystroke_shares_is_read_to_its_end(engine: LocalEngine) -> None:
    with Watched(engine, TYPED) as watched:
        watched.interruption.cancelled(watched.asked.id)
        assert not watched.flag, "the next keystroke begins alike"
        assert not watched.is_broken_off_for(replace(TYPED, begun="\nx"))
        assert not watched.is_broken_off_for(replace(TYPED, prefix=LONG + "x"))


@pytest.mark.parametrize("change", [{"prefix": "else"}, {"suffix": "else"}])
def test_what_the_next_keystroke_does_not_share_is_broken_off(engine: LocalEngine, change: dict[str, str]) -> None:
    with Watched(engine, TYPED) as watched:
        assert watched.is_broken_off_for(replace(TYPED, **change))  # type: ignore[arg-type]


def test_what_was_cancelled_makes_way_for_anybody(engine: LocalEngine) -> None:
    with Watched(engine, TYPED) as watched:
        chat = CompletionRequest(prompt="x", priority="chat")
        assert not watched.is_broken_off_for(chat)
        watched.interruption.cancelled(watched.asked.id)
        assert watched.is_broken_off_for(chat)
        assert watched.is_broken_off_for(replace(TYPED, prefix="else", document="b.py"))


def test_without_a_document_a_cancel_ends_the_batch_at_once(engine: LocalEngine) -> None:
    with Watched(engine, replace(TYPED, document="")) as watched:
        watched.interruption.cancelled(watched.asked.id)
        assert watched.flag


@pytest.mark.parametrize(("priority", "again"), [("review", False), ("idle", True)])
def test_only_what_has_all_day_is_broken_off_twice(engine: LocalEngine, priority: Priority, again: bool) -> None:
    """A keystroke waited for the repeated batch of a warm-up, half a second on two slow cores."""
    watched = Watched(engine, replace(WARM, priority=priority))
    with contextlib.suppress(Aborted), watched.interruption.evaluating(watched.batch):
        assert watched.is_broken_off_for(TYPED)
        raise Aborted
    with watched:
        assert watched.is_broken_off_for(TYPED) == again


# -- what is kept


def test_what_an_interrupted_warm_up_has_read_is_kept(engine: LocalEngine) -> None:
    warm = Asked(engine, WARM)
    for _ in range(3):
        engine.step()
    (status,) = engine.status().requests
    read = status.evaluated_tokens
    assert read >= 64
    typed = Asked(engine, replace(TYPED, begun="\n    re"))
    while not typed.ends:
        engine.step()
    assert typed.end.cached_tokens >= read - 1
    assert not warm.ends, "it waits, and supersedes nothing nor is superseded"
    finish(engine)
    assert warm.end.finish_reason == "length"
    assert warm.end.cached_tokens >= warm.end.prompt_tokens - read - 3, "the completion has read the rest"


@pytest.mark.parametrize("reason", ["cancelled", "superseded"])
def test_what_a_warm_up_has_read_outlives_it(engine: LocalEngine, reason: str) -> None:
    warm = Asked(engine, WARM)
    for _ in range(3):
        engine.step()
    (status,) = engine.status().requests
    if reason == "cancelled":
        engine.cancel(warm.id)
    again = Asked(engine, WARM)
    assert warm.end.finish_reason == reason
    finish(engine)
    assert again.end.cached_tokens >= status.evaluated_tokens - 1 > 60


def test_a_warm_up_lets_a_text_that_was_cancelled_go_on(engine: LocalEngine) -> None:
    """Behind a keystroke an editor's server warms up: that ended the text that the next keystroke asks for."""
    request = InfillRequest("x = [1, ", "", max_tokens=60, sampling=Sampling(temperature=0.0), document="a.py")
    first = Asked(engine, request)
    engine.watch(lambda: False)  # a step is a token, however many the machine writes in a burst
    while len(first.text) < 4:
        engine.step()
    engine.cancel(first.id)
    warm = Asked(engine, replace(request, prefix=LONG, max_tokens=0, priority="idle"))
    engine.step()
    second = Asked(engine, replace(request, begun=first.text[:2]))
    finish(engine)
    assert second.end.adopted
    assert warm.end.finish_reason == "length"
