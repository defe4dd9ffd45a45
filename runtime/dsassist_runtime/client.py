"""The engine as everything above sees it: a client of the server on the Unix socket.

It uses the standard library's HTTP client, whose import takes 0.04 s where httpx takes 0.12 s: a completion of 32
tokens is to take 0.4 s in all. Each request has a connection of its own; closing it is what cancels the request.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from types import TracebackType
from typing import Any

from dsassist_runtime.api import (
    EditScore,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    ModelFacts,
    PromptRead,
    ScoreRequest,
    TextStream,
)
from dsassist_runtime.errors import DeadlineExceeded, ServerUnavailable, error_from_wire
from dsassist_runtime.launch import connect, log_path, server_is_up, try_connect
from dsassist_runtime.version import VERSION_HEADER, __version__
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["Client", "HttpTextStream", "server_health", "stop_server"]

OnLoading = Callable[[float], None]

_HEAD_LIMIT_S = 30.0
_STATUS_LIMIT_S = 5.0


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is connected already."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__("dsassist")
        self.sock: socket.socket = connected


class Client:
    """Implements `api.Engine` by asking the server, which is started when it does not run. Safe from any thread."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        idle_timeout_s: float = 900.0,
        start: bool = True,
        on_loading: OnLoading | None = None,
    ) -> None:
        """Nothing is contacted before the first request. `on_loading` gets the share of the model that is loaded."""
        self._settings = settings
        self._idle_timeout_s = idle_timeout_s
        self._start = start
        self._on_loading = on_loading

    def facts(self) -> ModelFacts:
        """What is known of the model, which is loaded if need be."""
        return from_wire(ModelFacts, self._post("/engine/facts", {}).last("ready")["facts"], "facts")

    def infill(self, request: InfillRequest) -> TextStream:
        """Fill in the middle, streamed. The request is sent at once; errors come here or while the text is read."""
        started = time.perf_counter()
        return HttpTextStream(self._post("/engine/infill", {"request": to_wire(request)}), started)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """Evaluate edits of a text, best ranked first; `DeadlineExceeded` after `timeout_s`, loading included."""
        started = time.monotonic()
        events = self._post("/engine/score", {"request": to_wire(request)}, timeout_s)
        watch = threading.Timer(max(0.0, timeout_s - (time.monotonic() - started)), events.close) if timeout_s else None
        if watch:
            watch.daemon = True
            watch.start()
        try:
            scores = events.last("scores")["value"]
        except ServerUnavailable as error:
            if events.closed:
                raise _no_answer(timeout_s or 0.0) from error
            raise
        finally:
            if watch:
                watch.cancel()
        return tuple(from_wire(EditScore, score, "score") for score in scores)

    def close(self) -> None:
        """Nothing is held between requests."""

    def _post(self, path: str, body: dict[str, Any], timeout_s: float | None = None) -> _Events:
        data = json.dumps({"engine": to_wire(self._settings), **body}).encode()
        headers = {"Content-Type": "application/json", VERSION_HEADER: __version__}
        for _attempt in range(3):
            connected = connect(self._settings, self._idle_timeout_s, start=self._start, limit_s=timeout_s)
            connection = _Connection(connected)
            # The head of the answer comes at once, whatever the engine does; the lines take as long as they take.
            connected.settimeout(timeout_s or _HEAD_LIMIT_S)
            try:
                connection.request("POST", path, data, headers)
                response = connection.getresponse()
            except TimeoutError as error:
                connection.close()
                raise _no_answer(timeout_s or _HEAD_LIMIT_S) from error
            except (OSError, http.client.HTTPException):
                connection.close()  # a server that is just leaving closes a new connection unanswered: ask the next one
                continue
            connected.settimeout(None)
            if response.status != HTTPStatus.CONFLICT:
                return _Events(connected, response, self._on_loading)
            connection.close()
            _make_room(response.getheader(VERSION_HEADER, ""))
        raise ServerUnavailable(f"the dsassist server closes every connection; see {log_path()}")


class _Events:
    """The lines of one answer, to be read once. An `error` event is raised; `close` cancels, from any thread."""

    def __init__(
        self, connected: socket.socket, response: http.client.HTTPResponse, on_loading: OnLoading | None
    ) -> None:
        self._socket = connected
        self._response = response
        self._on_loading = on_loading
        self._reading = False
        self.closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._reading = True
        try:
            while line := self._read_line():
                event = json.loads(line)
                if event["event"] == "error":
                    raise error_from_wire(event["error"])
                if event["event"] != "loading":
                    yield event
                elif self._on_loading:
                    self._on_loading(event["progress"])
        finally:
            self._reading = False
            self._release()

    def last(self, kind: str) -> dict[str, Any]:
        """The final event, which must be of this kind."""
        for event in self:
            if event["event"] == kind:
                return event
        raise ServerUnavailable("the dsassist server went away in the middle of its answer")

    def close(self) -> None:
        self.closed = True
        if self._reading:  # in another thread, which this wakes, and which then releases the connection
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)
        else:
            self._release()

    def _release(self) -> None:
        self._response.close()
        self._socket.close()

    def _read_line(self) -> bytes:
        if self.closed:
            return b""
        try:
            return self._response.readline()
        except (OSError, ValueError, http.client.HTTPException):
            return b""  # closed, by us or by a server that died: the caller knows which


class HttpTextStream:
    """Implements `api.TextStream`; the times in `end` are those that the client waited, not the engine's own."""

    def __init__(self, events: _Events, started: float) -> None:
        self._events = events
        self._started = started
        self._first_at: float | None = None
        self._prompt = PromptRead(0, 0)
        self._n_written = 0
        self._end: GenerationEnd | None = None

    @property
    def end(self) -> GenerationEnd | None:
        """The figures once the iteration is over; after a `close` those until then, as `cancelled`; before, None."""
        return self._end

    def __iter__(self) -> Iterator[str]:
        events = iter(self._events)
        for event in events:
            if event["event"] == "prompt":
                self._prompt = from_wire(PromptRead, event["value"])
            elif event["event"] == "text":
                self._first_at = self._first_at or time.perf_counter()
                self._n_written = event["value"]["completion_tokens"]
                yield event["value"]["text"]
            elif event["event"] == "end":
                self._end = self._with_client_times(from_wire(GenerationEnd, event["value"]))
                return
        if not self._events.closed:
            raise ServerUnavailable("the dsassist server went away in the middle of its answer")

    def close(self) -> None:
        """Stop the decode; a running iteration ends without an error."""
        if self._end is None:  # before the thread that reads wakes up and looks
            prompt = self._prompt
            figures = GenerationEnd("cancelled", prompt.prompt_tokens, prompt.cached_tokens, self._n_written, 0.0, 0.0)
            self._end = self._with_client_times(figures)
        self._events.close()

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _with_client_times(self, end: GenerationEnd) -> GenerationEnd:
        now = time.perf_counter()
        first_at = self._first_at or now
        return replace(end, ttft_ms=1000 * (first_at - self._started), total_ms=1000 * (now - self._started))


def _no_answer(waited_s: float) -> DeadlineExceeded:
    return DeadlineExceeded(f"no answer from the model within {waited_s:g} s")


def _make_room(version: str) -> None:
    """Let a server of another version leave, unless it is a newer one: then it is this process that is out of date."""
    if _as_numbers(version) > _as_numbers(__version__):
        raise ServerUnavailable(
            f"dsassist {version} is installed by now and this program is still {__version__}: start it again "
            "(in an editor: restart the language server)"
        )
    stop_server()


def _as_numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version))


def server_health() -> dict[str, Any] | None:
    """What the running server says of itself, or None when there is none."""
    answer = _ask("GET", "/health")
    return None if answer is None else json.loads(answer)


def stop_server(timeout_s: float = 10.0) -> bool:
    """Ask the server to leave and wait until it has; False when there was none."""
    if _ask("POST", "/shutdown") is None:
        return False
    deadline = time.monotonic() + timeout_s
    while server_is_up():
        if time.monotonic() > deadline:
            raise ServerUnavailable(f"the dsassist server does not leave; see {log_path()}")
        time.sleep(0.02)
    return True


def _ask(method: str, path: str) -> bytes | None:
    try:
        connected = try_connect()
        if connected is None:
            return None
        connected.settimeout(_STATUS_LIMIT_S)
        connection = _Connection(connected)
        try:
            connection.request(method, path)
            return connection.getresponse().read()
        finally:
            connection.close()
    except (OSError, http.client.HTTPException):
        return None
