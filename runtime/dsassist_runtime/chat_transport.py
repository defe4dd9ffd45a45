"""One request to a `/chat/completions` endpoint: sent, sent again where that may help, and its body read as it comes.

To the user's own server it goes by `exchange`, which needs no more than the standard library; to an address, and from
asyncio, by httpx2, which knows proxies, certificates and Unix sockets, and is imported only then.
"""

from __future__ import annotations

import asyncio
import http.client
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol

from dsassist_runtime.chat_answer import broken_off, read_object, refusal, retry_after_s
from dsassist_runtime.chat_target import Local, Remote
from dsassist_runtime.errors import DsassistError, NotDone, RemoteFailed, ServerUnavailable
from dsassist_runtime.exchange import Answer, make_room, no_answer
from dsassist_runtime.launch import log_path
from dsassist_runtime.version import VERSION_HEADER, __version__

if TYPE_CHECKING:
    import httpx2

__all__ = ["AsyncBody", "Body", "Limits", "send", "send_async"]

_CONNECT_LIMIT_S = 10.0
_ATTEMPTS = 3  # to find a server of this version
_LOCAL_PATH = "/v1/chat/completions"


@dataclass(frozen=True)
class Limits:
    """`timeout_s` is how long a server may be silent; `max_retries` how often a request is sent once more."""

    timeout_s: float
    max_retries: int


class Body(Protocol):
    """The body of a good answer, to be read once, whole or in pieces. Reading raises our errors."""

    def read(self) -> bytes:
        """All of it."""

    def pieces(self) -> Iterator[bytes]:
        """What comes, as it comes."""

    def wake(self) -> None:
        """End the connection under a thread that reads; safe from any thread."""

    def release(self) -> None:
        """Give the connection up, which cancels what was not read; may be called twice."""


def send(target: Local | Remote, body: dict[str, Any], limits: Limits) -> Body:
    """Send the request and wait for the head of a good answer; whatever stands in its way is raised."""
    attempts = _Attempts(target, limits.max_retries)
    while True:
        try:
            if isinstance(target, Local):
                return _send_local(target, body, limits)
            return _send_remote(target, body, limits)
        except _Failure as failure:
            time.sleep(attempts.wait_s(failure))


async def send_async(target: Local | Remote, body: dict[str, Any], limits: Limits) -> AsyncBody:
    """`send` for asyncio."""
    attempts = _Attempts(target, limits.max_retries)
    while True:
        try:
            if isinstance(target, Local):
                return await _send_local_async(target, body, limits)
            return await _send_remote_async(target, body, limits)
        except _Failure as failure:
            await asyncio.sleep(attempts.wait_s(failure))


class _Failure(Exception):
    """An attempt failed with `error`; `status` is 0 where there was no answer and another attempt may have one."""

    def __init__(self, error: DsassistError, status: int = 0, headers: Mapping[str, str] | None = None) -> None:
        self.error = error
        self.status = status
        self.headers = headers or {}


class _Attempts:
    """Counts the attempts of one request."""

    def __init__(self, target: Local | Remote, max_retries: int) -> None:
        self._target = target
        self._max_retries = max_retries
        self._n_failed = 0

    def wait_s(self, failure: _Failure) -> float:
        """The time until the next attempt; raises the failure's error where there is to be none."""
        status = failure.status or HTTPStatus.SERVICE_UNAVAILABLE
        waited = retry_after_s(status, failure.headers, self._n_failed)
        self._n_failed += 1
        if waited is None or self._n_failed > self._max_retries:
            raise failure.error from failure.__cause__
        return waited


def _refused(target: Local | Remote, status: int, headers: Mapping[str, str], data: bytes) -> _Failure:
    is_local = isinstance(target, Local)
    return _Failure(refusal(status, headers, data, target.who, is_local=is_local), status, headers)


@dataclass(frozen=True)
class _LocalBody:
    """A body that comes over the Unix socket."""

    answer: Answer
    who: str
    timeout_s: float

    def read(self) -> bytes:
        try:
            return self.answer.response.read()
        except TimeoutError as error:
            raise no_answer(self.timeout_s) from error
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise broken_off(self.who, is_local=True) from error

    def pieces(self) -> Iterator[bytes]:
        while True:
            try:
                line = self.answer.response.readline()
            except TimeoutError as error:
                raise no_answer(self.timeout_s) from error
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise broken_off(self.who, is_local=True) from error
            if not line:
                return
            yield line

    def wake(self) -> None:
        self.answer.wake()

    def release(self) -> None:
        self.answer.release()


def _send_local(target: Local, body: dict[str, Any], limits: Limits) -> Body:
    answer = target.door.post(_LOCAL_PATH, body, target.headers, head_limit_s=limits.timeout_s)
    answer.connected.settimeout(limits.timeout_s)
    received = _LocalBody(answer, target.who, limits.timeout_s)
    if answer.response.status == HTTPStatus.OK:
        return received
    try:
        headers = {name.lower(): value for name, value in answer.response.getheaders()}
        raise _refused(target, answer.response.status, headers, received.read())
    finally:
        received.release()


@dataclass(frozen=True)
class _RemoteBody:
    """A body that comes from an address."""

    client: httpx2.Client
    response: httpx2.Response
    who: str
    timeout_s: float

    def read(self) -> bytes:
        import httpx2

        try:
            return self.response.read()
        except httpx2.HTTPError as error:
            raise _in_the_middle(error, self.who, self.timeout_s, is_local=False) from error

    def pieces(self) -> Iterator[bytes]:
        import httpx2

        try:
            yield from self.response.iter_bytes()
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise _in_the_middle(error, self.who, self.timeout_s, is_local=False) from error

    def wake(self) -> None:
        _shut_down(self.response)

    def release(self) -> None:
        self.response.close()
        self.client.close()


def _send_remote(target: Remote, body: dict[str, Any], limits: Limits) -> Body:
    import httpx2

    client = httpx2.Client(**_options(target, limits))
    try:
        if not target.model:
            listed = client.get(target.address.models)
            body = _with_first_model(target, body, listed)
        request = client.build_request("POST", f"{target.address.base}/chat/completions", json=body)
        response = client.send(request, stream=True)
        if response.status_code != HTTPStatus.OK:
            raise _refused(target, response.status_code, response.headers, response.read())
    except httpx2.HTTPError as error:
        client.close()
        raise _before_the_answer(error, target.who, limits.timeout_s) from error
    except BaseException:
        client.close()
        raise
    return _RemoteBody(client, response, target.who, limits.timeout_s)


@dataclass(frozen=True)
class AsyncBody:
    """As `Body`, for asyncio."""

    client: httpx2.AsyncClient
    response: httpx2.Response
    target: Local | Remote
    timeout_s: float

    async def read(self) -> bytes:
        """All of it."""
        import httpx2

        try:
            return await self.response.aread()
        except httpx2.HTTPError as error:
            raise self._broken(error) from error

    async def pieces(self) -> AsyncIterator[bytes]:
        """What comes, as it comes."""
        import httpx2

        try:
            async for piece in self.response.aiter_bytes():
                yield piece
        except (httpx2.HTTPError, httpx2.StreamError) as error:
            raise self._broken(error) from error

    def wake(self) -> None:
        """End the connection under a task that reads."""
        _shut_down(self.response)

    async def release(self) -> None:
        """Give the connection up, which cancels what was not read; may be called twice."""
        await self.response.aclose()
        await self.client.aclose()

    def _broken(self, error: Exception) -> NotDone:
        return _in_the_middle(error, self.target.who, self.timeout_s, is_local=isinstance(self.target, Local))


async def _send_local_async(target: Local, body: dict[str, Any], limits: Limits) -> AsyncBody:
    for _attempt in range(_ATTEMPTS):
        if (answered := await _ask_local_async(target, body, limits)) is not None:
            return answered
    raise ServerUnavailable(f"a dsassist server of another version does not make room; see {log_path()}")


async def _ask_local_async(target: Local, body: dict[str, Any], limits: Limits) -> AsyncBody | None:
    """None when it was another version's server, which has been asked to leave."""
    import httpx2

    from dsassist_runtime.server.socket_files import socket_path

    await asyncio.to_thread(target.door.ensure_open)
    # A proxy or a certificate has no place on a Unix socket.
    transport = httpx2.AsyncHTTPTransport(uds=str(socket_path()), verify=False)
    client = httpx2.AsyncClient(
        transport=transport,
        headers={VERSION_HEADER: __version__, **target.headers},
        timeout=_timeout(limits),
    )
    try:
        request = client.build_request("POST", f"http://dsassist{_LOCAL_PATH}", json=body)
        response = await client.send(request, stream=True)
        if response.status_code == HTTPStatus.CONFLICT:
            await asyncio.to_thread(make_room, response.headers.get(VERSION_HEADER, ""))
            await client.aclose()
            return None
        if response.status_code != HTTPStatus.OK:
            raise _refused(target, response.status_code, response.headers, await response.aread())
    except httpx2.HTTPError as error:
        await client.aclose()
        if isinstance(error, httpx2.TimeoutException):
            raise no_answer(limits.timeout_s) from error
        raise _Failure(broken_off(target.who, is_local=True)) from error  # a server that is just leaving
    except BaseException:
        await client.aclose()
        raise
    return AsyncBody(client, response, target, limits.timeout_s)


async def _send_remote_async(target: Remote, body: dict[str, Any], limits: Limits) -> AsyncBody:
    import httpx2

    client = httpx2.AsyncClient(**_options(target, limits))
    try:
        if not target.model:
            listed = await client.get(target.address.models)
            body = _with_first_model(target, body, listed)
        request = client.build_request("POST", f"{target.address.base}/chat/completions", json=body)
        response = await client.send(request, stream=True)
        if response.status_code != HTTPStatus.OK:
            raise _refused(target, response.status_code, response.headers, await response.aread())
    except httpx2.HTTPError as error:
        await client.aclose()
        raise _before_the_answer(error, target.who, limits.timeout_s) from error
    except BaseException:
        await client.aclose()
        raise
    return AsyncBody(client, response, target, limits.timeout_s)


def _timeout(limits: Limits) -> httpx2.Timeout:
    import httpx2

    return httpx2.Timeout(limits.timeout_s, connect=min(_CONNECT_LIMIT_S, limits.timeout_s))


def _options(target: Remote, limits: Limits) -> dict[str, Any]:
    return {
        "headers": target.headers,
        "timeout": _timeout(limits),
        "verify": target.address.is_encrypted,  # to load certificates takes as long as to import httpx2
        # No proxy to this machine itself, whatever the environment says.
        "trust_env": not target.address.is_loopback,
    }


def _with_first_model(target: Remote, body: dict[str, Any], listed: httpx2.Response) -> dict[str, Any]:
    """The request with the name of the first model that the server lists; without one where it lists none."""
    if listed.status_code == HTTPStatus.NOT_FOUND:
        return body
    if listed.status_code != HTTPStatus.OK:
        raise _refused(target, listed.status_code, listed.headers, listed.content)
    models = read_object(listed.content, target.who).get("data") or []
    first = models[0] if isinstance(models, list) and models else {}
    name = first.get("id") if isinstance(first, dict) else None
    return {**body, "model": name} if isinstance(name, str) else body


def _before_the_answer(error: Exception, who: str, timeout_s: float) -> Exception:
    """A failure to be told, or one (`_Failure`) that another attempt may mend."""
    import httpx2

    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout)):
        reason = str(error) or f"no answer within {_CONNECT_LIMIT_S:g} s"
        failed = RemoteFailed(f"{who} cannot be reached ({reason}); check the address, and that it runs")
        return _Failure(failed) if isinstance(error, httpx2.ConnectError) else failed
    if isinstance(error, httpx2.TimeoutException):
        return no_answer(timeout_s)
    if isinstance(error, (httpx2.NetworkError, httpx2.RemoteProtocolError)):
        return _Failure(broken_off(who, is_local=False))
    return RemoteFailed(f"{who} cannot be asked: {error}")


def _in_the_middle(error: Exception, who: str, timeout_s: float, *, is_local: bool) -> NotDone:
    import httpx2

    return no_answer(timeout_s) if isinstance(error, httpx2.TimeoutException) else broken_off(who, is_local=is_local)


def _shut_down(response: httpx2.Response) -> None:
    import socket

    stream = response.extensions.get("network_stream")
    connected = stream.get_extra_info("socket") if stream is not None else None
    if connected is not None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)
