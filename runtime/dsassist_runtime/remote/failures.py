"""What a server or the way to it does not do, as one of our errors with the server's own words in it."""

from __future__ import annotations

import json
import re
import socket
import ssl
from typing import TYPE_CHECKING, Any

from dsassist_runtime.errors import DeadlineExceeded, DsassistError, Overloaded, RemoteFailed, RequestRefused
from dsassist_runtime.remote.address import Address

if TYPE_CHECKING:
    import httpx2

__all__ = ["NotThere", "broken_off", "message_in", "refusal", "unreachable"]

_LIMIT_CHARACTERS = 300
_CAUSES_LOOKED_AT = 8


class NotThere(RemoteFailed):
    """The server is there, and has nothing at this path, or something else than was expected."""


def unreachable(address: Address, error: httpx2.TransportError, timeout_s: float) -> DsassistError:
    """No answer began: the line did not come about, or nothing came over it."""
    import httpx2

    if isinstance(error, httpx2.ReadTimeout):
        return DeadlineExceeded(f"no answer from {address.origin} within {timeout_s:g} s (engine.remote_timeout_s)")
    if isinstance(error, httpx2.TimeoutException):
        return RemoteFailed(f"{address.origin} cannot be reached: no connection in time")
    if isinstance(error, httpx2.ProxyError):
        return RemoteFailed(f"{address.origin} cannot be reached: the proxy refuses ({_words(error)})")
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError):
            return RemoteFailed(
                f"{address.origin} is not trusted: {cause.verify_message}; "
                "for an authority of your own set SSL_CERT_FILE to its certificate"
            )
        if isinstance(cause, ssl.SSLError):
            return RemoteFailed(f"{address.origin} does not speak TLS ({_words(cause)}); is it http:// there?")
        if isinstance(cause, socket.gaierror):
            return RemoteFailed(f"{address.origin} cannot be reached: there is no host {address.host}")
    return RemoteFailed(f"{address.origin} cannot be reached: {_words(error)}; does a server run there?")


def broken_off(address: Address, error: httpx2.TransportError, timeout_s: float) -> DsassistError:
    """The answer began and did not come to its end."""
    import httpx2

    if isinstance(error, httpx2.TimeoutException):
        return DeadlineExceeded(f"{address.origin} was silent for {timeout_s:g} s in the middle of its answer")
    return RemoteFailed(f"{address.origin} broke off in the middle of its answer ({_words(error)})")


def refusal(address: Address, url: str, status: int, location: str, content: str, *, has_key: bool) -> DsassistError:
    """The server answered with a status that is no success."""
    said = message_in(content)
    words = f"{status}: {said}" if said else str(status)
    if 300 <= status < 400:
        return RemoteFailed(f"{url} answers with a redirect to {location or 'nowhere'}, which is not followed")
    if status in (401, 403):
        what = "refuses the key" if has_key else "asks for a key"
        keyring = "" if address.is_loopback else f", or `keyring set dsassist {address.origin}`"
        return RemoteFailed(
            f"{address.origin} {what} ({words}); set DSASSIST_API_KEY, or the variable that engine.remote_key_variable "
            f"names{keyring}"
        )
    if status in (400, 413, 422):
        return RequestRefused(f"{address.origin} refuses the request ({words})")
    if status in (404, 405, 501):
        return NotThere(f"{url} is not to be had ({words}); check the address and the model's name behind #")
    if status in (429, 503):
        return Overloaded(f"{address.origin} is busy ({words}); try again later")
    return RemoteFailed(f"{address.origin} failed ({words})")


def message_in(content: str) -> str:
    """The server's own words in the body of an error: OpenAI's form, FastAPI's, or plain text; empty for a page."""
    try:
        value: Any = json.loads(content)
    except (ValueError, RecursionError):
        is_page = re.match(r"\s*<", content) is not None
        return "it sent an HTML page" if is_page else _one_line(content)
    for key in ("error", "message", "detail", "msg"):
        while isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, dict) and key in value:
            value = value[key]
    return _one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what led to it: httpx wraps httpcore's, which wraps the system's."""
    found: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and len(found) < _CAUSES_LOOKED_AT:
        found.append(cause)
        cause = cause.__cause__ or cause.__context__
    return found


def _words(error: BaseException) -> str:
    return _one_line(str(error)) or type(error).__name__


def _one_line(text: str) -> str:
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LIMIT_CHARACTERS else line[: _LIMIT_CHARACTERS - 3] + "..."
