"""One engine process as the server sees it: it loads one model, takes requests in any number, and ends at last.

Knows the protocol of `engine.process` and nothing of HTTP. What the engine writes is taken apart in the event loop as
it comes, and put into a queue for each request, so a client that does not read holds up nobody.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import signal
import subprocess
import sys
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import DsassistError, EngineDied, ModelInvalid, error_from_wire, error_to_wire
from dsassist_runtime.llama.library import COMPILE_ANEW
from dsassist_runtime.wire import to_wire

__all__ = ["FINAL_EVENTS", "EngineCall", "EngineProcess", "spawn_engine"]

FINAL_EVENTS = frozenset(("end", "scores", "tokens", "content", "status", "saved", "error", "cancelled"))
# An engine that does not note a cancel by then, or does not end the request, is killed. A batch of a large model on a
# busy machine may take many seconds.
_NOTE_PATIENCE_S, _END_PATIENCE_S = 5.0, 120.0
_EXIT_PATIENCE_S = 1.0


def spawn_engine(settings: EngineSettings) -> subprocess.Popen[bytes]:
    """Start an engine process; its log goes where this process' standard error goes."""
    return subprocess.Popen(
        [sys.executable, "-m", "dsassist_runtime.engine.process", json.dumps(to_wire(settings))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # With `-m` the working directory is searched first: the server may stand in a repository with a `queue.py` of
        # its own.
        cwd="/",
        # A Ctrl-C in the server's terminal is the server's to handle.
        start_new_session=True,
    )


class EngineCall:
    """A request that the engine has; its events wait here until they are read, the final one last."""

    def __init__(self, engine: EngineProcess, request_id: int, on_end: Callable[[], None]) -> None:
        self._engine = engine
        self._queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._on_end = on_end
        self._unread = True
        self._patience: asyncio.TimerHandle | None = None
        self.request_id = request_id
        self.ended = False

    async def events(self) -> AsyncGenerator[dict[str, Any]]:
        """All events, to be read once. Closing the iterator before the final one cancels the request."""
        try:
            while True:
                event = await self._queue.get()
                yield event
                if event["event"] in FINAL_EVENTS:
                    return
        finally:
            self.cancel()

    async def final(self) -> dict[str, Any]:
        """The final event; whoever stops waiting for it lets the request go on."""
        while (event := await self._queue.get())["event"] not in FINAL_EVENTS:
            pass
        return event

    def cancel(self) -> None:
        """Have the engine stop, and drop what it still writes; nothing to do when it has ended."""
        self._unread = False
        if not self.ended and self._patience is None:
            self._engine.send(id=self.request_id, op="cancel")
            self._wait_for(_NOTE_PATIENCE_S)

    def _wait_for(self, seconds: float) -> None:
        if self._patience is not None:
            self._patience.cancel()
        self._patience = asyncio.get_running_loop().call_later(seconds, self._engine.kill)

    def refuse(self, error: DsassistError) -> None:
        """End it with an error of the server's own, and have the engine stop."""
        if self._unread:
            self._queue.put_nowait({"event": "error", "error": error_to_wire(error)})
        self.cancel()

    def deliver(self, event: dict[str, Any]) -> None:
        """An event has come from the engine."""
        if event["event"] == "noted":
            self._wait_for(_END_PATIENCE_S)
            return
        if self._unread:
            self._queue.put_nowait(event)
        if event["event"] in FINAL_EVENTS:
            self.ended = True
            if self._patience is not None:
                self._patience.cancel()
            self._on_end()


class EngineProcess:
    """Owns a process and its pipes. The constructor needs no event loop; all else runs in its thread.

    States: loading -> ready (`facts` are there) -> ended (`error` says why); an engine may end while it loads.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self.settings = settings
        self.facts: dict[str, Any] | None = None
        self._process = spawn_engine(settings)
        self._calls: dict[int, EngineCall] = {}
        self._ids = itertools.count(1)
        self._loaded_share: float | None = None
        self._error: dict[str, str] | None = None
        self._changed = asyncio.Event()
        self._connecting: asyncio.Task[None] | None = None
        self._reaping: asyncio.Task[None] | None = None
        self._input: asyncio.WriteTransport | None = None
        self._output: asyncio.ReadTransport | None = None

    @property
    def pid(self) -> int:
        """The process' id."""
        return self._process.pid

    @property
    def ended(self) -> bool:
        """Whether it serves no more; an engine that was never connected may have died unnoticed."""
        return self._error is not None or (self._output is None and self._process.poll() is not None)

    @property
    def failure(self) -> str:
        """What the engine itself said of the model when it ended, such as that its file changed; empty for all else."""
        if self._error is None or self._error["type"] == EngineDied.__name__:
            return ""
        return self._error["message"]

    async def loaded(self, deadline: float | None = None) -> AsyncGenerator[dict[str, Any]]:
        """Wait for the model, with its `loading` events, at most until `deadline`; raises why it was not loaded."""
        if self._connecting is None:
            self._connecting = asyncio.create_task(self._connect())
        # One that waits and gives up must not break the connection for the others.
        await asyncio.shield(self._connecting)
        told: float | None = None
        loop = asyncio.get_running_loop()
        # A moment behind it, when the look at the clock below finds it past.
        timer = None if deadline is None else loop.call_at(deadline + 0.001, self._wake)
        try:
            while self.facts is None:
                if self._error is not None:
                    raise error_from_wire(self._error)
                if deadline is not None and loop.time() >= deadline:
                    return
                if self._loaded_share != told:
                    told = self._loaded_share
                    yield {"event": "loading", "progress": told}
                else:
                    await self._changed.wait()
        finally:
            if timer is not None:
                timer.cancel()

    def begin(self, op: str, request: dict[str, Any], on_end: Callable[[], None]) -> EngineCall:
        """Pass a request on; `on_end` is called once, when the engine has ended it or has died itself."""
        call = EngineCall(self, next(self._ids), on_end)
        if self._error is not None:
            call.deliver({"event": "died", "error": self._error})
            call.deliver({"event": "error", "error": self._error})
            return call
        self._calls[call.request_id] = call
        self.send(id=call.request_id, op=op, request=request)
        return call

    def send(self, **message: Any) -> None:
        """Write a message; an engine that does not read makes nobody wait."""
        if self._input is not None:
            self._input.write(json.dumps(message, separators=(",", ":")).encode() + b"\n")

    def refuse_all(self, error: DsassistError) -> None:
        """End every request with this error, and have the engine stop working on them."""
        for call in list(self._calls.values()):
            call.refuse(error)

    def kill(self) -> None:
        """End the process now; requests end with `EngineDied` when it is gone."""
        self._process.kill()

    async def stop(self) -> None:
        """End the process, and wait until it is gone."""
        self.kill()
        if self._connecting is not None:
            with suppress(OSError):
                await asyncio.shield(self._connecting)
        if self._output is not None:
            self._output_ended()
        if self._reaping is not None:
            await asyncio.shield(self._reaping)
        else:  # it was never connected
            await asyncio.to_thread(self._process.wait)
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        lines = _Lines(self._line, self._output_ended)
        self._output, _ = await loop.connect_read_pipe(lambda: lines, self._process.stdout)
        self._input, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)

    def _line(self, line: bytes) -> None:
        event = json.loads(line)
        request_id = event.get("id")
        if request_id is not None:
            self._event(request_id, event)
        elif event["event"] == "failed":
            self._error = event["error"]
            self._wake()
        else:
            if event["event"] == "ready":
                self.facts = event["facts"]
            else:
                self._loaded_share = event["progress"]
            self._wake()

    def _event(self, request_id: int, event: dict[str, Any]) -> None:
        call = self._calls.get(request_id)
        if call is None:
            return
        if event["event"] in FINAL_EVENTS:
            del self._calls[request_id]
        call.deliver(event)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def _output_ended(self) -> None:
        if self._reaping is None:
            self._reaping = asyncio.create_task(self._reap())

    async def _reap(self) -> None:
        try:
            await asyncio.to_thread(self._process.wait, _EXIT_PATIENCE_S)  # its output ends a moment before it does
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        # The transports own the pipes. Closing a file under them would leave its number in the event loop's books, and
        # the next engine's pipe, which gets the same number, would never be heard.
        for transport in (self._input, self._output):
            if transport is not None:
                transport.close()
        if self._error is None:
            self._error = error_to_wire(_died(self._process.returncode, self.settings.model_path))
        self.facts = None
        self._wake()
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.deliver({"event": "died", "error": self._error})
            call.deliver({"event": "error", "error": self._error})


class _Lines(asyncio.Protocol):
    """Cuts what comes into lines. A protocol and not a stream, which would wake a task for each token."""

    def __init__(self, on_line: Callable[[bytes], None], on_end: Callable[[], None]) -> None:
        self._on_line = on_line
        self._on_end = on_end
        self._rest = bytearray()

    def data_received(self, data: bytes) -> None:
        self._rest += data
        if b"\n" not in data:
            return
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            try:
                self._on_line(bytes(line))
            except Exception:  # an event that one request cannot take must not make the server deaf for the others
                traceback.print_exc()

    def connection_lost(self, _error: Exception | None) -> None:
        self._on_end()


def _died(code: int, model: Path) -> DsassistError:
    if code == -signal.SIGBUS:  # a page of a mapped file that is not there
        return ModelInvalid(
            f"{model} could not be read while it was in use, which ended the engine process (SIGBUS): it was cut short,"
            " or the disk failed; put the whole file back, or pull the model again"
        )
    if code == -signal.SIGILL:
        return EngineDied(
            "the engine process was killed by SIGILL: llama.cpp was compiled for another processor, or by a compiler"
            f" that breaks AMX; compile it anew: {COMPILE_ANEW}"
        )
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    return EngineDied(f"the engine process {how} while it worked on this request; the next request starts another")
