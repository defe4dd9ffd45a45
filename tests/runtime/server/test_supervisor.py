"""The supervisor with real engine processes: many requests at once, one model after the other, death, leaving."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from dsassist_runtime.api import EngineSettings, InfillRequest
from dsassist_runtime.errors import DeadlineExceeded, EngineDied, Overloaded, ServerUnavailable
from dsassist_runtime.server.supervisor import EngineSupervisor
from dsassist_runtime.wire import to_wire
from frozen import frozen

pytestmark = pytest.mark.slow  # whole servers

SHORT = to_wire(InfillRequest("def add(a, b):\n    return ", "\n", max_tokens=4))
LONG = to_wire(InfillRequest("x = [1, ", "", max_tokens=700, ignore_eos=True))


@pytest.fixture
def settings(builtin_model: Path) -> EngineSettings:
    return EngineSettings(builtin_model, n_threads=1)


@pytest.fixture
def other(builtin_model: Path, tmp_path: Path) -> EngineSettings:
    copy = tmp_path / "copy.gguf"
    copy.symlink_to(builtin_model)
    return EngineSettings(copy, n_threads=1)


def supervised(
    work: Callable[[EngineSupervisor], Coroutine[Any, Any, None]],
    settings: EngineSettings | None = None,
    **more: Any,
) -> None:
    async def run() -> None:
        supervisor = EngineSupervisor(settings, **more)
        try:
            await work(supervisor)
        finally:
            await supervisor.stop()

    asyncio.run(asyncio.wait_for(run(), 60))


async def ask(supervisor: EngineSupervisor, settings: EngineSettings, request: Any, told: list[str], name: str) -> str:
    """The last event; notes the first piece of text and the end."""
    last = ""
    async with aclosing(supervisor.run(settings, "infill", request)) as events:
        async for event in events:
            if event["event"] != last and event["event"] in ("text", "end", "error"):
                told.append(f"{name} {event['event']}")
            last = event["event"]
    return last


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.005)


def test_requests_for_one_model_are_in_flight_together(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        await asyncio.gather(*(ask(supervisor, settings, LONG, told, name) for name in "abc"))
        assert set(told[:3]) == {"a text", "b text", "c text"}, "each has begun before one has ended"
        assert set(told[3:]) == {"a end", "b end", "c end"}

    supervised(work)


def test_another_model_waits_for_the_requests_before_it_and_goes_before_those_behind_it(
    settings: EngineSettings, other: EngineSettings
) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        tasks = [asyncio.create_task(ask(supervisor, settings, LONG, told, "first"))]
        await until(lambda: told)
        for name, model in [("swap", other), ("back", settings), ("along", other)]:
            tasks.append(asyncio.create_task(ask(supervisor, model, SHORT, told, name)))
            await asyncio.sleep(0)
        assert supervisor.n_waiting == 3
        await asyncio.gather(*tasks)
        ends = [line.split()[0] for line in told if line.endswith("end")]
        assert ends[0] == "first"
        assert set(ends[1:3]) == {"swap", "along"}, "what waits for the same model goes along"
        assert ends[3] == "back"

    supervised(work, settings)


def test_one_that_gives_up_waiting_lets_the_others_pass(settings: EngineSettings, other: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        first = asyncio.create_task(ask(supervisor, settings, LONG, told, "first"))
        await until(lambda: told)
        swap = asyncio.create_task(ask(supervisor, other, SHORT, told, "swap"))
        await until(lambda: supervisor.n_waiting == 1)
        behind = asyncio.create_task(ask(supervisor, settings, SHORT, told, "behind"))
        await until(lambda: supervisor.n_waiting == 2)
        swap.cancel()
        await behind
        assert "behind end" in told
        assert not first.done(), "it did not have to wait for the first one any more"
        first.cancel()
        await until(lambda: supervisor.n_inside == 0)

    supervised(work, settings)


def test_the_wait_for_another_models_turn_counts_as_the_requests_time(
    settings: EngineSettings, other: EngineSettings
) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        long = asyncio.create_task(ask(supervisor, settings, LONG, told, "long"))
        await until(lambda: told)
        assert supervisor.pid is not None
        with frozen(supervisor.pid):
            with pytest.raises(DeadlineExceeded, match="deadline_ms were over before the model was loaded"):
                await ask(supervisor, other, {**SHORT, "deadline_ms": 50.0}, told, "late")
            assert supervisor.n_waiting == 0
        await long
        await ask(supervisor, other, {**SHORT, "deadline_ms": 60_000.0}, told, "in time")
        assert told[-1] == "in time end"
        assert supervisor.n_inside == 0

    supervised(work, settings)


def test_the_loading_of_a_model_counts_as_the_requests_time(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        assert supervisor.pid is not None
        with frozen(supervisor.pid), pytest.raises(DeadlineExceeded):
            await ask(supervisor, settings, {**SHORT, "deadline_ms": 50.0}, [], "late")
        assert supervisor.n_inside == 0
        assert await ask(supervisor, settings, SHORT, [], "next") == "end"

    supervised(work, settings)


def test_a_cancelled_request_ends_in_the_engine_and_holds_nothing(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        for _ in range(5):
            async with aclosing(supervisor.run(settings, "infill", LONG)) as events:
                async for event in events:
                    if event["event"] == "text":
                        break
        await until(lambda: supervisor.n_inside == 0)
        status = await supervisor.ask("status", {}, 5.0)
        assert status is not None
        assert status["value"]["requests"] == []
        assert await ask(supervisor, settings, SHORT, [], "after") == "end"

    supervised(work)


def test_more_requests_than_the_limit_are_refused_at_once(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        first = asyncio.create_task(ask(supervisor, settings, LONG, told, "first"))
        await until(lambda: told)
        with pytest.raises(Overloaded, match="1 requests are being served or wait already; ask again later"):
            await ask(supervisor, settings, SHORT, told, "second")
        first.cancel()
        await until(lambda: supervisor.n_inside == 0)
        assert await ask(supervisor, settings, SHORT, told, "third") == "end"

    supervised(work, settings, request_limit=1)


def test_a_dead_engine_ends_what_it_had_begun_and_asks_again_for_what_it_had_not(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        begun = [asyncio.create_task(ask(supervisor, settings, LONG, told, name)) for name in "ab"]
        await until(lambda: len(told) == 2)
        pid = supervisor.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        fresh = asyncio.create_task(ask(supervisor, settings, SHORT, told, "fresh"))
        await until(lambda: supervisor.n_inside == 3)
        os.kill(pid, signal.SIGKILL)
        for error in await asyncio.gather(*begun, return_exceptions=True):
            assert isinstance(error, EngineDied)
            assert "was killed by SIGKILL" in str(error)
        assert await fresh == "end"
        assert supervisor.pid != pid

    supervised(work, settings)


def test_a_dead_engine_is_not_said_to_hold_a_model(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        await ask(supervisor, settings, SHORT, [], "one")
        assert supervisor.facts is not None
        assert supervisor.pid is not None
        os.kill(supervisor.pid, signal.SIGKILL)
        await until(lambda: supervisor.facts is None)
        assert supervisor.pid is None

    supervised(work)


def test_leaving_ends_running_and_waiting_requests_with_words(settings: EngineSettings, other: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        told: list[str] = []
        running = asyncio.create_task(ask(supervisor, settings, LONG, told, "running"))
        await until(lambda: told)
        waiting = asyncio.create_task(ask(supervisor, other, SHORT, told, "waiting"))
        await until(lambda: supervisor.n_waiting == 1)
        await supervisor.leave()
        assert await running == "error"
        with pytest.raises(ServerUnavailable, match="was told to leave"):
            await waiting
        with pytest.raises(ServerUnavailable, match="was told to leave"):
            await ask(supervisor, settings, SHORT, told, "late")
        assert supervisor.pid is None

    supervised(work, settings)


def test_leaving_before_the_event_loop_ever_met_the_engine_ends_it(settings: EngineSettings) -> None:
    pids: list[int] = []

    async def work(supervisor: EngineSupervisor) -> None:
        assert supervisor.pid is not None
        pids.append(supervisor.pid)
        await supervisor.leave()

    supervised(work, settings)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_an_observer_of_a_frozen_engine_does_not_kill_it(settings: EngineSettings) -> None:
    async def work(supervisor: EngineSupervisor) -> None:
        await ask(supervisor, settings, SHORT, [], "one")
        pid = supervisor.pid
        assert pid is not None
        with frozen(pid):
            assert await supervisor.ask("status", {}, 0.1) is None
        assert await ask(supervisor, settings, SHORT, [], "two") == "end"
        assert supervisor.pid == pid

    supervised(work)
