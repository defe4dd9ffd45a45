"""The HTTP server put together: the APIs, the guards around them, and leaving in good order.

    engine_api   our own clients      openai_api   OpenAI's      llama_api   llama.cpp's      metrics   Prometheus'

A request passes the log, the check who may ask, and the limit of its body, in this order.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from http import HTTPStatus

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from dsassist_runtime.errors import DsassistError, RequestRefused
from dsassist_runtime.server import engine_api, llama_api, metrics, openai_api
from dsassist_runtime.server.access import Access
from dsassist_runtime.server.error_answer import error_response, response_for
from dsassist_runtime.server.guards import BodyLimit, guarded_protocol
from dsassist_runtime.server.limits import Limits
from dsassist_runtime.server.request_log import RequestLog
from dsassist_runtime.server.service import Service
from dsassist_runtime.server.supervisor import EngineSupervisor

__all__ = ["create_app", "create_server"]

_KEEP_ALIVE_S = 75
_CLIENT_CLOSED_REQUEST = 499


class _Server(uvicorn.Server):
    """Ends the engine first when it is told to leave, so that every request in flight gets its final event."""

    def __init__(self, config: uvicorn.Config, supervisor: EngineSupervisor, on_leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self._supervisor = supervisor
        self._on_leaving = on_leaving

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # From here on a client starts another server instead of meeting a closing one.
        self._on_leaving()
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        await self._supervisor.leave()
        await super().shutdown(sockets)


def create_server(
    service: Service, *, api_key: str | None, limits: Limits, on_leaving: Callable[[], None]
) -> uvicorn.Server:
    """The HTTP server, to be run by `serve(sockets=[...])`; `should_exit` makes it leave."""
    config = uvicorn.Config(
        create_app(service, lambda: setattr(server, "should_exit", True), api_key=api_key, limits=limits),
        log_config=None,
        access_log=False,
        ws="none",
        loop="asyncio",
        http=guarded_protocol(limits),
        lifespan="off",
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=5,
    )
    server = _Server(config, service.supervisor, on_leaving)
    return server


def create_app(service: Service, shut_down: Callable[[], None], *, api_key: str | None, limits: Limits) -> ASGIApp:
    """The application; `shut_down` asks the process to end."""
    app = Starlette(
        routes=[
            *engine_api.routes(service, shut_down),
            *openai_api.routes(service),
            *llama_api.routes(service),
            *metrics.routes(service),
        ],
        exception_handlers={
            DsassistError: _refuse,
            HTTPException: _http_error,
            ClientDisconnect: _disconnected,
            Exception: _internal_error,
        },
    )
    return RequestLog(Access(BodyLimit(app, limits), api_key))


async def _refuse(request: Request, error: Exception) -> Response:
    if _is_engine(request):
        return JSONResponse(engine_api.engine_error(error), HTTPStatus.BAD_REQUEST)
    return response_for(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    text = error.detail
    if error.status_code == HTTPStatus.NOT_FOUND:
        text = f"there is no {request.url.path} here"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        text = f"{request.url.path} does not take {request.method}"
    if _is_engine(request):
        return JSONResponse(engine_api.engine_error(RequestRefused(text)), error.status_code, error.headers)
    return error_response(text, HTTPStatus(error.status_code), headers=error.headers)


async def _disconnected(_request: Request, _error: Exception) -> Response:
    return Response(status_code=_CLIENT_CLOSED_REQUEST)


async def _internal_error(_request: Request, error: Exception) -> Response:
    text = f"internal error in the server ({error!r}); its log has more"
    return error_response(text, HTTPStatus.INTERNAL_SERVER_ERROR)


def _is_engine(request: Request) -> bool:
    return request.url.path.startswith("/engine/")
