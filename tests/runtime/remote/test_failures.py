"""What is said when a server, or the way to it, fails; and what is tried again."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from dsassist_runtime.api import InfillRequest
from dsassist_runtime.errors import DeadlineExceeded, DsassistError, Overloaded, RemoteFailed
from dsassist_runtime.remote.address import parse_address
from dsassist_runtime.remote.engine import RemoteEngine
from dsassist_runtime.remote.failures import message_in, refusal
from remote_server import Call, Json, Raw, RemoteServer, Route, Stream, completion_events, error, event, running, vllm

QWEN = "qwen2.5-coder"
REQUEST = InfillRequest("x = ", "\n", max_tokens=8)
DEEP = b"[" * 200_000


@contextmanager
def answering(
    answer: Route, timeout_s: float = 10, key: str | None = None
) -> Iterator[tuple[RemoteEngine, RemoteServer]]:
    """An engine at a server whose completions are answered so."""
    with running({**vllm(QWEN, ""), "POST /v1/completions": answer}) as server:
        engine = RemoteEngine(parse_address(server.address), timeout_s=timeout_s, api_key=lambda: key)
        with closing(engine):
            yield engine, server


def n_completions(server: RemoteServer) -> int:
    return server.paths().count("/v1/completions")


def failure(engine: RemoteEngine, kind: type[DsassistError]) -> str:
    with pytest.raises(kind) as raised:
        list(engine.infill(REQUEST))
    said = str(raised.value)
    assert "\n" not in said
    assert len(said) < 600
    return said


def failure_at(address: str, kind: type[DsassistError] = RemoteFailed) -> str:
    with closing(RemoteEngine(parse_address(address))) as engine:
        return failure(engine, kind)


# -- the server's own refusals


@pytest.mark.parametrize("status", [401, 403])
def test_refused_key_is_told_with_what_to_do(status: int) -> None:
    with answering(lambda _call: error(status, "Incorrect API key provided"), key="sk-secret") as (engine, server):
        said = failure(engine, RemoteFailed)
        assert f"refuses the key ({status}: Incorrect API key provided)" in said
        assert "set DSASSIST_API_KEY" in said
        assert "sk-secret" not in said
        assert n_completions(server) == 1


def test_missing_key_is_asked_for() -> None:
    with answering(lambda _call: error(401, "Authentication required")) as (engine, _server):
        assert "asks for a key (401: Authentication required)" in failure(engine, RemoteFailed)


def test_key_that_no_header_can_carry_is_refused_before_it_is_sent() -> None:
    with answering(lambda _call: Json({}), key="sk-\u00e9\n") as (engine, server):
        assert "has characters that no key has" in failure(engine, DsassistError)
        assert server.calls == []


def test_broken_server_is_told_and_not_asked_again() -> None:
    with answering(lambda _call: error(500, "CUDA out of memory")) as (engine, server):
        assert f"{server.address} failed (500: CUDA out of memory)" in failure(engine, RemoteFailed)
        assert n_completions(server) == 1


def test_page_in_place_of_an_error_is_not_shown() -> None:
    page = Raw(b"<!doctype html><html><body>Bad gateway</body></html>", "text/html", 502)
    with answering(lambda _call: page) as (engine, _server):
        assert "failed (502: it sent an HTML page)" in failure(engine, RemoteFailed)


def test_page_in_place_of_a_stream_is_told() -> None:
    page = Raw(b"<!doctype html>\n<html><body>Log in</body></html>", "text/html")
    with answering(lambda _call: page) as (engine, _server):
        assert "is no stream of events; is the address right?" in failure(engine, RemoteFailed)


def test_page_in_place_of_the_list_of_models_is_told() -> None:
    page = Raw(b"<!doctype html>", "text/html")
    with running({"GET /v1/models": lambda _call: page}) as server:
        assert "something that is no JSON; is the address right?" in failure_at(server.address)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Raw(DEEP, "application/json"), "something that is no JSON"),
        (Raw(b"no gzip", "application/json", headers={"content-encoding": "gzip"}), "cannot be unpacked"),
        (Json({"data": 5}), "lists no model"),
        (Json({"data": {"id": "x"}}), "lists no model"),
        (Raw(DEEP, "application/json", 500), "failed (500: [[["),
    ],
)
def test_odd_list_of_models_is_told(answer: Json | Raw, said: str) -> None:
    with running({"GET /v1/models": lambda _call: answer}) as server:
        assert said in failure_at(server.address)


def test_error_event_that_is_no_utf8_is_told() -> None:
    last = b"data: " + '{"error": "müde"}'.encode("utf-16-le") + b"\n\n"
    with answering(lambda _call: Stream([last])) as (engine, _server):
        assert "failed in the middle of its answer" in failure(engine, RemoteFailed)


def test_half_a_surrogate_pair_in_the_code_is_sent_replaced() -> None:
    with answering(lambda _call: Stream(completion_events("one", None))) as (engine, server):
        assert "".join(engine.infill(InfillRequest("x = '\udc80ü'\n", "\n"))) == "one"
        assert "x = '?ü'" in server.calls[-1].body["prompt"]


def test_redirect_to_another_host_is_not_followed() -> None:
    with running(vllm(QWEN, "x")) as elsewhere:
        away = Raw(b"", "text/plain", 307, {"location": f"{elsewhere.address}/v1/completions"})
        with answering(lambda _call: away) as (engine, _server):
            assert f"redirect to {elsewhere.address}/v1/completions, which is not followed" in failure(
                engine, RemoteFailed
            )
        assert elsewhere.calls == []


# -- the stream


def test_cut_stream_is_an_error_after_what_came() -> None:
    events = completion_events("one two three", None)[:2]
    with answering(lambda _call: Stream(events, cut=True)) as (engine, server):
        pieces = iter(engine.infill(REQUEST))
        assert next(pieces) == "one"
        with pytest.raises(RemoteFailed, match="broke off in the middle of its answer"):
            list(pieces)
        assert n_completions(server) == 1  # nothing is asked again once there was text


def test_stream_that_ends_without_a_reason_is_an_error() -> None:
    with answering(lambda _call: Stream(completion_events("one two", None)[:2])) as (engine, _server):
        assert "broke off" in failure(engine, RemoteFailed)


def test_stream_without_done_is_whole_when_it_gave_its_reason() -> None:
    events = completion_events("one two", None)[:-1]
    with answering(lambda _call: Stream(events)) as (engine, _server):
        assert "".join(engine.infill(REQUEST)) == "one two"


@pytest.mark.parametrize(
    "last",
    [
        event({"error": {"message": "engine is dead", "type": "internal"}}),
        event({"object": "error", "message": "engine is dead", "code": 500}),
        b'error: {"code": 500, "message": "engine is dead"}\n\n',
    ],
)
def test_error_in_the_stream_is_told_in_the_servers_words(last: bytes) -> None:
    events = [*completion_events("one two", None)[:1], last]
    with answering(lambda _call: Stream(events)) as (engine, _server):
        assert "failed in the middle of its answer (engine is dead)" in failure(engine, RemoteFailed)


def test_stream_is_over_at_done_though_the_server_does_not_hang_up() -> None:
    released = threading.Event()

    class Held(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield from completion_events("one two", None)
            released.wait(30)

    with answering(lambda _call: Stream(Held())) as (engine, _server):
        with engine.infill(REQUEST) as stream:
            assert "".join(stream) == "one two"
        assert stream.end is not None
        assert stream.end.finish_reason == "stop"
        assert not released.is_set()
        released.set()


def test_connection_of_a_whole_stream_serves_the_next_request() -> None:
    with answering(lambda _call: Stream(completion_events("one", None))) as (engine, server):
        for _ in range(3):
            assert "".join(engine.infill(REQUEST)) == "one"
        assert server.connections == 1


@pytest.mark.parametrize("last", [b"data: {\n\n", b"data: [1]\n\n", b"data: \xff\n\n", b"data: " + DEEP + b"\n\n"])
def test_event_that_is_no_object_is_told(last: bytes) -> None:
    with answering(lambda _call: Stream([last])) as (engine, _server):
        assert "sent an event that is no" in failure(engine, RemoteFailed)


def test_events_may_come_in_any_pieces_with_comments_between() -> None:
    whole = b": keep-alive\n\n" + b"".join(completion_events("one two", None)).replace(b"\n", b"\r\n")
    with answering(lambda _call: Stream([whole[i : i + 7] for i in range(0, len(whole), 7)])) as (engine, _server):
        assert "".join(engine.infill(REQUEST)) == "one two"


def test_silent_server_is_given_up() -> None:
    with answering(lambda _call: Stream(completion_events("one", None), pause_s=5), timeout_s=0.5) as (engine, _server):
        assert re.search(r"silent for 0.5 s|no answer .* within 0.5 s", failure(engine, DeadlineExceeded))


# -- tries


def test_busy_server_is_asked_again_after_the_time_it_names() -> None:
    times: list[float] = []

    def complete(_call: Call) -> Json | Stream:
        times.append(time.monotonic())
        return (
            error(503, "Loading model", retry_after="1") if len(times) < 2 else Stream(completion_events("one", None))
        )

    with answering(complete) as (engine, _server):
        assert "".join(engine.infill(REQUEST)) == "one"
    assert times[1] - times[0] >= 1.0


def test_busy_server_is_asked_three_times_at_most() -> None:
    with answering(lambda _call: error(429, "Rate limit reached")) as (engine, server):
        assert "is busy (429: Rate limit reached); try again later" in failure(engine, Overloaded)
        assert n_completions(server) == 3


def test_date_beyond_all_calendars_to_ask_again_is_none() -> None:
    with answering(lambda _call: error(503, "down", retry_after="Wed, 21 Oct 99999999999 07:28:00 GMT")) as (
        engine,
        server,
    ):
        assert "is busy (503: down)" in failure(engine, Overloaded)
        assert n_completions(server) == 3


@pytest.mark.parametrize("after", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_long_wait_is_told_and_not_waited(after: str) -> None:
    with answering(lambda _call: error(429, "Quota used up", retry_after=after)) as (engine, server):
        assert "Quota used up" in failure(engine, Overloaded)
        assert n_completions(server) == 1


def test_connection_that_the_server_gave_up_meanwhile_is_made_anew() -> None:
    def complete(_call: Call) -> Stream:
        return Stream(completion_events("one", None))

    with answering(complete) as (engine, server):
        for _ in range(2):
            assert "".join(engine.infill(REQUEST)) == "one"
            server.hang_up()
        assert "".join(engine.infill(REQUEST)) == "one"
        assert n_completions(server) == 3


def test_nobody_there_is_told() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = failure_at(f"http://127.0.0.1:{port}")
    assert said.startswith(f"http://127.0.0.1:{port} cannot be reached: ")
    assert said.endswith("does a server run there?")


def test_host_that_does_not_exist_is_told() -> None:
    said = failure_at("http://no-such-host.invalid")
    assert "there is no host no-such-host.invalid" in said


def test_server_without_tls_is_told() -> None:
    with running(vllm(QWEN, "1")) as server:
        address = server.address.replace("http://", "https://")
        assert "does not speak TLS" in failure_at(address)


def test_certificate_of_an_unknown_authority_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And the authority of one's own is trusted by SSL_CERT_FILE."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with running(vllm(QWEN, "one"), context) as server:
        assert server.address.startswith("https://")
        said = failure_at(server.address)
        assert "is not trusted: self" in said
        assert "SSL_CERT_FILE" in said
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        with closing(RemoteEngine(parse_address(server.address))) as engine:
            stream = engine.infill(REQUEST)
            assert "".join(stream) == "one"


def test_keyring_is_named_for_other_machines_only() -> None:
    for origin, is_named in (("https://llm.invalid", True), ("http://localhost:8080", False)):
        address = parse_address(origin)
        said = str(refusal(address, address.completions, 401, "", "", has_key=False))
        assert (f"`keyring set dsassist {origin}`" in said) == is_named


# -- the server's words


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"error": {"message": "no", "type": "x"}}', "no"),
        ('{"error": "no"}', "no"),
        ('{"object": "error", "message": "no"}', "no"),
        ('{"detail": "no"}', "no"),
        ('{"detail": [{"loc": ["body"], "msg": "no"}]}', "no"),
        ("plain\x1b[31m text\n", "plain [31m text"),
        ("", ""),
        ("[]", "[]"),
        ("x" * 1000, "x" * 297 + "..."),
    ],
)
def test_servers_words_are_found_and_made_one_line(content: str, words: str) -> None:
    assert message_in(content) == words
