"""The HTTP application: our own clients' requests over the Unix socket, a stream of JSON lines each.

    POST /engine/infill   {"engine": EngineSettings, "request": InfillRequest}
    POST /engine/score    {"engine": EngineSettings, "request": ScoreRequest}
    POST /engine/facts    {"engine": EngineSettings}
    GET  /health          version, process ids, the loaded model, seconds idle
    POST /shutdown        leave; requests in flight end with an error that says so

Each request names the client's version; another than ours is answered with 409, and the client starts a server of its
own after asking this one to leave. An answer's lines are the engine's events (see `engine.process`), always ended by a
final one; an error is an event as well, so that it can come in the middle of a stream. A client that closes its
connection cancels its request.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
import traceback
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from dsassist_runtime.api import EngineSettings, InfillRequest, ScoreRequest
from dsassist_runtime.errors import DsassistError, NotDone, RequestRefused, error_to_wire
from dsassist_runtime.server.supervisor import EngineSupervisor
from dsassist_runtime.version import VERSION_HEADER, __version__
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["Activity", "create_app", "create_server"]


class Activity:
    """Counts the requests in flight and the time since the last one, for the idle time-out."""

    def __init__(self) -> None:
        self._in_flight = 0
        self._last = time.monotonic()

    def __enter__(self) -> None:
        self._in_flight += 1

    def __exit__(self, *_exception: object) -> None:
        self._in_flight -= 1
        self._last = time.monotonic()

    @property
    def idle_s(self) -> float:
        """Seconds without any request."""
        return 0.0 if self._in_flight else time.monotonic() - self._last


class _Server(uvicorn.Server):
    """Ends the engine first when it is told to leave, so that every request in flight gets its final event."""

    def __init__(self, config: uvicorn.Config, supervisor: EngineSupervisor) -> None:
        super().__init__(config)
        self._supervisor = supervisor

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        await self._supervisor.leave()
        await super().shutdown(sockets)


def create_server(supervisor: EngineSupervisor, activity: Activity) -> uvicorn.Server:
    """The HTTP server, to be run by `serve(sockets=[...])`; `should_exit` makes it leave."""
    config = uvicorn.Config(
        create_app(supervisor, activity, lambda: setattr(server, "should_exit", True)),
        log_config=None,
        access_log=False,
        ws="none",
        loop="asyncio",
        http="h11",
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, supervisor)
    return server


def create_app(supervisor: EngineSupervisor, activity: Activity, shut_down: Callable[[], None]) -> Starlette:
    """The application; `shut_down` asks the process to end."""

    async def engine_answer(request: Request, op: str, kind: type[Any]) -> Response:
        body = await _body(request)
        settings, checked = _settings(body), from_wire(kind, body.get("request"))
        return EventsResponse(activity, supervisor.run(settings, op, to_wire(checked)))

    async def infill(request: Request) -> Response:
        return await engine_answer(request, "infill", InfillRequest)

    async def score(request: Request) -> Response:
        return await engine_answer(request, "score", ScoreRequest)

    async def facts(request: Request) -> Response:
        return EventsResponse(activity, supervisor.load(_settings(await _body(request))))

    async def health(_request: Request) -> Response:
        return JSONResponse(
            {
                "status": "ok",
                "version": __version__,
                "pid": os.getpid(),
                "engine_pid": supervisor.pid,
                "model": supervisor.facts,
                "idle_s": round(activity.idle_s, 1),
            }
        )

    async def shutdown(_request: Request) -> Response:
        shut_down()
        return JSONResponse({"status": "stopping"})

    return Starlette(
        routes=[
            Route("/engine/infill", infill, methods=["POST"]),
            Route("/engine/score", score, methods=["POST"]),
            Route("/engine/facts", facts, methods=["POST"]),
            Route("/health", health),
            Route("/shutdown", shutdown, methods=["POST"]),
        ],
        exception_handlers={DsassistError: _refuse},
    )


class EventsResponse(StreamingResponse):
    """Sends events as JSON lines.

    A task of its own takes them from the engine, so that a client that does not read holds up nobody; they are at most
    as many as a context has tokens. When the response ends, for whatever reason, so does the task, and with it the
    request.
    """

    def __init__(self, activity: Activity, events: AsyncGenerator[dict[str, Any]]) -> None:
        super().__init__(self._lines(), media_type="application/x-ndjson")
        self._activity = activity
        self._events = events
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        task = asyncio.create_task(self._collect())
        try:
            await super().__call__(scope, receive, send)
        finally:
            task.cancel()
            _cancelled.add(task)  # the event loop itself keeps only a weak reference
            task.add_done_callback(_cancelled.discard)

    async def _collect(self) -> None:
        with self._activity:
            try:
                async with aclosing(self._events):
                    async for event in self._events:
                        self._queue.put_nowait(_line(event))
            except DsassistError as error:
                self._queue.put_nowait(_line({"event": "error", "error": error_to_wire(error)}))
            except Exception as error:
                traceback.print_exc()
                message = f"internal error in the server ({error!r}); its log has more"
                self._queue.put_nowait(_line({"event": "error", "error": error_to_wire(NotDone(message))}))
            finally:
                self._queue.put_nowait(None)

    async def _lines(self) -> AsyncIterator[bytes]:
        while (line := await self._queue.get()) is not None:
            yield line


_cancelled: set[asyncio.Task[None]] = set()


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


async def _body(request: Request) -> dict[str, Any]:
    if (theirs := request.headers.get(VERSION_HEADER, __version__)) != __version__:
        text = f"this server is of version {__version__}, not {theirs}"
        raise HTTPException(HTTPStatus.CONFLICT, text, headers={VERSION_HEADER: __version__})
    try:
        body = json.loads(await request.body())
    except ValueError as error:
        raise RequestRefused(f"the body is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise RequestRefused("the body must be a JSON object")
    return body


def _settings(body: dict[str, Any]) -> EngineSettings:
    return from_wire(EngineSettings, body.get("engine"), "engine")


async def _refuse(_request: Request, error: Exception) -> Response:
    return JSONResponse({"event": "error", "error": error_to_wire(error)}, status_code=400)
