"""Runs a request for text and sends its answer: the one place where the engine's events meet the socket.

A client that goes away cancels its requests. A client that reads slowly makes its own answer wait, nothing else: the
events lie in the requests' queues, and are at most as many as a context has tokens.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncGenerator, Coroutine, Sequence
from contextlib import aclosing, suppress
from typing import Any

from starlette.types import Receive, Scope, Send

from dsassist_runtime.errors import DsassistError, NotDone, ServerUnavailable, error_from_wire
from dsassist_runtime.server.activity import Activity
from dsassist_runtime.server.answer import Answer
from dsassist_runtime.server.error_answer import body_for, response_for
from dsassist_runtime.server.request_log import RequestRecord, record_of

__all__ = ["AnswerResponse", "Events", "until_disconnect"]

Events = AsyncGenerator[dict[str, Any]]


class AnswerResponse:
    """A response made of the engine's events; the head is sent with the first bytes, so an error before is a status."""

    def __init__(self, activity: Activity, parts: Sequence[Events], answer: Answer) -> None:
        self._activity = activity
        self._parts = parts
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request until it is answered or its client is gone."""
        with self._activity:
            await until_disconnect(receive, self._serve(scope, receive, send))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        record, answer = record_of(scope), self._answer
        output = _Output(send, answer.media_type)
        try:
            async with aclosing(_merged(self._parts)) as events:
                async for part, event in events:
                    record.note(event)
                    if event["event"] == "error":
                        raise error_from_wire(event["error"])
                    if event["event"] == "cancelled":  # not by this client, which is here
                        raise ServerUnavailable("the engine cancelled the request; ask again")
                    if event["event"] != "loading":
                        await output.write(answer.event(part, event))
            await output.end(answer.close())
        except asyncio.CancelledError:
            record.finish_reason = "disconnected"
            raise
        except Exception as found:
            error = _as_ours(found, record)
            if output.started:
                await output.end(answer.fail(body_for(error)))
            else:
                await response_for(error)(scope, receive, send)


class _Output:
    """Sends the head when there is something to send; a body that is whole by then gets its length."""

    def __init__(self, send: Send, media_type: str) -> None:
        self._send = send
        self._media_type = media_type
        self.started = False

    async def write(self, data: bytes) -> None:
        if data:
            await self._start([(b"cache-control", b"no-cache")])
            await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        await self._start([(b"content-length", str(len(data)).encode())])
        await self._send({"type": "http.response.body", "body": data})

    async def _start(self, headers: list[tuple[bytes, bytes]]) -> None:
        if not self.started:
            self.started = True
            headers = [(b"content-type", self._media_type.encode()), *headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})


def _as_ours(error: Exception, record: RequestRecord) -> DsassistError:
    """The error for the client; one of our own making goes to the log with its traceback."""
    if not isinstance(error, DsassistError):
        traceback.print_exception(type(error), error, error.__traceback__)
        error = NotDone(f"internal error in the server ({error!r}); its log has more")
    record.finish_reason = type(error).__name__
    return error


async def until_disconnect(receive: Receive, work: Coroutine[Any, Any, None]) -> None:
    """Do the work, and stop it when the client goes away; the request's body must have been read."""
    working = asyncio.create_task(work)
    watching = asyncio.create_task(_disconnect(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
    finally:
        watching.cancel()
        working.cancel()  # does nothing to what is done
        with suppress(asyncio.CancelledError):
            await working


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _merged(parts: Sequence[Events]) -> AsyncGenerator[tuple[int, dict[str, Any]]]:
    """The events of several requests as they come, with the request's number; closing it closes them all."""
    if len(parts) == 1:
        async with aclosing(parts[0]) as events:
            async for event in events:
                yield 0, event
        return
    queue: asyncio.Queue[tuple[int, dict[str, Any] | BaseException | None]] = asyncio.Queue()

    async def collect(part: int, events: Events) -> None:
        last: BaseException | None = None
        try:
            async with aclosing(events):
                async for event in events:
                    queue.put_nowait((part, event))
        except Exception as error:
            last = error
        queue.put_nowait((part, last))

    tasks = [asyncio.create_task(collect(part, events)) for part, events in enumerate(parts)]
    try:
        left = len(tasks)
        while left:
            part, item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                left -= 1
            else:
                yield part, item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
