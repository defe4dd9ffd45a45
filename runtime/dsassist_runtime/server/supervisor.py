"""The server's side of the engine: which model is loaded, who may ask it now, and what happens when it dies.

    one model      requests go to the engine at once, any number together: the engine has the scheduler
    another model  waits until the requests of the present one have ended; who comes later, for whichever model, queues
                   behind it. When its turn comes, all that wait for the same model go along.

An engine that dies ends its requests with `EngineDied`; those that had no answer yet are asked again, once, of the next
engine, so that a death in idleness is noticed by nobody.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import DeadlineExceeded, EngineDied, Overloaded, ServerUnavailable, error_from_wire
from dsassist_runtime.server.engine_process import EngineCall, EngineProcess

__all__ = ["EngineSupervisor"]

_REQUEST_LIMIT = 256
_SAVE_PATIENCE_S = 3.0


@dataclass(frozen=True)
class _Waiting:
    settings: EngineSettings
    turn: asyncio.Future[None]


class EngineSupervisor:
    """Owns at most one engine process. All methods run in the event loop's thread."""

    def __init__(self, settings: EngineSettings | None = None, *, request_limit: int = _REQUEST_LIMIT) -> None:
        """With `settings` the engine starts loading at once, before the event loop runs."""
        self._engine = EngineProcess(settings) if settings else None
        self._request_limit = request_limit
        self._present: EngineSettings | None = None
        self._inside = 0  # requests for `_present` that have not ended
        self._line: deque[_Waiting] = deque()
        self._stopping: set[asyncio.Task[None]] = set()
        self._leaving = False

    @property
    def facts(self) -> dict[str, Any] | None:
        """The loaded model's facts, or None while nothing is loaded."""
        return self._engine.facts if self._engine and not self._engine.ended else None

    @property
    def settings(self) -> EngineSettings | None:
        """What the engine holds or loads, or None when there is none."""
        return self._engine.settings if self._engine and not self._engine.ended else None

    @property
    def pid(self) -> int | None:
        """The engine's process id, or None."""
        return self._engine.pid if self._engine and not self._engine.ended else None

    @property
    def failure(self) -> str:
        """Why the engine that was there last has no model, if it said so; empty while one serves."""
        return self._engine.failure if self._engine else ""

    @property
    def n_waiting(self) -> int:
        """Requests that wait for another model's turn."""
        return len(self._line)

    @property
    def n_inside(self) -> int:
        """Requests that the engine has, or gets when it is loaded."""
        return self._inside

    async def load(self, settings: EngineSettings) -> AsyncGenerator[dict[str, Any]]:
        """Have the engine ready for `settings`; yields its `loading` events, then one `ready` with the facts."""
        await self._enter(settings)
        try:
            engine = self._engine_for(settings)
            async with aclosing(engine.loaded()) as events:
                async for event in events:
                    yield event
            yield {"event": "ready", "facts": engine.facts}
        finally:
            self._release()

    async def run(self, settings: EngineSettings, op: str, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Pass a request on and yield its events, the final one last. Closing the iterator cancels the request.

        Raises `Overloaded`, `ServerUnavailable` while the server leaves, `EngineDied`, and why a model does not load;
        `DeadlineExceeded` when the request's `deadline_ms` are over before the engine has it.
        """
        limit_ms = request.get("deadline_ms")
        deadline = asyncio.get_running_loop().time() + limit_ms / 1000 if limit_ms else None
        for attempt in (1, 2):
            answered = False
            try:
                async with aclosing(self._attempt(settings, op, request, deadline)) as events:
                    async for event in events:
                        answered = answered or event["event"] != "loading"
                        yield event
                return
            except EngineDied:
                if answered or attempt == 2:
                    raise

    async def ask(self, op: str, request: dict[str, Any], limit_s: float) -> dict[str, Any] | None:
        """The final event of a request to the engine that is there; None when there is none, or no answer in time."""
        if self.facts is None:
            return None
        assert self._engine is not None
        call = self._engine.begin(op, request, lambda: None)
        try:
            event = await asyncio.wait_for(call.final(), limit_s)
        except asyncio.TimeoutError:
            return None
        return None if event["event"] == "error" else event

    async def leave(self) -> None:
        """End the engine for good: requests in flight and in waiting end with an error that says so.

        What the engine has evaluated it saves for the next one, if it can within three seconds.
        """
        self._leaving = True
        for waiting in self._line:
            if not waiting.turn.done():
                waiting.turn.set_exception(_leaving_error())
        self._line.clear()
        if self._engine is not None:
            self._engine.refuse_all(_leaving_error())
            await self.ask("save", {}, _SAVE_PATIENCE_S)
        await self.stop()

    async def stop(self) -> None:
        """End the engine process, if there is one, and wait for it."""
        engine, self._engine = self._engine, None
        if engine is not None:
            await engine.stop()
        await asyncio.gather(*self._stopping)

    async def _attempt(
        self, settings: EngineSettings, op: str, request: dict[str, Any], deadline: float | None
    ) -> AsyncGenerator[dict[str, Any]]:
        await self._enter(settings, deadline)
        call: EngineCall | None = None
        try:
            engine = self._engine_for(settings)
            async with aclosing(engine.loaded(deadline)) as loading:
                async for event in loading:
                    yield event
            if deadline is not None:
                left_s = deadline - asyncio.get_running_loop().time()
                if left_s <= 0:
                    raise _late_error()
                request = {**request, "deadline_ms": 1000 * left_s}
            call = engine.begin(op, request, self._release)
        finally:
            if call is None:
                self._release()
        async with aclosing(call.events()) as events:
            async for event in events:
                if event["event"] == "died":
                    raise error_from_wire(event["error"])
                yield event

    def _engine_for(self, settings: EngineSettings) -> EngineProcess:
        """The engine that holds `settings`, maybe a new one; only for who is inside with these settings."""
        if self._leaving:
            raise _leaving_error()
        engine = self._engine
        if engine is None or engine.ended or engine.settings != settings:
            if engine is not None:
                engine.kill()
                stopping = asyncio.create_task(engine.stop())
                self._stopping.add(stopping)
                stopping.add_done_callback(self._stopping.discard)
            engine = self._engine = EngineProcess(settings)
        return engine

    async def _enter(self, settings: EngineSettings, deadline: float | None = None) -> None:
        if self._leaving:
            raise _leaving_error()
        if self._inside + len(self._line) >= self._request_limit:
            raise Overloaded(f"{self._request_limit} requests are being served or wait already; ask again later")
        if not self._line and (not self._inside or settings == self._present):
            self._present = settings
            self._inside += 1
            return
        loop = asyncio.get_running_loop()
        waiting = _Waiting(settings, loop.create_future())
        self._line.append(waiting)
        timer = None if deadline is None else loop.call_at(deadline, self._give_up, waiting)
        try:
            await waiting.turn
        except asyncio.CancelledError:
            if waiting in self._line:
                self._line.remove(waiting)
                self._advance()
            elif not waiting.turn.cancelled() and waiting.turn.exception() is None:
                self._release()
            raise
        finally:
            if timer is not None:
                timer.cancel()

    def _give_up(self, waiting: _Waiting) -> None:
        if waiting in self._line:
            self._line.remove(waiting)
            if not waiting.turn.done():
                waiting.turn.set_exception(_late_error())
            self._advance()

    def _release(self) -> None:
        self._inside -= 1
        self._advance()

    def _advance(self) -> None:
        if not self._line or (self._inside and self._line[0].settings != self._present):
            return
        self._present = self._line[0].settings
        for waiting in [waiting for waiting in self._line if waiting.settings == self._present]:
            self._line.remove(waiting)
            if not waiting.turn.done():  # else it was cancelled a moment ago
                self._inside += 1
                waiting.turn.set_result(None)


def _late_error() -> DeadlineExceeded:
    return DeadlineExceeded("deadline_ms were over before the model was loaded; ask again with more time")


def _leaving_error() -> ServerUnavailable:
    return ServerUnavailable("the dsassist server was told to leave in the middle of this request; ask again")
