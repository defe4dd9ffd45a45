"""How each kind of server is asked to fill in the middle, and what is made of its answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from dsassist_runtime.api import ContextFile, InfillRequest, Sampling
from dsassist_runtime.errors import ModelUnsupported, NotDone, RemoteFailed, RequestRefused
from dsassist_runtime.remote.address import parse_address
from dsassist_runtime.remote.engine import RemoteEngine, RemoteFim
from remote_server import (
    KEY,
    Call,
    Json,
    RemoteServer,
    Route,
    Stream,
    completion_events,
    error,
    llama_server,
    models,
    reading_suffix,
    running,
    vllm,
)

QWEN = "Qwen/Qwen2.5-Coder-7B"
REQUEST = InfillRequest("def f(a):\n    return ", "\n\nprint(f(1))\n", max_tokens=20, sampling=Sampling(0.2, seed=7))


@contextmanager
def engine_at(
    routes: dict[str, Route], *, model: str = "", fim: RemoteFim = "auto", key: str | None = None
) -> Iterator[tuple[RemoteEngine, RemoteServer]]:
    with running(routes) as server:
        address = parse_address(f"{server.address}#{model}" if model else server.address)
        with closing(RemoteEngine(address, fim=fim, timeout_s=10, api_key=lambda: key)) as engine:
            yield engine, server


def text_of(engine: RemoteEngine, request: InfillRequest = REQUEST) -> str:
    return "".join(engine.infill(request))


# -- the form


def test_vllm_gets_the_familys_marks_in_the_prompt() -> None:
    with engine_at(vllm(QWEN, "a + 1")) as (engine, server):
        stream = engine.infill(REQUEST)
        assert "".join(stream) == "a + 1"
        body = server.calls[-1].body
    assert body["prompt"] == f"<|fim_prefix|>{REQUEST.prefix}<|fim_suffix|>{REQUEST.suffix}<|fim_middle|>"
    assert (body["temperature"], body["seed"], body["top_k"], body["max_tokens"]) == (0.2, 7, 40, 20)
    assert "<|fim_suffix|>" in body["stop"]
    assert stream.end is not None
    assert (stream.end.finish_reason, stream.end.cached_tokens, stream.end.completion_tokens) == ("stop", 2, 3)
    assert stream.end.prompt_tokens > 10


def test_llama_server_is_asked_by_its_own_infill() -> None:
    request = InfillRequest("x = ", "\n", extra=(ContextFile("a.py", "A = 1"),), prompt="1 +", min_indent=4)
    with engine_at(llama_server("some-model", " 2")) as (engine, server):
        stream = engine.infill(request)
        assert "".join(stream) == " 2"
        call = server.calls[-1]
    assert call.path == "/infill"
    assert call.body["input_extra"] == [{"filename": "a.py", "text": "A = 1"}]
    assert (call.body["prompt"], call.body["n_indent"], call.body["n_predict"]) == ("1 +", 4, 200)
    assert stream.end is not None
    assert (stream.end.prompt_tokens, stream.end.cached_tokens, stream.end.completion_tokens) == (12, 5, 3)


def test_what_is_begun_stands_at_the_end_of_the_prefix() -> None:
    request = InfillRequest("x = 1\n", "\n", prompt="y = ", begun="12")
    with engine_at(vllm(QWEN, "3")) as (engine, server):
        (piece,) = engine.infill(request).pieces()
        body = server.calls[-1].body
    assert (piece.text, piece.completion_tokens, piece.logprobs) == ("3", 1, ())
    assert body["prompt"] == "<|fim_prefix|>x = 1\ny = 12<|fim_suffix|>\n<|fim_middle|>"
    with engine_at(llama_server("some-model", "3")) as (engine, server):
        assert text_of(engine, request) == "3"
        body = server.calls[-1].body
    assert body["input_prefix"] + body["prompt"] == "x = 1\ny = 12"


def test_llama_server_with_a_model_without_marks_falls_back_to_the_name() -> None:
    with engine_at(llama_server("qwen2.5-coder", "1", has_fim=False)) as (engine, server):
        assert text_of(engine) == "1"
        assert server.calls[-1].path == "/v1/completions"
        assert server.calls[-1].body["prompt"].startswith("<|fim_prefix|>")


def test_ollama_gets_a_suffix_though_the_family_is_known() -> None:
    with engine_at(reading_suffix("qwen2.5-coder:7b", "1", "library")) as (engine, server):
        stream = engine.infill(REQUEST)
        assert "".join(stream) == "1"
        body = server.calls[-1].body
        assert stream.end is not None
        assert stream.end.cached_tokens == 1
    assert (body["prompt"], body["suffix"]) == (REQUEST.prefix, REQUEST.suffix)
    assert "stop" not in body


def test_ollama_is_known_by_its_version_when_the_model_is_somebodys_own() -> None:
    routes = reading_suffix("ann/qwen2.5-coder", "1", "ann")
    with engine_at({**routes, "GET /api/version": lambda _call: Json({"version": "0.12.0"})}) as (engine, server):
        assert text_of(engine) == "1"
        assert "suffix" in server.calls[-1].body
        assert engine.server_kind == "Ollama"


def test_unknown_model_is_asked_with_a_suffix_where_the_server_reads_it() -> None:
    with engine_at(reading_suffix("house-model", "1", "house")) as (engine, server):
        assert text_of(engine) == "1"
        assert server.calls[-1].body["suffix"] == REQUEST.suffix


def test_server_that_leaves_the_suffix_out_without_a_word_is_found_out() -> None:
    with (
        engine_at(reading_suffix("house-model", "1", "house", reads_it=False)) as (engine, _server),
        pytest.raises(ModelUnsupported, match=r"house-model at http.* cannot complete code: .*qwen-coder"),
    ):
        text_of(engine)


def test_unknown_model_on_a_server_without_a_suffix_cannot_complete() -> None:
    with (
        engine_at(vllm("house-model", "1")) as (engine, _server),
        pytest.raises(ModelUnsupported, match="does not read a suffix"),
    ):
        text_of(engine)


def test_option_forces_the_suffix() -> None:
    with engine_at(reading_suffix(QWEN, "1", "house"), fim="suffix") as (engine, server):
        assert text_of(engine) == "1"
        assert server.calls[-1].body["suffix"] == REQUEST.suffix


def test_option_forces_the_marks() -> None:
    with engine_at(llama_server(QWEN, "1"), fim="prompt") as (engine, server):
        assert text_of(engine) == "1"
        assert server.calls[-1].path == "/v1/completions"
    with (
        engine_at(vllm("house-model", "1"), fim="prompt") as (engine, _server),
        pytest.raises(ModelUnsupported, match=r"engine\.remote_fim"),
    ):
        text_of(engine)


def test_strict_server_gets_no_field_that_openai_does_not_have() -> None:
    routes = {**vllm(QWEN, "1", extra_fields=False), "GET /v1/models": models(QWEN, "organization-owner")}
    with engine_at(routes) as (engine, _server):
        assert text_of(engine) == "1"


def test_server_is_looked_at_once() -> None:
    with engine_at(llama_server(QWEN, "1")) as (engine, server):
        for _ in range(3):
            assert text_of(engine) == "1"
        assert server.paths() == ["/v1/models", "/props", "/infill", *["/infill"] * 3]
        assert server.connections == 1  # the line is kept open


# -- which model


def test_first_model_is_taken_when_the_address_names_none() -> None:
    with engine_at(vllm(QWEN, "1")) as (engine, _server):
        facts = engine.facts()
    assert (facts.name, facts.n_ctx, facts.fim_orders, facts.architecture) == (QWEN, 4096, ("psm",), "qwen-coder")


def test_named_model_is_asked_for_and_its_absence_is_told_in_the_servers_words() -> None:
    with (
        engine_at(vllm(QWEN, "1"), model="qwen2.5-coder-32b") as (engine, _server),
        pytest.raises(RemoteFailed, match=r"The model `qwen2.5-coder-32b` does not exist"),
    ):
        text_of(engine)


def test_list_of_models_may_be_missing_where_the_address_names_one() -> None:
    routes = vllm(QWEN, "1")
    del routes["GET /v1/models"]
    with engine_at({**routes}, model=QWEN) as (engine, _server):
        assert text_of(engine) == "1"
    with (
        engine_at({**routes}) as (engine, _server),
        pytest.raises(RemoteFailed, match=r"/v1/models is not to be had \(404: Not Found\)"),
    ):
        engine.facts()


def test_empty_list_of_models_is_told() -> None:
    with (
        engine_at({"GET /v1/models": lambda _call: Json({"data": []})}) as (engine, _server),
        pytest.raises(RemoteFailed, match="lists no model; name one in the address, behind #"),
    ):
        engine.facts()


# -- the text


def test_marks_that_a_server_writes_out_end_the_text_and_are_not_shown() -> None:
    with engine_at(vllm(QWEN, "a + 1<|fim_suffix|> and more")) as (engine, _server):
        stream = engine.infill(REQUEST)
        assert "".join(stream) == "a + 1"
        assert stream.end is not None
        assert stream.end.finish_reason == "stop"


def test_line_separator_in_the_text_ends_no_event() -> None:
    with engine_at(vllm(QWEN, "'\u2028' + \u00e9")) as (engine, _server):
        assert text_of(engine) == "'\u2028' + \u00e9"


def test_half_a_surrogate_pair_shows_as_the_replacement_character() -> None:
    def complete(_call: Call) -> Stream:
        return Stream([b'data: {"choices": [{"text": "a\\ud83d", "finish_reason": "stop"}]}\n\n'])

    with engine_at({**vllm(QWEN, ""), "POST /v1/completions": complete}) as (engine, _server):
        text = text_of(engine)
    assert text.startswith("a\ufffd")
    text.encode()


def test_prompt_is_cut_to_its_budget_at_line_ends() -> None:
    request = InfillRequest("a = 1\n" * 300, "b = 2\n" * 300, max_prompt_tokens=100)
    with engine_at(reading_suffix("m", "1", "library")) as (engine, server):
        text_of(engine, request)
        body = server.calls[-1].body
    assert 200 < len(body["prompt"]) + len(body["suffix"]) <= 300
    assert len(body["suffix"]) <= 75
    assert body["prompt"].startswith("a = 1\n")
    assert body["suffix"].endswith("b = 2\n")


def test_closing_from_another_thread_hangs_up_and_ends_the_iteration() -> None:
    def complete(_call: Call) -> Stream:
        return Stream(completion_events("word " * 2000, None), pause_s=0.02)

    with engine_at({**vllm(QWEN, ""), "POST /v1/completions": complete}) as (engine, server):
        stream = engine.infill(REQUEST)
        pieces = iter(stream)
        first = next(pieces)
        threading.Timer(0.2, stream.close).start()
        rest = list(pieces)
        assert server.hung_up.wait(10)
    assert first.strip() == "word"
    assert len(rest) < 1000
    assert stream.end is not None
    assert stream.end.finish_reason == "cancelled"
    assert stream.end.completion_tokens == len(rest) + 1


def test_closing_wakes_who_waits_for_the_first_byte() -> None:
    answered = threading.Event()

    def complete(_call: Call) -> Stream:
        answered.wait(30)
        return Stream([])

    with engine_at({**vllm(QWEN, ""), "POST /v1/completions": complete}) as (engine, _server):
        stream = engine.infill(REQUEST)
        threading.Timer(0.3, stream.close).start()
        assert list(stream) == []
        assert not answered.is_set()
        answered.set()
    assert stream.end is not None
    assert stream.end.finish_reason == "cancelled"


def test_stream_that_is_closed_before_it_is_read_sends_nothing() -> None:
    with engine_at(vllm(QWEN, "1")) as (engine, server):
        engine.infill_form()
        stream = engine.infill(REQUEST)
        n_calls = len(server.calls)
        stream.close()
        assert list(stream) == []
        assert len(server.calls) == n_calls


def test_deadline_ends_the_text() -> None:
    def complete(_call: Call) -> Stream:
        return Stream(completion_events("word " * 2000, None), pause_s=0.02)

    with engine_at({**vllm(QWEN, ""), "POST /v1/completions": complete}) as (engine, _server):
        stream = engine.infill(InfillRequest("x", "", deadline_ms=300))
        assert len(list(stream)) < 1000
    assert stream.end is not None
    assert stream.end.finish_reason == "deadline"


def test_several_requests_at_once_do_not_mix() -> None:
    def complete(call: Call) -> Stream:
        name = call.body["prompt"].split("name")[1].split("<")[0]
        return Stream(completion_events(f"{name} " * 20, None), pause_s=0.002)

    texts: dict[int, str] = {}
    with engine_at({**vllm(QWEN, ""), "POST /v1/completions": complete}) as (engine, _server):

        def ask(i: int) -> None:
            texts[i] = text_of(engine, InfillRequest(f"name{i}", ""))

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert texts == {i: f"{i} " * 20 for i in range(12)}


# -- keys, consent, and what cannot be had


def test_key_is_sent_and_asked_for_once() -> None:
    asked: list[int] = []

    def api_key() -> str:
        asked.append(1)
        return KEY

    with running(vllm(QWEN, "1")) as server:
        with closing(RemoteEngine(parse_address(server.address), api_key=api_key)) as engine:
            assert text_of(engine) == "1"
        assert {call.headers["authorization"] for call in server.calls} == {f"Bearer {KEY}"}
    assert len(asked) == 1


def test_without_a_key_no_such_header_is_sent() -> None:
    with engine_at(vllm(QWEN, "1")) as (engine, server):
        text_of(engine)
        assert not any("authorization" in call.headers for call in server.calls)


def test_nothing_is_sent_without_consent() -> None:
    def refuse() -> None:
        raise NotDone("not without consent")

    with running(vllm(QWEN, "1")) as server:
        engine = RemoteEngine(parse_address(server.address), check_consent=refuse)
        with pytest.raises(NotDone, match="not without consent"):
            engine.infill(REQUEST)
        assert server.calls == []


def test_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with engine_at(vllm(QWEN, "1")) as (engine, _server):
        assert text_of(engine) == "1"


def test_what_only_a_local_engine_can_do_is_refused() -> None:
    with engine_at(vllm(QWEN, "1")) as (engine, _server):
        traced = InfillRequest("x", "", trace_experts=True)
        with pytest.raises(ModelUnsupported, match="does not tell which experts"):
            engine.infill(traced)
        with pytest.raises(RequestRefused, match="n, grammar cannot be had"):
            engine.infill(InfillRequest("x", "", n=2, sampling=Sampling(grammar="root ::= 'a'")))


def test_error_of_the_protocol_is_told_in_the_servers_words() -> None:
    routes = {**vllm(QWEN, ""), "POST /v1/completions": lambda _call: error(400, "maximum context length is 4096")}
    with (
        engine_at(routes) as (engine, _server),
        pytest.raises(RequestRefused, match=r"refuses the request \(400: maximum context length is 4096\)"),
    ):
        text_of(engine)
