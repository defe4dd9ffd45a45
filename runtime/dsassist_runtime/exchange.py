"""One HTTP exchange with the user's server over its Unix socket: the server started, and of our own version.

It uses the standard library's HTTP client, whose import takes 0.04 s where httpx takes 0.12 s: a completion of 32
tokens is to take 0.4 s in all. Each exchange has a connection of its own; closing it is what cancels the request.
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import DeadlineExceeded, ServerUnavailable
from dsassist_runtime.launch import connect, log_path, server_is_up, try_connect
from dsassist_runtime.version import VERSION_HEADER, __version__

__all__ = ["Answer", "Door", "make_room", "no_answer", "server_health", "server_status", "stop_server"]

_HEAD_LIMIT_S = 30.0
_STATUS_LIMIT_S = 5.0
_ATTEMPTS = 3


class _Connection(http.client.HTTPConnection):
    """HTTP over a socket that is connected already."""

    def __init__(self, connected: socket.socket) -> None:
        super().__init__("dsassist")
        self.sock: socket.socket = connected


@dataclass(frozen=True)
class Answer:
    """The head of an answer is there, its body still to be read. Whoever holds it releases it."""

    response: http.client.HTTPResponse
    connected: socket.socket

    def wake(self) -> None:
        """End the connection, so that a thread that reads from it goes on; safe from any thread."""
        with suppress(OSError):
            self.connected.shutdown(socket.SHUT_RDWR)

    def release(self) -> None:
        """Give the connection up; what was not read cancels the request."""
        self.response.close()
        self.connected.close()


@dataclass(frozen=True)
class Door:
    """The way to the server; one that does not run is started with `settings`, unless `start` is false."""

    settings: EngineSettings
    idle_timeout_s: float = 900.0
    start: bool = True

    def ensure_open(self) -> None:
        """Start the server if it does not run."""
        connect(self.settings, self.idle_timeout_s, start=self.start).close()

    def post(
        self,
        path: str,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        head_limit_s: float = _HEAD_LIMIT_S,
        limit_s: float | None = None,
    ) -> Answer:
        """Send a request and wait for the head of its answer, at most `head_limit_s` (`limit_s`: the start included).

        `DeadlineExceeded` when it does not come in time, `ServerUnavailable` when no server can be had. The body may
        be waited for without end: set a time-out on the answer's socket.
        """
        data = json.dumps(body).encode()
        sent = {"Content-Type": "application/json", VERSION_HEADER: __version__, **(headers or {})}
        for _attempt in range(_ATTEMPTS):
            connected = connect(self.settings, self.idle_timeout_s, start=self.start, limit_s=limit_s)
            connection = _Connection(connected)
            connected.settimeout(limit_s or head_limit_s)
            try:
                connection.request("POST", path, data, sent)
                response = connection.getresponse()
            except TimeoutError as error:
                connection.close()
                raise no_answer(limit_s or head_limit_s) from error
            except (OSError, http.client.HTTPException):
                connection.close()  # a server that is just leaving closes a new connection unanswered: ask the next one
                continue
            connected.settimeout(None)
            answer = Answer(response, connected)
            if response.status != HTTPStatus.CONFLICT:
                return answer
            answer.release()
            make_room(response.getheader(VERSION_HEADER, ""))
        raise ServerUnavailable(f"the dsassist server closes every connection; see {log_path()}")


def no_answer(waited_s: float) -> DeadlineExceeded:
    """What is raised when the caller's time is up."""
    return DeadlineExceeded(f"no answer from the model within {waited_s:g} s")


def make_room(version: str) -> None:
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
    return _object(_ask("GET", "/health"))


def server_status() -> dict[str, Any] | None:
    """What the running server and its engine are doing, or None when there is no server.

    `{"server": the fields of server_health, "engine": api.EngineStatus or null, "model": api.ModelFacts or null}`
    """
    return _object(_ask("GET", "/status"))


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


def _object(answer: bytes | None) -> dict[str, Any] | None:
    return None if answer is None else json.loads(answer)


def _ask(method: str, path: str) -> bytes | None:
    """The body of an answer; None when no server listens, or one that is just leaving breaks off."""
    try:
        connected = try_connect()
        if connected is None:
            return None
        connected.settimeout(_STATUS_LIMIT_S)
        connection = _Connection(connected)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
    except TimeoutError as error:
        raise ServerUnavailable(
            f"the dsassist server does not answer; see {log_path()}, or look for its process and end it"
        ) from error
    except (OSError, http.client.HTTPException):
        return None
    if response.status != HTTPStatus.OK:
        raise ServerUnavailable(
            f"the dsassist server answers {method} {path} with HTTP {response.status}, as one of another version does; "
            "end its process, and the next request starts another"
        )
    return body
