"""Holds every connection to its `limits`.

The times are held where the socket is, in the protocol under the web framework, because an application is not told of a
request whose head never ends, nor of the few bytes that a client leaves in its buffer.
"""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import Any

import h11
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from dsassist_runtime.server.limits import Limits

__all__ = ["BodyLimit", "guarded_protocol"]

_DISCARD_S = 2.0
_DISCARD_BYTES = 32 << 20


class BodyLimit:
    """Has a body that is too large answered with 413, as soon as that is known."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limit_bytes = limits.body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, counting its body."""
        announced = int(dict(scope["headers"]).get(b"content-length", b"0"))
        n_bytes, too_large = 0, announced > self._limit_bytes

        async def counted_receive() -> Message:
            nonlocal n_bytes, too_large
            if not too_large:
                message = await receive()
                n_bytes += len(message.get("body", b""))
                too_large = n_bytes > self._limit_bytes
            if too_large:
                text = f"the body has more than {self._limit_bytes} bytes, which is the limit; send less context"
                raise HTTPException(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, text)
            return message

        async def unfinished_send(message: Message) -> None:
            if too_large and message["type"] == "http.response.body":
                message["more_body"] = True
            await send(message)

        await self._app(scope, counted_receive, unfinished_send)
        if too_large:
            # A socket that is closed with unread data in it resets the connection; the client would see no answer.
            await _discard(receive)
            await send({"type": "http.response.body", "body": b""})


async def _discard(receive: Receive) -> None:
    deadline, n_bytes = time.monotonic() + _DISCARD_S, 0
    while n_bytes < _DISCARD_BYTES and (left_s := deadline - time.monotonic()) > 0:
        try:
            message = await asyncio.wait_for(receive(), left_s)
        except asyncio.TimeoutError:
            return
        n_bytes += len(message.get("body", b""))
        if not message.get("more_body", False):
            return


class _GuardedProtocol(H11Protocol):
    """A request must be whole `request_s` after its first byte, and output taken within `unread_s`."""

    limits = Limits()
    _sending: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # to be told of the first byte that the system does not take
        self._sending = self.loop.call_later(self.limits.request_s, self._cut_off)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch_sending()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch_sending()

    def _watch_sending(self) -> None:
        """Time the client while a request has begun and is not whole; a connection may wait for its next one."""
        state = self.conn.their_state
        sending = state is h11.SEND_BODY or (state is h11.IDLE and bool(self.conn.trailing_data[0]))
        if sending and self._sending is None:
            self._sending = self.loop.call_later(self.limits.request_s, self._cut_off)
        elif not sending and self._sending is not None:
            self._sending.cancel()
            self._sending = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._unread is None:
            self._unread = self.loop.call_later(self.limits.unread_s, self._cut_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        for timer in (self._sending, self._unread):
            if timer is not None:
                timer.cancel()

    def _cut_off(self) -> None:
        self.transport.abort()


def guarded_protocol(limits: Limits) -> type[asyncio.Protocol]:
    """uvicorn's HTTP protocol, which cuts off who sends or reads too slowly."""
    return type("GuardedProtocol", (_GuardedProtocol,), {"limits": limits})
