"""`ChatCompletion`: chat in OpenAI's shapes for any Python program, by the user's own server or one at an address.

from dsassist_runtime import ChatCompletion

answer = ChatCompletion.create(messages=[{"role": "user", "content": "What is a monad?"}])
print(answer["choices"][0]["message"]["content"])
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, overload

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.chat_answer import ChatObject, EventReader, read_object
from dsassist_runtime.chat_target import Local, Remote, target_of
from dsassist_runtime.chat_transport import AsyncBody, Body, Limits, send, send_async
from dsassist_runtime.errors import DsassistError

__all__ = ["AsyncChatStream", "ChatCompletion", "ChatStream"]

Model = str | Path | EngineSettings | None
Message = Mapping[str, Any]


class ChatCompletion:
    """Asks a model for the next message of a chat.

    `model` None or "default" is the model that the user's server holds, and if none runs, the configured one; a
    catalogue name or a file is that model, on the user's server too, which is started when it does not run. An address
    such as "http://host:8080/v1" is any OpenAI-compatible server: its model's name stands behind a `#`, or in `model`
    while `base_url` has the address, and is the first that it lists where there is none. `api_key` is for such a
    server; left out, it is the environment's DSASSIST_API_KEY.

    `max_tokens` None leaves the length to the server. Further options (`top_p`, `stop`, `tools`, `response_format`,
    `seed`, ...) go to the server as they are. A server may be silent for `timeout_s` seconds, in which it may have to
    load its model; a refused connection and a server that is too busy are tried again, `max_retries` times. Whatever
    goes wrong is a `DsassistError`: `RequestRefused` for a bad request, `Overloaded`, `DeadlineExceeded`,
    `RemoteFailed` and `ServerUnavailable`, `ModelMissing`.
    """

    @overload
    @classmethod
    def create(
        cls,
        model: Model = None,
        messages: Sequence[Message] = (),
        temperature: float = 0.3,
        max_tokens: int | None = None,
        stream: Literal[False] = False,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 2,
        **options: Any,
    ) -> ChatObject: ...

    @overload
    @classmethod
    def create(
        cls,
        model: Model = None,
        messages: Sequence[Message] = (),
        temperature: float = 0.3,
        max_tokens: int | None = None,
        *,
        stream: Literal[True],
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 2,
        **options: Any,
    ) -> ChatStream: ...

    @classmethod
    def create(
        cls,
        model: Model = None,
        messages: Sequence[Message] = (),
        temperature: float = 0.3,
        max_tokens: int | None = None,
        stream: bool = False,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 2,
        **options: Any,
    ) -> ChatObject | ChatStream:
        """OpenAI's `chat.completion` object; with `stream` a `ChatStream` of its chunks."""
        target = target_of(model, base_url, api_key)
        request = _request(target, messages, temperature, max_tokens, stream, options)
        body = send(target, request, Limits(timeout_s, max_retries))
        if stream:
            return ChatStream(body, target)
        try:
            return read_object(body.read(), target.who)
        finally:
            body.release()

    @overload
    @classmethod
    async def acreate(
        cls,
        model: Model = None,
        messages: Sequence[Message] = (),
        temperature: float = 0.3,
        max_tokens: int | None = None,
        stream: Literal[False] = False,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 2,
        **options: Any,
    ) -> ChatObject: ...

    @overload
    @classmethod
    async def acreate(
        cls,
        model: Model = None,
        messages: Sequence[Message] = (),
        temperature: float = 0.3,
        max_tokens: int | None = None,
        *,
        stream: Literal[True],
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 2,
        **options: Any,
    ) -> AsyncChatStream: ...

    @classmethod
    async def acreate(
        cls,
        model: Model = None,
        messages: Sequence[Message] = (),
        temperature: float = 0.3,
        max_tokens: int | None = None,
        stream: bool = False,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_retries: int = 2,
        **options: Any,
    ) -> ChatObject | AsyncChatStream:
        """`create` for asyncio; with `stream` an `AsyncChatStream`. A cancelled task stops the model."""
        target = target_of(model, base_url, api_key)
        request = _request(target, messages, temperature, max_tokens, stream, options)
        body = await send_async(target, request, Limits(timeout_s, max_retries))
        if stream:
            return AsyncChatStream(body, target)
        try:
            return read_object(await body.read(), target.who)
        finally:
            await body.release()


def _request(
    target: Local | Remote,
    messages: Sequence[Message],
    temperature: float,
    max_tokens: int | None,
    stream: bool,
    options: Mapping[str, Any],
) -> dict[str, Any]:
    request: dict[str, Any] = {
        "messages": list(messages),
        "temperature": temperature,
        "stream": stream,
        **({"model": target.model} if target.model else {}),
        **({"max_tokens": max_tokens} if max_tokens is not None else {}),
    }
    return {**request, **options}


class ChatStream:
    """OpenAI's `chat.completion.chunk` objects as they are written.

    `close` stops the model within a token; it is safe from another thread, where the iteration then ends, and twice.
    """

    def __init__(self, body: Body, target: Local | Remote) -> None:
        self._body = body
        self._closed = threading.Event()
        self._chunks = _chunks(body, EventReader(target.who, is_local=isinstance(target, Local)), self._closed)
        self._reading = False

    def __iter__(self) -> Iterator[ChatObject]:
        return self

    def __next__(self) -> ChatObject:
        self._reading = True  # before the look at `_closed`: `close` sets that and then looks here
        try:
            if self._closed.is_set():
                self._body.release()
                raise StopIteration
            return next(self._chunks)
        finally:
            self._reading = False

    def close(self) -> None:
        """Stop the model; a running iteration ends without an error."""
        self._closed.set()
        if self._reading:  # in another thread, which this wakes, and which then releases the connection
            self._body.wake()
        else:
            self._body.release()

    def __enter__(self) -> ChatStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _chunks(body: Body, events: EventReader, closed: threading.Event) -> Iterator[ChatObject]:
    # No method: it would hold its stream, and one that nobody else holds any more should end its connection at once.
    try:
        for piece in body.pieces():
            yield from events.read(piece)
            if events.done:
                return
        events.check_whole()
    except DsassistError:
        if not closed.is_set():
            raise
    finally:
        body.release()


class AsyncChatStream:
    """`ChatStream` for asyncio: `async for`, `async with`, and `aclose`."""

    def __init__(self, body: AsyncBody, target: Local | Remote) -> None:
        self._body = body
        self._closed = threading.Event()
        self._chunks = _chunks_async(body, EventReader(target.who, is_local=isinstance(target, Local)), self._closed)
        self._reading = False

    def __aiter__(self) -> AsyncIterator[ChatObject]:
        return self

    async def __anext__(self) -> ChatObject:
        self._reading = True
        try:
            if self._closed.is_set():
                await self._body.release()
                raise StopAsyncIteration
            return await self._chunks.__anext__()
        finally:
            self._reading = False

    async def aclose(self) -> None:
        """Stop the model; an iteration that runs in another task ends without an error."""
        self._closed.set()
        if self._reading:
            self._body.wake()
        else:
            await self._body.release()

    async def __aenter__(self) -> AsyncChatStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


async def _chunks_async(body: AsyncBody, events: EventReader, closed: threading.Event) -> AsyncIterator[ChatObject]:
    try:
        async for piece in body.pieces():
            for chunk in events.read(piece):
                yield chunk
            if events.done:
                return
        events.check_whole()
    except DsassistError:
        if not closed.is_set():
            raise
    finally:
        await body.release()
