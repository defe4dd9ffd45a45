"""`ChatCompletion` against a small server that speaks OpenAI's protocol, and against our own, both for real."""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from chat_model import write_chat_model
from chat_server import ANSWER, DONE, Handler, chat_server, chunk, unix_chat_server
from dsassist_runtime import ChatCompletion
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.chat_answer import ChatObject, EventReader
from dsassist_runtime.chat_target import Local, target_of
from dsassist_runtime.client import Client, server_health
from dsassist_runtime.errors import (
    DeadlineExceeded,
    DsassistError,
    EngineDied,
    ModelInvalid,
    ModelMissing,
    Overloaded,
    RemoteFailed,
    RequestRefused,
    ServerUnavailable,
)
from dsassist_runtime.exchange import Door
from dsassist_runtime.version import VERSION_HEADER

pytestmark = pytest.mark.slow  # whole servers

MESSAGES = [{"role": "user", "content": "Say hello."}]
Ask = Callable[..., Any]


def create(**options: Any) -> Any:
    """The whole answer, or the list of chunks."""
    answer = ChatCompletion.create(**{"messages": MESSAGES, **options})
    return list(answer) if options.get("stream") else answer


def acreate(**options: Any) -> Any:
    async def ask() -> Any:
        answer: Any = await ChatCompletion.acreate(**{"messages": MESSAGES, **options})
        return [chunk async for chunk in answer] if options.get("stream") else answer

    return asyncio.run(ask())


@pytest.fixture(params=[create, acreate], ids=["sync", "async"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """`ChatCompletion.create` and `acreate` are to be alike."""
    found: Ask = request.param
    return found


def text_of(chunks: list[Any]) -> str:
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks)


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


# Our own server, over the Unix socket.


@pytest.fixture(scope="session")
def chat_model(builtin_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_chat_model(builtin_model, tmp_path_factory.mktemp("models") / "chat.gguf")


def engine_pid() -> int:
    health = server_health()
    assert health is not None
    pid: int = health["engine_pid"]
    return pid


def test_a_model_of_this_machine_answers(ask: Ask, server: Path, chat_model: Path) -> None:
    answer = ask(model=chat_model, max_tokens=4, temperature=0)
    assert answer.object == "chat.completion"
    assert answer.choices[0].finish_reason in ("length", "stop")
    assert 0 < answer.usage.completion_tokens <= 4
    pid = engine_pid()
    chunks = ask(model=str(chat_model), max_tokens=4, temperature=0, stream=True)
    assert text_of(chunks) == answer.choices[0].message.content
    assert ask(max_tokens=1).usage.prompt_tokens == answer.usage.prompt_tokens, "by the model that it holds"
    assert engine_pid() == pid


def test_it_shares_the_engine_with_our_other_clients(server: Path, chat_model: Path) -> None:
    settings = EngineSettings(chat_model, n_threads=1)
    Client(settings, idle_timeout_s=60).facts()
    pid = engine_pid()
    ChatCompletion.create(settings, MESSAGES, max_tokens=1)
    assert engine_pid() == pid


def test_closing_a_stream_stops_our_engine(server: Path, chat_model: Path) -> None:
    with ChatCompletion.create(chat_model, MESSAGES, stream=True, max_tokens=4000, ignore_eos=True) as stream:
        next(stream)
    deadline = time.monotonic() + 20
    while (server_health() or {})["requests"]:
        assert time.monotonic() < deadline, "it goes on writing"
        time.sleep(0.01)


def test_an_engine_that_dies_in_the_middle_is_told(server: Path, chat_model: Path) -> None:
    with ChatCompletion.create(chat_model, MESSAGES, stream=True, max_tokens=900, ignore_eos=True) as stream:
        next(stream)
        os.kill(engine_pid(), signal.SIGKILL)
        with pytest.raises(EngineDied, match="the engine process was killed by SIGKILL"):
            list(stream)


def test_a_server_that_is_killed_in_the_middle_is_told(server: Path, chat_model: Path) -> None:
    with ChatCompletion.create(chat_model, MESSAGES, stream=True, max_tokens=900, ignore_eos=True) as stream:
        next(stream)
        os.kill((server_health() or {})["pid"], signal.SIGKILL)
        with pytest.raises(ServerUnavailable, match="the dsassist server went away in the middle of its answer"):
            list(stream)


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(ask: Ask, server: Path, chat_model: Path) -> None:
    with pytest.raises(RequestRefused, match=r"\d+ tokens.*1024"):
        ask(model=chat_model, messages=[{"role": "user", "content": "word " * 5000}])


def test_a_server_that_is_newer_than_this_program_is_left_alone(ask: Ask, server: Path) -> None:
    with (
        unix_chat_server(
            server / "server.sock", lambda handler: handler.answer({}, 409, **{VERSION_HEADER: "9.9"})
        ) as newer,
        pytest.raises(ServerUnavailable, match=r"dsassist 9\.9 is installed by now and this program is still"),
    ):
        ask()
    assert [asked.path for asked in newer.requests] == ["/v1/chat/completions"]


def test_a_server_of_an_older_version_is_asked_to_make_room(ask: Ask, server: Path, chat_model: Path) -> None:
    def script(handler: Handler) -> None:
        if handler.path == "/shutdown":
            (server / "server.sock").unlink()
        handler.answer({}, 200 if handler.path == "/shutdown" else 409, **{VERSION_HEADER: "0.0.1"})

    with unix_chat_server(server / "server.sock", script) as older:
        assert ask(model=chat_model, max_tokens=1, max_retries=0).usage.completion_tokens == 1
    assert [asked.path for asked in older.requests] == ["/v1/chat/completions", "/shutdown"]


def test_a_server_of_another_version_that_stays_is_told(ask: Ask, server: Path) -> None:
    def script(handler: Handler) -> None:
        handler.answer({}, 200 if handler.path == "/shutdown" else 409, **{VERSION_HEADER: "0.0.1"})

    with (
        unix_chat_server(server / "server.sock", script),
        pytest.raises(ServerUnavailable, match=r"see .*server\.log"),
    ):
        ask()


def test_what_our_server_refuses_comes_in_its_own_words(ask: Ask, server: Path, chat_model: Path) -> None:
    with pytest.raises(RequestRefused, match="temperature") as raised:
        ask(model=chat_model, temperature=-1)
    assert "the dsassist server" not in str(raised.value)
    with pytest.raises(ModelMissing, match="there is no file /no/such"):
        ask(model="/no/such.gguf")


def test_a_damaged_model_is_told(ask: Ask, server: Path, tmp_path: Path) -> None:
    (tmp_path / "damaged.gguf").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(ModelInvalid, match=r"damaged\.gguf"):
        ask(model=tmp_path / "damaged.gguf", max_retries=0)


def test_a_name_of_nothing_is_told_before_any_server_is_asked(ask: Ask, server: Path) -> None:
    with pytest.raises(DsassistError, match="the catalogue has no model 'nosuch'"):
        ask(model="nosuch")
    assert server_health() is None


def test_without_the_right_to_start_one_it_needs_a_server(server: Path, builtin_model: Path) -> None:
    target = target_of(builtin_model, None, None)
    assert isinstance(target, Local)
    with pytest.raises(ServerUnavailable, match="no dsassist server is running"):
        Door(target.door.settings, start=False).post("/v1/chat/completions", {})


def test_the_model_of_a_base_url_is_a_name(ask: Ask, builtin_model: Path) -> None:
    with pytest.raises(TypeError, match="knows its models by name"):
        ask(model=builtin_model, base_url="http://host")


def test_qwen_says_hello(ask: Ask, server: Path, real_model: Path) -> None:
    messages = [{"role": "user", "content": "What is the capital of France? Answer with one word."}]
    answer = ask(model=real_model, messages=messages, temperature=0, max_tokens=10)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].finish_reason == "stop"
