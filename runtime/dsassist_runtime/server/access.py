"""Who may ask over TCP. The Unix socket needs no key: only its user can open it.

    with a key     every request but `/health` bears it
    without        loopback only, and no browser: a web page can send requests to 127.0.0.1, under the name of its own
                   site (DNS rebinding) or as a foreign origin, and would use the model, or read what it knows

What is for our own clients (`/engine/*`, `/shutdown`) is not there over TCP at all.
"""

from __future__ import annotations

import hmac
import ipaddress
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from dsassist_runtime.server.error_answer import error_response

__all__ = ["Access", "came_over_tcp"]

_OPEN_PATHS = frozenset(("/health", "/v1/health"))
_FOREIGN_SITES = ("cross-site", "same-site")  # of Sec-Fetch-Site, which browsers send also where they send no Origin


class Access:
    """Refuses what may not be asked over TCP; lets everything else through."""

    def __init__(self, app: ASGIApp, api_key: str | None) -> None:
        self._app = app
        self._api_key = api_key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or refuse it."""
        app = self._app
        if came_over_tcp(scope):
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            app = self._refusal(scope["path"], headers) or app
        await app(scope, receive, send)

    def _refusal(self, path: str, headers: dict[str, str]) -> ASGIApp | None:
        if path.startswith("/engine/") or path == "/shutdown":
            return error_response(f"there is no {path} over TCP", HTTPStatus.NOT_FOUND)
        if self._api_key is None:
            return _browser_refusal(headers)
        if path in _OPEN_PATHS:
            return None
        scheme, _, key = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(key.strip().encode("latin-1"), self._api_key.encode()):
            return None
        text = "the API key is missing or wrong; send it as `Authorization: Bearer KEY`"
        return error_response(
            text, HTTPStatus.UNAUTHORIZED, code="invalid_api_key", headers={"WWW-Authenticate": "Bearer"}
        )


def came_over_tcp(scope: Scope) -> bool:
    """Whether the request came over TCP; a Unix socket's address has no port."""
    server = scope.get("server")
    return server is None or server[1] is not None


def _browser_refusal(headers: dict[str, str]) -> ASGIApp | None:
    host, origin = headers.get("host", ""), headers.get("origin")
    if not _is_loopback(f"//{host}"):
        text = f"the host {host!r} is not this machine's loopback; without an API key only that may be asked"
    elif origin is not None and not _is_loopback(origin):
        text = f"a page of {origin} may not ask this server, which has no API key"
    elif origin is None and headers.get("sec-fetch-site", "").strip().lower() in _FOREIGN_SITES:
        text = "a page of another site may not ask this server, which has no API key"
    else:
        return None
    return error_response(text, HTTPStatus.FORBIDDEN)


def _is_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
