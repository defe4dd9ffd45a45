"""The HTTP client of the bench: one request a connection, and the moment at which each event came.

It does as little as it can while an answer comes, for the server works on the same cores. Events are read afterwards.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar

from dsassist_runtime.errors import NotDone, Overloaded

__all__ = ["Address", "Event", "Exchange", "Refused", "Reply", "Request", "ask", "call", "exchange", "text_of"]

_LIMIT_S = 900.0  # of a whole answer: a server that stands still must not hold the bench for ever
_DONE = b"[DONE]"

T = TypeVar("T")


@dataclass(frozen=True)
class Address:
    """A TCP port of this machine."""

    port: int


class Request(NamedTuple):
    """What is asked of a server; a GET when there is no body."""

    path: str
    body: dict[str, Any] | None = None


class Event(NamedTuple):
    """A `data:` line of a stream, and when it came (`time.perf_counter`)."""

    at: float
    data: bytes


@dataclass(frozen=True)
class Reply:
    """A streamed answer. Times are seconds from the moment at which the request was sent."""

    sent_at: float
    events: tuple[Event, ...]
    bodies: tuple[dict[str, Any], ...] = field(repr=False)

    @property
    def first_text_s(self) -> float:
        """When the first text came."""
        return self._text_times(1)[0] - self.sent_at

    @property
    def end_s(self) -> float:
        """When the last event came."""
        return self.events[-1].at - self.sent_at

    @property
    def decode_tokens_per_s(self) -> float:
        """The speed from the first text to the last."""
        times = self._text_times(2)
        return (self.completion_tokens - 1) / (times[-1] - times[0])

    @property
    def text(self) -> str:
        """All that was written."""
        return "".join(text_of(body) for body in self.bodies)

    @property
    def completion_tokens(self) -> int:
        """The tokens that were written, by the server's own count."""
        return self._figure("completion_tokens", "tokens_predicted")

    @property
    def prompt_tokens(self) -> int:
        """The tokens of the prompt, by the server's own count."""
        return self._figure("prompt_tokens", "tokens_evaluated")

    @property
    def cached_tokens(self) -> int:
        """Those of the prompt that the server did not evaluate again, by its own count."""
        for body in reversed(self.bodies):
            if (usage := body.get("usage")) is not None:
                return int((usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0)
            if (cached := (body.get("timings") or {}).get("cache_n")) is not None:
                return int(cached)
        raise _incomplete("the number of cached tokens")

    def _text_times(self, least: int) -> list[float]:
        times = [event.at for event, body in zip(self.events, self.bodies, strict=True) if text_of(body)]
        if len(times) < least:
            raise NotDone(f"a server wrote {len(times)} pieces of text where the bench needs {least}: {self.text!r}")
        return times

    def _figure(self, openai: str, llama: str) -> int:
        for body in reversed(self.bodies):
            value = (body.get("usage") or {}).get(openai, body.get(llama))
            if value is not None:
                return int(value)
        raise _incomplete(openai)


class Refused(NotDone):
    """The server will not do this request, and would do another."""


class Exchange:
    """A request that was sent, whose answer is still coming."""

    def __init__(self, path: str, sent_at: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.path = path
        self.sent_at = sent_at
        self.status = 0
        self._headers: dict[str, str] = {}
        self._reader = reader
        self._writer = writer

    async def read_head(self) -> None:
        """Wait for the status and the headers.

        `Overloaded` for a 429, `Refused` for another of the 400s, `NotDone` for any other but 200.
        """
        line = await self._reader.readline()
        if not line:
            raise NotDone(f"the server closed the connection without an answer to {self.path}")
        version, status, *_ = [*line.split(maxsplit=2), b"", b""]
        if not version.startswith(b"HTTP/1.") or not status.isdigit():
            raise NotDone(f"what answers {self.path} does not speak HTTP: {line[:80].decode('latin-1').strip()!r}")
        self.status = int(status)
        while (line := (await self._reader.readline()).strip()) != b"":
            name, _, value = line.partition(b":")
            self._headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        if self.status != 200:
            refused = Refused if 400 <= self.status < 500 else NotDone
            kind = Overloaded if self.status == 429 else refused
            raise kind(f"the server answered {self.status} to {self.path}: {_reason(await self.body())}")

    async def body(self) -> bytes:
        """What is left of the answer."""
        return b"".join([block async for block in self._blocks()])

    async def events(self) -> AsyncIterator[Event]:
        """The `data:` lines, the closing `[DONE]` left out; `NotDone` when one of them is an error."""
        rest = b""
        async for block in self._blocks():
            now = time.perf_counter()
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                if line.startswith((b"error:", b'data: {"error"')):
                    raise NotDone(f"the server ended its answer to {self.path} with an error: {_reason(line)}")
                if line.startswith(b"data:") and (data := line[5:].strip()) != _DONE:
                    yield Event(now, data)

    async def close(self) -> None:
        """Close the connection at once, whatever the server still has to say."""
        self._writer.close()
        with suppress(OSError):
            await self._writer.wait_closed()

    async def _blocks(self) -> AsyncIterator[bytes]:
        reader = self._reader
        try:
            if self._headers.get("transfer-encoding", "").lower() == "chunked":
                while size := int((await reader.readline()).split(b";")[0], 16):
                    yield (await reader.readexactly(size + 2))[:-2]
                await reader.readline()
            elif "content-length" in self._headers:
                yield await reader.readexactly(int(self._headers["content-length"]))
            else:
                yield await reader.read()
        except (ValueError, asyncio.IncompleteReadError, ConnectionError) as error:
            raise NotDone(f"the server broke off its answer to {self.path}") from error


@asynccontextmanager
async def exchange(address: Address, request: Request) -> AsyncIterator[Exchange]:
    """Send a request; the connection is closed at the end, which cancels what is not answered."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", address.port)
    except OSError as error:
        raise NotDone(f"no server answers on port {address.port}: {error.strerror or error}") from error
    head = f"{'GET' if request.body is None else 'POST'} {request.path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    content = b"" if request.body is None else json.dumps(request.body).encode()
    if request.body is not None:
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n"
    sent_at = time.perf_counter()
    writer.write(head.encode() + b"Connection: close\r\n\r\n" + content)
    opened = Exchange(request.path, sent_at, reader, writer)
    try:
        yield opened
    finally:
        await opened.close()


async def call(address: Address, request: Request) -> Any:
    """The JSON that answers a request."""

    async def answer() -> bytes:
        async with exchange(address, request) as opened:
            await opened.read_head()
            return await opened.body()

    content = await _limited(answer(), request)
    try:
        return json.loads(content)
    except ValueError as error:
        raise NotDone(f"the server answers {request.path} with no JSON: {content[:80]!r}") from error


async def ask(address: Address, request: Request) -> Reply:
    """Send a request, and take its streamed answer to the end."""

    async def answer() -> Reply:
        async with exchange(address, request) as opened:
            await opened.read_head()
            events = tuple([event async for event in opened.events()])
        return Reply(opened.sent_at, events, tuple(json.loads(event.data) for event in events))

    return await _limited(answer(), request)


async def _limited(answer: Coroutine[Any, Any, T], request: Request) -> T:
    try:
        return await asyncio.wait_for(answer, _LIMIT_S)
    except asyncio.TimeoutError:
        raise NotDone(f"a server did not finish its answer to {request.path} within {_LIMIT_S:.0f} s") from None


def text_of(body: dict[str, Any]) -> str:
    """The text in an event of `/v1/completions`, `/v1/chat/completions` or `/infill`."""
    choice: dict[str, Any] = next(iter(body.get("choices", ())), {})
    return choice.get("text") or (choice.get("delta") or {}).get("content") or body.get("content") or ""


def _reason(body: bytes) -> str:
    with suppress(ValueError, KeyError, TypeError):
        return str(json.loads(body[body.index(b"{") :])["error"]["message"])
    return body[:200].decode("utf-8", "replace")


def _incomplete(what: str) -> NotDone:
    return NotDone(f"a server's answer does not tell {what}; use a newer one")
