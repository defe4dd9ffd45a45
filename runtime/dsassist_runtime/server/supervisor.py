"""The server's side of the engine: starts it, passes one request at a time, notices its death, swaps the model.

States of the process: none -> loading -> ready -> (dead or stopped) -> none. A request finds the engine that it needs
or waits until it is loaded; when the engine dies, the request in flight gets `EngineDied` and the next one starts
another.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Any

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import EngineDied, ServerUnavailable, error_from_wire
from dsassist_runtime.wire import to_wire

__all__ = ["EngineSupervisor", "spawn_engine"]

_FINAL = {"end", "scores", "error", "cancelled"}
_CANCEL_PATIENCE_S = 5.0  # an engine that does not end a cancelled request by then is killed
_LINE_LIMIT_BYTES = 64 << 20


def spawn_engine(settings: EngineSettings) -> subprocess.Popen[bytes]:
    """Start an engine process; its log goes where this process' standard error goes."""
    return subprocess.Popen(
        [sys.executable, "-m", "dsassist_runtime.engine.process", json.dumps(to_wire(settings))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Before the library loads: see `llama.library`.
        env={**os.environ, "OMP_WAIT_POLICY": os.environ.get("OMP_WAIT_POLICY", "passive")},
        # With `-m` the working directory is searched first: the server may stand in a repository with a `queue.py` of
        # its own.
        cwd="/",
        # A Ctrl-C in the server's terminal is the server's to handle.
        start_new_session=True,
    )


class EngineSupervisor:
    """Owns at most one engine process. All methods run in the event loop's thread."""

    def __init__(self, settings: EngineSettings | None = None) -> None:
        """With `settings` the engine starts loading at once, before the event loop runs."""
        self._settings = settings
        self._process = spawn_engine(settings) if settings else None
        self._reader: asyncio.StreamReader | None = None
        self._transport: asyncio.ReadTransport | None = None
        self._facts: dict[str, Any] | None = None
        self._turn = asyncio.Lock()
        self._leaving = False
        self._ids = itertools.count(1)

    @property
    def facts(self) -> dict[str, Any] | None:
        """The loaded model's facts, or None while nothing is loaded."""
        return self._facts

    @property
    def pid(self) -> int | None:
        """The engine's process id, or None."""
        return self._process.pid if self._process else None

    async def load(self, settings: EngineSettings) -> AsyncGenerator[dict[str, Any]]:
        """Have the engine ready for `settings`; yields its `loading` events, then one `ready` with the facts."""
        async with self._turn:
            async with aclosing(self._ensure(settings)) as events:
                async for event in events:
                    yield event
            yield {"event": "ready", "facts": self._facts}

    async def run(self, settings: EngineSettings, op: str, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        """Pass a request on and yield its events, the final one last. Closing the iterator cancels the request.

        An engine that dies before it answered anything, maybe while it was idle, is replaced and asked again, once.
        """
        async with self._turn:
            for attempt in (1, 2):
                answered = False
                try:
                    async with aclosing(self._ask(settings, op, request)) as events:
                        async for event in events:
                            answered = answered or event["event"] != "loading"
                            yield event
                    return
                except EngineDied:
                    if answered or attempt == 2:
                        raise

    async def _ask(self, settings: EngineSettings, op: str, request: dict[str, Any]) -> AsyncGenerator[dict[str, Any]]:
        async with aclosing(self._ensure(settings)) as events:
            async for event in events:
                yield event
        request_id = next(self._ids)
        finished = False
        try:
            self._send(id=request_id, op=op, request=request)
            while not finished:
                event = await self._receive()
                if event.get("id") == request_id:
                    finished = event["event"] in _FINAL
                    yield event
        finally:
            if not finished and self._process is not None:
                await self._cancel(request_id)

    async def leave(self) -> None:
        """End the engine for good: requests in flight and in waiting end with an error that says so."""
        self._leaving = True
        await self.stop()

    async def stop(self) -> None:
        """End the engine process, if there is one, and wait for it."""
        process, self._process, self._reader, self._facts = self._process, None, None, None
        if process is None:
            return
        process.kill()  # it holds nothing that needs saving, and a decode may run for long
        if process.stdin is not None:
            with suppress(OSError):
                process.stdin.close()
        # The transport owns the read end. Closing the file under it would leave its number in the event loop's books,
        # and the next engine's pipe, which gets the same number, would never be heard.
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.close()
        elif process.stdout is not None:
            process.stdout.close()
        await asyncio.to_thread(process.wait)

    async def _ensure(self, settings: EngineSettings) -> AsyncGenerator[dict[str, Any]]:
        if self._leaving:
            raise _leaving_error()
        if self._process is not None and (settings != self._settings or self._process.poll() is not None):
            await self.stop()
        if self._process is None:
            self._settings, self._process = settings, spawn_engine(settings)
        if self._reader is None:
            await self._connect(self._process)
        while self._facts is None:
            event = await self._receive()
            if event["event"] == "failed":
                await self.stop()
                raise error_from_wire(event["error"])
            if event["event"] == "ready":
                self._facts = event["facts"]
            else:
                yield event

    async def _connect(self, process: subprocess.Popen[bytes]) -> None:
        reader = asyncio.StreamReader(limit=_LINE_LIMIT_BYTES)
        try:
            self._transport, _ = await asyncio.get_running_loop().connect_read_pipe(
                lambda: asyncio.StreamReaderProtocol(reader), process.stdout
            )
        except BaseException:  # a cancel above all: a pipe that is half connected serves nobody
            await self.stop()
            raise
        self._reader = reader

    def _send(self, **message: Any) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(message).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # it died just now: `_receive` meets the end of its output and says so

    async def _receive(self) -> dict[str, Any]:
        assert self._reader is not None
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            if self._leaving:
                raise _leaving_error()
            raise await self._died()
        message: dict[str, Any] = json.loads(line)
        return message

    async def _cancel(self, request_id: int) -> None:
        self._send(id=request_id, op="cancel")
        with suppress(EngineDied, ServerUnavailable):
            try:
                await asyncio.wait_for(self._drain(request_id), _CANCEL_PATIENCE_S)
            except asyncio.TimeoutError:
                await self.stop()

    async def _drain(self, request_id: int) -> None:
        while True:
            event = await self._receive()
            if event.get("id") == request_id and event["event"] in _FINAL:
                return

    async def _died(self) -> EngineDied:
        process = self._process
        assert process is not None
        with suppress(subprocess.TimeoutExpired):  # its output ends a moment before it does
            await asyncio.to_thread(process.wait, 1.0)
        await self.stop()
        code = process.returncode
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
        return EngineDied(f"the engine process {how} while it worked on this request; the next request starts another")


def _leaving_error() -> ServerUnavailable:
    return ServerUnavailable("the dsassist server was told to leave in the middle of this request; ask again")
