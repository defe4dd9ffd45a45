"""`ChatCompletion` against a small server that speaks OpenAI's protocol, and against our own, both for real."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from chat_calls import MESSAGES, Ask, text_of
from chat_server import ANSWER, DONE, Handler, chat_server, chunk
from dsassist_runtime import ChatCompletion
from dsassist_runtime.chat_answer import ChatObject, EventReader
from dsassist_runtime.errors import (
    DeadlineExceeded,
    DsassistError,
    ModelMissing,
    Overloaded,
    RemoteFailed,
    RequestRefused,
)

pytestmark = pytest.mark.slow  # whole servers


def one_after_the_other(*scripts: Callable[[Handler], None]) -> Callable[[Handler], None]:
    left = iter(scripts)
    return lambda handler: next(left)(handler)


def streams(*texts: str, end: bytes = DONE) -> Callable[[Handler], None]:
    def script(handler: Handler) -> None:
        handler.start_stream()
        for text in texts:
            handler.chunk(text)
        handler.chunk("", "stop")
        handler.raw(end)

    return script


def test_an_answer_is_a_dict_with_attributes(ask: Ask) -> None:
    with chat_server(Handler.answer) as server:
        answer = ask(model="m", base_url=server.url)
    assert answer == ANSWER
    assert answer["choices"][0]["message"]["content"] == "Hello."
    assert answer.choices[0].message.content == "Hello."
    assert not hasattr(answer, "error")


def test_what_is_sent_is_openais_request_with_every_option(ask: Ask) -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    with chat_server(Handler.answer) as server:
        ask(model="m", base_url=server.url, max_tokens=9, api_key="sk-1", tools=tools, top_p=0.5, seed=3)
        ask(model="m", base_url=server.url)
    first, second = server.requests
    assert (first.method, first.path) == ("POST", "/v1/chat/completions")
    assert first.headers["Authorization"] == "Bearer sk-1"
    assert first.body == {
        "model": "m",
        "messages": MESSAGES,
        "temperature": 0.3,
        "max_tokens": 9,
        "stream": False,
        "tools": tools,
        "top_p": 0.5,
        "seed": 3,
    }
    assert "Authorization" not in second.headers
    assert "max_tokens" not in second.body, "the server decides"


def test_the_key_comes_from_the_environment(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DSASSIST_API_KEY", "sk-env")
    with chat_server(Handler.answer) as server:
        ask(model="m", base_url=server.url)
        ask(model="m", base_url=server.url, api_key="")
    assert [asked.headers.get("Authorization") for asked in server.requests] == ["Bearer sk-env", None]


@pytest.mark.parametrize(
    ("model", "sent"),
    [("{}", "first"), ("{}#named", "named"), ("{}/#named", "named")],
)
def test_an_address_as_model_means_the_model_behind_it(ask: Ask, model: str, sent: str) -> None:
    def script(handler: Handler) -> None:
        handler.answer({"data": [{"id": "first"}, {"id": "other"}]} if handler.command == "GET" else ANSWER)

    with chat_server(script) as server:
        ask(model=model.format(server.url.removesuffix("/v1")))
        ask(model=model.format(server.url))
    assert [asked.body["model"] for asked in server.requests if asked.body] == [sent, sent]
    assert {asked.path for asked in server.requests if asked.body} == {"/v1/chat/completions"}


def test_a_server_that_lists_no_models_is_asked_without_one(ask: Ask) -> None:
    with chat_server(lambda handler: handler.answer(status=404 if handler.command == "GET" else 200)) as server:
        ask(model=server.url)
    assert "model" not in server.requests[-1].body


def test_chunks_come_as_they_are_written() -> None:
    read = threading.Event()

    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")
        assert read.wait(20)
        handler.chunk("lo", "stop")
        handler.raw(DONE)

    with (
        chat_server(script) as server,
        ChatCompletion.create("m", MESSAGES, stream=True, base_url=server.url) as stream,
    ):
        assert next(stream).choices[0].delta.content == "Hel"
        read.set()
        assert text_of(list(stream)) == "lo"
        assert list(stream) == [], "it is over"


def test_a_stream_may_end_without_done_behind_its_last_chunk(ask: Ask) -> None:
    with chat_server(streams("Hel", "lo", end=b"")) as server:
        assert text_of(ask(model="m", base_url=server.url, stream=True)) == "Hello"


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_only_line_feeds_end_an_event(size: int) -> None:
    """httpx, and Python's `splitlines`, would cut a chunk at a line separator within its text."""
    text = "a\u2028b\x85c\u00e9\U0001f600"
    data = b": a comment\r\n\r\nevent: x\r\ndata:" + chunk(text, "stop") + b"\r\n\r\n" + DONE + b"data: {}\n"
    events = EventReader("it", is_local=False)
    found = [each for start in range(0, len(data), size) for each in events.read(data[start : start + size])]
    assert text_of(found) == text
    assert events.done


def test_a_cut_stream_is_an_error(ask: Ask) -> None:
    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")

    with chat_server(script) as server, pytest.raises(RemoteFailed, match="went away in the middle of its answer"):
        ask(model="m", base_url=server.url, stream=True)


def test_an_answer_that_is_cut_is_an_error(ask: Ask) -> None:
    def script(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.raw(b'{"choices": [')

    with chat_server(script) as server, pytest.raises(RemoteFailed, match="went away in the middle of its answer"):
        ask(model="m", base_url=server.url)
    assert len(server.requests) == 1, "what was begun is not asked for again"


def test_an_error_in_the_middle_of_a_stream_is_raised(ask: Ask) -> None:
    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")
        handler.raw(b'data: {"error": {"message": "out of memory", "code": 500}}\n\n')

    with chat_server(script) as server, pytest.raises(RemoteFailed, match=r"failed: out of memory$"):
        ask(model="m", base_url=server.url, stream=True)


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error": {"message": "temperature is -1"}}, RequestRefused, "refused the request: temperature is -1"),
        (401, {"error": {"message": "wrong key"}}, RemoteFailed, "not accept the key: wrong key; give api_key, or set"),
        (404, {"error": {"message": "no m", "code": "model_not_found"}}, ModelMissing, "refused the request: no m"),
        (404, b"<html>nothing here</html>", RequestRefused, "refused the request: HTTP 404 (Not Found)"),
        (413, {"error": "too long"}, RequestRefused, "refused the request: too long"),
        (422, {"detail": [{"loc": ["x"]}]}, RequestRefused, 'refused the request: [{"loc": ["x"]}]'),
        (429, {"error": {"message": "slow down"}}, Overloaded, "has too many requests: slow down"),
        (500, {"error": {"message": "out of memory"}}, RemoteFailed, "failed: out of memory"),
        (503, b"", RemoteFailed, "failed: HTTP 503 (Service Unavailable)"),
        (504, b"", DeadlineExceeded, "did not answer in time: HTTP 504 (Gateway Timeout)"),
        (599, b"", RemoteFailed, "failed: HTTP 599 (an unknown status)"),
        (200, b"<html>login</html>", RemoteFailed, "answered no JSON but '<html>login</html>'"),
        (200, b"[1]", RemoteFailed, "answered '[1]', which is no JSON object"),
    ],
)
def test_a_bad_answer_is_an_error_of_ours_with_the_servers_words(
    ask: Ask, status: int, body: object, kind: type[DsassistError], said: str
) -> None:
    with chat_server(lambda handler: handler.answer(body, status)) as server, pytest.raises(DsassistError) as raised:
        ask(model="m", base_url=server.url, max_retries=0, api_key="sk-secret")
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert server.url in str(raised.value)
    assert "sk-secret" not in str(raised.value)


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"a":' * 200_000])
@pytest.mark.parametrize("status", [200, 500])
def test_an_answer_nested_too_deeply_is_an_error_of_ours(ask: Ask, status: int, body: bytes) -> None:
    with chat_server(lambda handler: handler.answer(body, status)) as server, pytest.raises(RemoteFailed):
        ask(model="m", base_url=server.url, max_retries=0)


@pytest.mark.parametrize("data", [5, {"id": "m"}, ["m"], [{"id": 3}], [{}]])
def test_an_odd_list_of_models_is_one_of_no_model(ask: Ask, data: object) -> None:
    scripts = one_after_the_other(lambda handler: handler.answer({"data": data}), Handler.answer)
    with chat_server(scripts) as server:
        assert ask(model=server.url) == ANSWER
    assert "model" not in server.requests[-1].body


@pytest.mark.parametrize("odd", [{"choices": ["x"]}, {"choices": 5}, {"choices": [{"index": [1]}]}])
def test_a_chunk_with_odd_choices_is_an_error_of_ours(odd: object) -> None:
    reader = EventReader("the server", is_local=False)
    with pytest.raises(RemoteFailed, match="whose choices are none"):
        list(reader.read(b"data: " + json.dumps(odd).encode() + b"\n"))


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with chat_server(Handler.answer) as server:
        assert ask(model="m", base_url=server.url, max_retries=0) == ANSWER


def test_a_server_that_is_busy_is_asked_again(ask: Ask) -> None:
    def busy(handler: Handler) -> None:
        handler.answer({}, 503, Retry_After="0")

    with chat_server(one_after_the_other(busy, busy, Handler.answer)) as server:
        assert ask(model="m", base_url=server.url) == ANSWER
    assert len(server.requests) == 3
    with chat_server(busy) as server, pytest.raises(RemoteFailed):
        ask(model="m", base_url=server.url, max_retries=1)
    assert len(server.requests) == 2


def test_a_connection_that_is_closed_unanswered_is_tried_again(ask: Ask) -> None:
    def leave(handler: Handler) -> None:
        handler.close_connection = True

    with chat_server(one_after_the_other(leave, Handler.answer)) as server:
        assert ask(model="m", base_url=server.url) == ANSWER


@pytest.mark.parametrize(("status", "headers"), [(400, {}), (500, {}), (429, {"Retry_After": "86400"})])
def test_what_will_not_pass_is_not_asked_again(ask: Ask, status: int, headers: dict[str, str]) -> None:
    with chat_server(lambda handler: handler.answer({}, status, **headers)) as server, pytest.raises(DsassistError):
        ask(model="m", base_url=server.url)
    assert len(server.requests) == 1


def test_a_redirect_is_told_and_not_followed(ask: Ask) -> None:
    """The key would go to whoever the server names."""
    with chat_server(Handler.answer) as other:
        elsewhere = other.url + "/chat/completions"
        with (
            chat_server(lambda handler: handler.answer({}, 307, Location=elsewhere)) as server,
            pytest.raises(RemoteFailed, match=f"sends us on to {elsewhere}"),
        ):
            ask(model="m", base_url=server.url, api_key="sk-1")
    assert other.requests == []


@pytest.mark.parametrize("stream", [False, True])
def test_a_silent_server_is_given_up(ask: Ask, stream: bool) -> None:
    def script(handler: Handler) -> None:
        if stream:
            handler.start_stream()
            handler.chunk("Hel")
        handler.wait_until_left()

    with (
        chat_server(script) as server,
        pytest.raises(DeadlineExceeded, match=r"no answer from the model within 0\.3 s"),
    ):
        ask(model="m", base_url=server.url, stream=stream, timeout_s=0.3)
    assert len(server.requests) == 1


def test_an_address_where_nobody_listens_is_told(ask: Ask) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RemoteFailed, match=f"the server at {address}/v1 cannot be reached .* check the address"):
            ask(model=address, max_retries=0)


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ftp://host", "it must begin with http:// or https://"),
        ("http://", "it names no host"),
        ("https://me:sk-secret@host/v1", "a key does not belong into an address"),
        ("https://host/v1?key=k", "has no meaning here"),
    ],
)
def test_a_bad_address_is_told(ask: Ask, address: str, said: str) -> None:
    for options in ({"model": address}, {"model": "m", "base_url": address}):
        with pytest.raises(DsassistError, match=said) as raised:
            ask(**options)
        assert "sk-secret" not in str(raised.value)


def test_a_key_that_no_header_can_hold_is_told_without_showing_it(ask: Ask) -> None:
    with pytest.raises(DsassistError, match="the API key for host holds characters that no key has") as raised:
        ask(model="http://host", api_key="sk-secret\nx")
    assert "sk-secret" not in str(raised.value)


def test_closing_a_stream_ends_the_connection() -> None:
    left = threading.Event()

    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")
        handler.wait_until_left()
        left.set()

    with chat_server(script) as server:
        for leave in (lambda stream: stream.close(), lambda stream: stream.__exit__(None, None, None)):
            left.clear()
            stream = ChatCompletion.create("m", MESSAGES, stream=True, base_url=server.url)
            next(stream)
            leave(stream)
            leave(stream)
            assert left.wait(20)
            assert list(stream) == []


def test_a_stream_that_is_closed_before_it_is_read_ends_the_connection() -> None:
    left = threading.Event()

    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.wait_until_left()
        left.set()

    with chat_server(script) as server:
        stream = ChatCompletion.create("m", MESSAGES, stream=True, base_url=server.url)
        stream.close()
        assert left.wait(20)
        assert list(stream) == []


def test_a_stream_can_be_closed_from_another_thread_that_waits_for_nothing() -> None:
    waits = threading.Event()

    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")
        waits.set()
        handler.wait_until_left()

    with chat_server(script) as server:
        stream = ChatCompletion.create("m", MESSAGES, stream=True, base_url=server.url)

        def close() -> None:
            waits.wait(20)
            stream.close()

        thread = threading.Thread(target=close)
        thread.start()
        assert text_of(list(stream)) in ("Hel", ""), "the iteration ends, with no error"
        thread.join()


def test_an_asynchronous_stream_can_be_closed_from_another_task() -> None:
    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")
        handler.wait_until_left()

    async def read(url: str) -> str:
        async with await ChatCompletion.acreate("m", MESSAGES, stream=True, base_url=url) as stream:
            first = await stream.__anext__()
            rest = asyncio.create_task(anext_all(stream))
            await asyncio.sleep(0.05)
            await stream.aclose()
            return text_of([first, *await rest])

    with chat_server(script) as server:
        assert asyncio.run(read(server.url)) == "Hel"


async def anext_all(stream: Any) -> list[ChatObject]:
    return [chunk async for chunk in stream]


def test_a_cancelled_task_ends_the_connection() -> None:
    asked, left = threading.Event(), threading.Event()

    def script(handler: Handler) -> None:
        asked.set()
        handler.wait_until_left()
        left.set()

    async def cancel(url: str) -> None:
        task = asyncio.create_task(ChatCompletion.acreate("m", MESSAGES, base_url=url))
        await asyncio.to_thread(asked.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with chat_server(script) as server:
        asyncio.run(cancel(server.url))
        assert left.wait(20)


def test_a_stream_that_is_forgotten_leaves_no_connection_behind() -> None:
    left = threading.Event()

    def script(handler: Handler) -> None:
        handler.start_stream()
        handler.chunk("Hel")
        handler.wait_until_left()
        left.set()

    with chat_server(script) as server:
        stream: Any = ChatCompletion.create("m", MESSAGES, stream=True, base_url=server.url)
        next(stream)
        del stream
        gc.collect()
        assert left.wait(20)


def test_the_package_imports_no_http_client_before_it_is_asked_for_one() -> None:
    code = (
        "import sys; import dsassist_runtime; before = set(sys.modules); from dsassist_runtime import ChatCompletion;"
        "print('typing' in before, 'http.client' in before, 'http.client' in sys.modules, 'httpx2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=False, env=_paths())
    assert (done.stdout.split(), done.stderr) == (["False", "False", "True", "False"], "")


def _paths() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def test_an_unknown_name_of_the_package_is_no_attribute() -> None:
    import dsassist_runtime

    with pytest.raises(AttributeError, match="has no attribute 'ChatCompletions'"):
        dsassist_runtime.ChatCompletions  # noqa: B018
