"""Errors as HTTP: which status each kind has, and OpenAI's form of the body, which llama.cpp's server has as well."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse

from dsassist_runtime.errors import (
    DeadlineExceeded,
    ModelMissing,
    ModelUnsupported,
    Overloaded,
    RequestRefused,
    ServerUnavailable,
    error_named,
)

__all__ = ["BadField", "ModelNotServed", "body_for", "error_body", "error_response", "response_for", "status_of"]

_RETRY_AFTER_S = 1


class BadField(RequestRefused):
    """A field of the body has a wrong type or value; `field` is its name."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(f"{field} {message}")
        self.field = field


class ModelNotServed(RequestRefused):
    """The request names a model that is not to be had here."""


_STATUS: tuple[tuple[type[Exception], HTTPStatus], ...] = (
    (ModelNotServed, HTTPStatus.NOT_FOUND),
    (ModelMissing, HTTPStatus.NOT_FOUND),
    (RequestRefused, HTTPStatus.BAD_REQUEST),
    (ModelUnsupported, HTTPStatus.BAD_REQUEST),
    (Overloaded, HTTPStatus.TOO_MANY_REQUESTS),
    (ServerUnavailable, HTTPStatus.SERVICE_UNAVAILABLE),
    (DeadlineExceeded, HTTPStatus.GATEWAY_TIMEOUT),
)

_TYPES = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}


def status_of(error: Exception) -> HTTPStatus:
    """The status that tells a client whose fault it is, and whether to ask again."""
    for kind, status in _STATUS:
        if isinstance(error, kind):
            return status
    return HTTPStatus.INTERNAL_SERVER_ERROR


def error_body(
    message: str, status: HTTPStatus, *, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """OpenAI's error object."""
    kind = _TYPES.get(status, "server_error" if status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def error_response(
    message: str, status: HTTPStatus, *, code: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """An error as a whole response."""
    return JSONResponse(error_body(message, status, code=code), status, dict(headers or {}))


def body_for(error: Exception) -> dict[str, Any]:
    """The object for an exception of ours."""
    is_missing = isinstance(error, ModelNotServed | ModelMissing)
    names = [kind.__name__ for kind in type(error).__mro__ if error_named(kind.__name__)]
    code = "model_not_found" if is_missing else next(iter(names), None)
    param = error.field if isinstance(error, BadField) else "model" if is_missing else None
    return error_body(str(error), status_of(error), code=code, param=param)


def response_for(error: Exception) -> JSONResponse:
    """The response for an exception of ours."""
    status = status_of(error)
    again = status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
    return JSONResponse(body_for(error), status, {"Retry-After": str(_RETRY_AFTER_S)} if again else {})
