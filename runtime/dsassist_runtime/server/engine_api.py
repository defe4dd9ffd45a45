"""Our own clients' requests over the Unix socket, each answered by a stream of JSON lines.

    POST /engine/infill          {"engine": EngineSettings, "request": InfillRequest}
    POST /engine/complete        {"engine": EngineSettings, "request": CompletionRequest}
    POST /engine/chat            {"engine": EngineSettings, "request": ChatRequest}
    POST /engine/score           {"engine": EngineSettings, "request": ScoreRequest}
    POST /engine/continuations   {"engine": EngineSettings, "request": ContinuationsRequest}
    POST /engine/facts           {"engine": EngineSettings}
    GET  /status                 {"server": {...}, "engine": EngineStatus | null, "model": ModelFacts | null}
    GET  /health                 the server's part of it
    POST /shutdown               leave; requests in flight end with an error that says so

Each request names the client's version; another than ours is answered with 409, and the client starts a server of its
own after asking this one to leave. An answer's lines are the engine's events (see `engine.process`), always ended by a
final one; an error is an event as well, so that it can come in the middle of a stream. A client that closes its
connection cancels its request.
"""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from dsassist_runtime.api import (
    ChatRequest,
    CompletionRequest,
    ContinuationsRequest,
    EngineSettings,
    InfillRequest,
    ScoreRequest,
)
from dsassist_runtime.errors import DsassistError, NotDone, error_to_wire
from dsassist_runtime.server.access import came_over_tcp
from dsassist_runtime.server.activity import Activity
from dsassist_runtime.server.fields import parse_object
from dsassist_runtime.server.request_log import record_of
from dsassist_runtime.server.service import Service
from dsassist_runtime.server.serving import Events, until_disconnect
from dsassist_runtime.version import VERSION_HEADER, __version__
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["EventsResponse", "engine_error", "routes"]

_REQUESTS: dict[str, type[Any]] = {
    "infill": InfillRequest,
    "complete": CompletionRequest,
    "chat": ChatRequest,
    "score": ScoreRequest,
    "continuations": ContinuationsRequest,
}


def routes(service: Service, shut_down: Callable[[], None]) -> list[Route]:
    """The endpoints; `shut_down` asks the process to end."""

    def endpoint(op: str, kind: type[Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> ASGIApp:
            body = await _body(request)
            settings, checked = _settings(service, body), from_wire(kind, body.get("request"))
            return EventsResponse(service.activity, service.run(request, settings, op, to_wire(checked)))

        return answer

    async def facts(request: Request) -> ASGIApp:
        settings = _settings(service, await _body(request))
        return EventsResponse(service.activity, service.supervisor.load(settings))

    async def health(request: Request) -> Response:
        # Over TCP anybody may ask, even where a key is set.
        return JSONResponse({"status": "ok"} if came_over_tcp(request.scope) else service.health())

    async def status(_request: Request) -> Response:
        engine = await service.engine_status()
        return JSONResponse({"server": service.health(), "engine": engine, "model": service.supervisor.facts})

    async def shutdown(_request: Request) -> Response:
        shut_down()
        return JSONResponse({"status": "stopping"})

    return [
        *(Route(f"/engine/{op}", endpoint(op, kind), methods=["POST"]) for op, kind in _REQUESTS.items()),
        Route("/engine/facts", facts, methods=["POST"]),
        Route("/health", health),
        Route("/v1/health", health),
        Route("/status", status),
        Route("/shutdown", shutdown, methods=["POST"]),
    ]


class EventsResponse:
    """Sends events as JSON lines; the head comes at once, whatever the engine does."""

    def __init__(self, activity: Activity, events: Events) -> None:
        self._activity = activity
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request until it is answered or its client is gone."""
        with self._activity:
            await until_disconnect(receive, self._serve(scope, send))

    async def _serve(self, scope: Scope, send: Send) -> None:
        record = record_of(scope)
        headers = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            async with aclosing(self._events) as events:
                async for event in events:
                    record.note(event)
                    await send({"type": "http.response.body", "body": _line(event), "more_body": True})
        except asyncio.CancelledError:
            record.finish_reason = "disconnected"
            raise
        except Exception as found:
            error = found
            if not isinstance(found, DsassistError):
                traceback.print_exc()
                error = NotDone(f"internal error in the server ({found!r}); its log has more")
            event = engine_error(error)
            record.note(event)
            await send({"type": "http.response.body", "body": _line(event), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


def engine_error(error: Exception) -> dict[str, Any]:
    """An error as an event."""
    return {"event": "error", "error": error_to_wire(error)}


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


async def _body(request: Request) -> dict[str, Any]:
    if (theirs := request.headers.get(VERSION_HEADER, __version__)) != __version__:
        text = f"this server is of version {__version__}, not {theirs}"
        raise HTTPException(HTTPStatus.CONFLICT, text, headers={VERSION_HEADER: __version__})
    return parse_object(await request.body())


def _settings(service: Service, body: dict[str, Any]) -> EngineSettings:
    settings = from_wire(EngineSettings, body.get("engine"), "engine")
    service.models.choose(settings)
    return settings
