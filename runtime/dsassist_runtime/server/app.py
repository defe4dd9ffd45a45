"""The HTTP application: our own clients' requests over the Unix socket, a stream of JSON lines each.

    POST /engine/infill   {"engine": EngineSettings, "request": InfillRequest}
    POST /engine/score    {"engine": EngineSettings, "request": ScoreRequest}
    POST /engine/facts    {"engine": EngineSettings}
    GET  /health          version, process ids, the loaded model, seconds idle
    POST /shutdown        stop after the requests in flight

Each request names the client's version; another than ours is answered with 409, and the client starts a server of its
own after asking this one to leave. An answer's lines are the engine's events (see `engine.process`), always ended by a
final one; an error is an event as well, so that it can come in the middle of a stream. A client that closes its
connection cancels its request.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from dsassist_runtime.api import EngineSettings, InfillRequest, ScoreRequest
from dsassist_runtime.errors import DsassistError, RequestRefused, error_to_wire
from dsassist_runtime.server.supervisor import EngineSupervisor
from dsassist_runtime.version import VERSION_HEADER, __version__
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["Activity", "create_app"]


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


def create_app(supervisor: EngineSupervisor, activity: Activity, shut_down: Callable[[], None]) -> Starlette:
    """The application; `shut_down` asks the process to end."""

    def lines(events: AsyncIterator[dict[str, Any]]) -> Response:
        async def body() -> AsyncIterator[bytes]:
            with activity:
                try:
                    async for event in events:
                        yield _line(event)
                except DsassistError as error:
                    yield _line({"event": "error", "error": error_to_wire(error)})
                finally:
                    await events.aclose()  # type: ignore[attr-defined]

        return StreamingResponse(body(), media_type="application/x-ndjson")

    async def engine_answer(request: Request, op: str, kind: type[Any]) -> Response:
        body = await _body(request)
        settings, checked = _settings(body), from_wire(kind, body.get("request"))
        return lines(supervisor.run(settings, op, to_wire(checked)))

    async def infill(request: Request) -> Response:
        return await engine_answer(request, "infill", InfillRequest)

    async def score(request: Request) -> Response:
        return await engine_answer(request, "score", ScoreRequest)

    async def facts(request: Request) -> Response:
        return lines(supervisor.load(_settings(await _body(request))))

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


def _line(event: dict[str, Any]) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"


async def _body(request: Request) -> dict[str, Any]:
    if (theirs := request.headers.get(VERSION_HEADER, __version__)) != __version__:
        raise HTTPException(HTTPStatus.CONFLICT, f"this server is of version {__version__}, not {theirs}")
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
