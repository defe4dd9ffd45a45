"""HTTP to one server: lines that are kept open, tries, time limits, and every failure as one of our errors.

A request has a line of its own, so that it can be stopped from another thread by shutting that line down: closing a
response in httpx does not wake the thread that waits for it. Nothing is followed elsewhere: a redirect is an error.
"""

from __future__ import annotations

import json
import socket
import threading
import weakref
from collections.abc import Callable, Generator, Iterator
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from dsassist_runtime.errors import DeadlineExceeded, DsassistError, RemoteFailed
from dsassist_runtime.remote.address import Address
from dsassist_runtime.remote.failures import NotThere, broken_off, refusal, unreachable
from dsassist_runtime.version import __version__

if TYPE_CHECKING:
    import ssl

    import httpx2

__all__ = ["Exchange", "Server"]

_CONNECT_S = 5.0
_TRIES = 3
_LONGEST_WAIT_S = 5.0  # before another try: who types or commits would rather be told
_IDLE_LINES = 8
_LINE_IDLE_S = 30.0
_REST_S = 0.25
_ANSWER_LIMIT_BYTES = 64 * 1024 * 1024
_ERROR_LIMIT_BYTES = 64 * 1024


class Server:
    """Owns the lines to an address. Safe from any thread."""

    def __init__(self, address: Address, api_key: Callable[[], str | None], timeout_s: float) -> None:
        """`api_key` is asked once, before the first request; `timeout_s` is the longest silence of the server."""
        self.address = address
        self.timeout_s = timeout_s
        self._api_key = api_key
        self._lock = threading.Lock()
        self._idle: list[_Line] = []
        # For whoever forgets to close: an editor's server does not tell when it needs an engine no more.
        weakref.finalize(self, _close_all, self._idle)
        self._headers: dict[str, str] | None = None
        self._tls: ssl.SSLContext | None = None

    @property
    def has_key(self) -> bool:
        """Whether requests carry a key."""
        return self._headers is not None and "Authorization" in self._headers

    def exchange(self, method: str, url: str, body: object = None, timeout_s: float | None = None) -> Exchange:
        """A request that is sent when its answer is first asked for."""
        return Exchange(self, method, url, body, self.timeout_s if timeout_s is None else timeout_s)

    def json(self, method: str, url: str, body: object = None, timeout_s: float | None = None) -> Any:
        """The whole answer, which must be JSON; `DeadlineExceeded` when it is not there after `timeout_s`."""
        exchange = self.exchange(method, url, body, timeout_s)
        watch = threading.Timer(exchange.timeout_s, exchange.close)
        watch.daemon = True
        watch.start()
        content = bytearray()
        try:
            with closing(exchange.chunks()) as chunks:
                for chunk in chunks:
                    content += chunk
                    if len(content) > _ANSWER_LIMIT_BYTES:
                        raise RemoteFailed(f"{url} answered with more than {_ANSWER_LIMIT_BYTES} bytes")
        finally:
            watch.cancel()
        if exchange.closed:
            raise DeadlineExceeded(f"no answer from {self.address.origin} within {exchange.timeout_s:g} s")
        try:
            return json.loads(content)
        except (ValueError, RecursionError):
            raise NotThere(f"{url} answered with something that is no JSON; is the address right?") from None

    def close(self) -> None:
        """Close the lines that nobody uses."""
        with self._lock:
            _close_all(self._idle)

    def take_line(self) -> _Line:
        """A line for one request. Whoever takes it gives it back, or closes it."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
            if self._headers is None:
                self._headers = _headers(self._api_key())
            return _Line(self._new_client())

    def give_back(self, line: _Line) -> None:
        """Keep a line whose answer was read to its end."""
        with self._lock:
            if len(self._idle) < _IDLE_LINES:
                self._idle.append(line)
                return
        line.client.close()

    def _new_client(self) -> httpx2.Client:
        import ssl

        import httpx2

        if self._tls is None:  # certificates take 20 ms to load, and where nothing is encrypted none is asked for
            is_encrypted = self.address.is_encrypted
            self._tls = httpx2.create_ssl_context() if is_encrypted else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            return httpx2.Client(
                headers=self._headers,
                verify=self._tls,
                # No proxy to this machine itself, whatever the environment says: what stays here needs no consent.
                trust_env=not self.address.is_loopback,
                limits=httpx2.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_LINE_IDLE_S),
            )
        except (ImportError, ValueError) as error:  # a proxy of a kind that needs another package
            raise RemoteFailed(f"the proxy that the environment names cannot be used: {error}") from error


class _Line:
    """A connection that serves one request at a time, and the socket beneath it."""

    def __init__(self, client: httpx2.Client) -> None:
        self.client = client
        self._socket: socket.socket | None = None

    def trace(self, details: dict[str, Any]) -> None:
        """Keep the socket of a new connection: httpcore tells of its steps, and what came of them."""
        get = getattr(details.get("return_value"), "get_extra_info", None)
        if get is not None and (found := get("socket")) is not None:
            self._socket = found

    def shut_down(self) -> None:
        """Wake the thread that waits for the other side; safe from any thread."""
        if self._socket is not None:
            with suppress(OSError):
                # Not an SSLSocket's own method, which takes the encryption from under the thread that reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _close_all(lines: list[_Line]) -> None:
    while lines:
        lines.pop().client.close()


class _TryAgain(Exception):
    """Nothing was answered yet, so the request may be sent once more; `error` is for when that was the last try."""

    def __init__(self, error: DsassistError, after_s: float | None = None) -> None:
        self.error = error
        self.after_s = after_s


class Exchange:
    """One request and its answer. `close` ends it from any thread; whoever reads then comes to an end, not an error."""

    def __init__(self, server: Server, method: str, url: str, body: object, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        self._server = server
        self._method = method
        self._url = url
        self._body = body
        self._line: _Line | None = None
        self._stop = threading.Event()

    @property
    def closed(self) -> bool:
        """Whether it was ended by `close`."""
        return self._stop.is_set()

    def close(self) -> None:
        """Stop waiting and reading; the closed connection is what stops the server."""
        self._stop.set()
        if (line := self._line) is not None:
            line.shut_down()

    def chunks(self) -> Generator[bytes, None, None]:
        """Send the request and give out the body of the answer as it comes.

        Where no connection comes about, and where the server is busy, it is sent again, at most twice. Raises
        `RemoteFailed`, `Overloaded`, `RequestRefused`, and `DeadlineExceeded` after `timeout_s` of silence.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                yield from self._try()
                return
            except _TryAgain as again:
                pause_s = 0.25 * attempt if again.after_s is None else again.after_s
                if attempt == _TRIES or pause_s > _LONGEST_WAIT_S:
                    raise again.error from again.__cause__
            self._stop.wait(pause_s)

    def read_rest(self, chunks: Iterator[bytes]) -> None:
        """Read what is behind a whole answer, so that its line serves again; a slow end is not waited for."""
        watch = threading.Timer(_REST_S, self.close)
        watch.daemon = True
        watch.start()
        with suppress(DsassistError):
            for _ in chunks:
                pass
        watch.cancel()

    def _try(self) -> Generator[bytes, None, None]:
        if self.closed:
            return
        import httpx2

        address = self._server.address
        line = self._line = self._server.take_line()
        is_whole = False
        try:
            yield from self._answer_of(line)
            is_whole = not self.closed
        except httpx2.TransportError as error:
            if not self.closed:
                raise broken_off(address, error, self.timeout_s) from error
        except httpx2.DecodingError as error:
            if not self.closed:
                raise RemoteFailed(
                    f"{self._url} answered with something that cannot be unpacked ({error}); is the address right?"
                ) from error
        except (DsassistError, _TryAgain):
            if not self.closed:
                raise
        finally:
            self._line = None
            if is_whole:
                self._server.give_back(line)
            else:
                line.client.close()

    def _answer_of(self, line: _Line) -> Iterator[bytes]:
        response = self._send(line)
        try:
            if not response.is_success:
                raise self._refused(response)
            yield from response.iter_bytes()
        finally:
            response.close()

    def _send(self, line: _Line) -> httpx2.Response:
        import httpx2

        stop = self._stop

        def trace(_step: str, details: dict[str, Any]) -> None:  # kept by the line, which must not keep its server
            line.trace(details)
            if stop.is_set():  # while the connection was being made
                line.shut_down()

        limits = httpx2.Timeout(self.timeout_s, connect=min(_CONNECT_S, self.timeout_s))
        # As httpx writes it, but for the halves of surrogate pairs, which a file's text may have.
        content = None
        if self._body is not None:
            text = json.dumps(self._body, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
            content = text.encode("utf-8", "replace")
        kind = {"Content-Type": "application/json"} if content is not None else None
        try:
            request = line.client.build_request(
                self._method, self._url, content=content, headers=kind, timeout=limits, extensions={"trace": trace}
            )
            return line.client.send(request, stream=True)
        except (httpx2.InvalidURL, UnicodeError) as error:
            raise DsassistError(f"{self._url} is no address that can be used: {error}") from error
        except httpx2.TransportError as error:
            failure = unreachable(self._server.address, error, self.timeout_s)
            # An idle line may be closed by the other side just when it is used; what was sent then was not read.
            if isinstance(error, (httpx2.NetworkError, httpx2.RemoteProtocolError)):
                raise _TryAgain(failure) from error
            raise failure from error

    def _refused(self, response: httpx2.Response) -> Exception:
        content = bytearray()
        for block in response.iter_bytes():
            content += block
            if len(content) > _ERROR_LIMIT_BYTES:
                break
        error = refusal(
            self._server.address,
            self._url,
            response.status_code,
            response.headers.get("location", ""),
            content.decode("utf-8", "replace"),
            has_key=self._server.has_key,
        )
        if response.status_code in (429, 503):
            return _TryAgain(error, _retry_after_s(response.headers.get("retry-after", "")))
        return error


def _headers(api_key: str | None) -> dict[str, str]:
    headers = {"User-Agent": f"dsassist/{__version__}"}
    if api_key:
        if not (api_key.isascii() and api_key.isprintable() and " " not in api_key):
            raise DsassistError("the key for the model's address has characters that no key has; look at how it is set")
        headers["Authorization"] = f"Bearer {api_key}"
    return headers


def _retry_after_s(text: str) -> float | None:
    """Seconds that a busy server asks to wait (RFC 9110, 10.2.3); None when it does not say."""
    if text.strip().isdecimal():
        return float(text)
    if not text:
        return None
    from email.utils import parsedate_to_datetime
    from time import time

    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time())
    except (ValueError, OverflowError):
        return None
