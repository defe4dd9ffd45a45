"""The bench's HTTP client, against a server that answers word for word what a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, TypeVar

import pytest

from dsassist.bench.engine.client import Address, Refused, Reply, Request, ask, call, exchange
from dsassist_runtime.errors import NotDone, Overloaded

T = TypeVar("T")
Use = Callable[[Address], Awaitable[T]]

ASKED = Request("/v1/completions", {"prompt": "é"})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
USAGE = b'{"completion_tokens":3,"prompt_tokens":7,"prompt_tokens_details":{"cached_tokens":5}}'


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def event(text: bytes) -> bytes:
    return b'data: {"choices":[{"text":"%s","finish_reason":null}]}\n\n' % text


def answered(pieces: list[bytes], use: Use[T], pause_s: float = 0.0) -> tuple[T, bytes]:
    """What `use` returns when a server sends `pieces`, with pauses between; and what the server was sent."""
    received = b""

    async def main() -> T:
        closed = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal received
            received = await reader.readuntil(b"\r\n\r\n")
            with suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(pause_s)
            await close(writer)
            closed.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            try:
                return await use(Address(server.sockets[0].getsockname()[1]))
            finally:
                await closed.wait()

    return asyncio.run(main()), received


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


def test_figures_of_a_stream_are_the_servers_counts_and_our_clock() -> None:
    last = b'data: {"choices":[{"text":"","finish_reason":"length"}],"usage":' + USAGE + b"}\n\ndata: [DONE]\n\n"
    pieces = [HEAD, *(chunk(event(text)) for text in (b"", b"a", b"b", b"c")), chunk(last), chunk(b"")]
    reply, received = answered(pieces, lambda address: ask(address, ASKED), pause_s=0.02)
    assert received.startswith(b"POST /v1/completions HTTP/1.1\r\n")
    assert reply.text == "abc"
    assert (reply.completion_tokens, reply.prompt_tokens, reply.cached_tokens) == (3, 7, 5)
    assert 0.02 < reply.first_text_s < reply.end_s  # the event without a text does not count as the first
    between = reply.events[3].at - reply.events[1].at
    assert reply.decode_tokens_per_s == pytest.approx(2 / between)


def test_figures_of_llama_cpps_own_form_are_read_too() -> None:
    end = b'data: {"content":"","stop":true,"tokens_predicted":2,"tokens_evaluated":9,"timings":{"cache_n":4}}\n\n'
    pieces = [HEAD, chunk(b'data: {"content":"x","stop":false}\n\n' + end), chunk(b"")]
    reply, _ = answered(pieces, lambda address: ask(address, ASKED))
    assert (reply.text, reply.completion_tokens, reply.prompt_tokens, reply.cached_tokens) == ("x", 2, 9, 4)


def test_events_cut_between_chunks_are_put_together() -> None:
    data = event("é".encode())
    pieces = [HEAD, *(chunk(data[i : i + 1]) for i in range(len(data))), chunk(b"")]
    reply, _ = answered(pieces, lambda address: ask(address, ASKED))
    assert reply.text == "é"


def test_counts_that_are_not_there_are_never_guessed() -> None:
    reply, _ = answered([HEAD, chunk(event(b"a")), chunk(b"")], lambda address: ask(address, ASKED))
    with pytest.raises(NotDone, match="does not tell"):
        _ = reply.cached_tokens
    with pytest.raises(NotDone, match="1 pieces of text where the bench needs 2"):
        _ = reply.decode_tokens_per_s


@pytest.mark.parametrize(
    ("pieces", "kind", "words"),
    [
        ([HEAD, chunk(event(b"a"))], NotDone, "broke off"),
        ([HEAD, b"40\r\ndata"], NotDone, "broke off"),
        ([HEAD, chunk(b'data: {"error":{"message":"no memory"}}\n\n')], NotDone, "no memory"),
        (
            [b'HTTP/1.1 400 Bad Request\r\nContent-Length: 31\r\n\r\n{"error":{"message":"too long"}}'],
            Refused,
            "too lon",
        ),
        ([b"HTTP/1.1 429 Too Many\r\nContent-Length: 5\r\n\r\nlater"], Overloaded, "429.*later"),
        ([b"SSH-2.0-OpenSSH_9\r\n"], NotDone, "does not speak HTTP: 'SSH-2.0-OpenSSH_9'"),
        ([], NotDone, "without an answer"),
    ],
)
def test_an_answer_that_is_none_is_an_error_with_the_servers_reason(
    pieces: list[bytes], kind: type[NotDone], words: str
) -> None:
    with pytest.raises(kind, match=words):
        answered(pieces, lambda address: ask(address, ASKED))


def test_nobody_listening_is_an_error_in_words() -> None:
    with pytest.raises(NotDone, match="no server answers on port 1"):
        asyncio.run(call(Address(1), Request("/health")))


def test_json_is_read_with_a_length_and_without() -> None:
    async def health(address: Address) -> Any:
        return await call(address, Request("/health"))

    for head in (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"):
        found, received = answered([head, b"{}"], health)
        assert found == {}
        assert received.startswith(b"GET /health ")


def test_what_is_no_json_is_told() -> None:
    with pytest.raises(NotDone, match="/health with no JSON: b'<html>'"):
        answered([b"HTTP/1.1 200 OK\r\n\r\n<html>"], lambda address: call(address, Request("/health")))


def test_leaving_closes_the_connection() -> None:
    """The server, which goes on for ever, meets the end of its client."""

    async def main() -> None:
        gone = asyncio.Event()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + chunk(event(b"a")))
            while await reader.read(100):  # what is left of the request
                pass
            await close(writer)
            gone.set()

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            async with exchange(Address(server.sockets[0].getsockname()[1]), ASKED) as opened:
                await opened.read_head()
                assert (await anext(opened.events())).data.startswith(b'{"choices"')
                assert not gone.is_set()
            await asyncio.wait_for(gone.wait(), 10)

    asyncio.run(main())


def test_a_reply_without_text_has_no_first_text() -> None:
    with pytest.raises(NotDone, match="0 pieces of text"):
        _ = Reply(0.0, (), ()).first_text_s
