"""OpenAI's API over TCP: the real server and the builtin model, asked by hand and by OpenAI's own client."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from running_server import Served, serving, wait_for

pytestmark = pytest.mark.slow  # whole servers

PROMPT = "def add(a, b):\n    return "


def chat(content: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}], "max_tokens": 8, "temperature": 0, **more}


def test_the_second_time_the_prompt_is_in_the_cache_and_says_so(served: Served) -> None:
    body = {"prompt": "# the very same words, asked twice\n" + PROMPT, "max_tokens": 2, "temperature": 0}
    first = served.ask("POST", "/v1/completions", body).json["usage"]
    second = served.ask("POST", "/v1/completions", body).json["usage"]
    assert second["prompt_tokens"] == first["prompt_tokens"]
    assert second["prompt_tokens_details"]["cached_tokens"] >= second["prompt_tokens"] - 1
    assert second["completion_tokens"] == 2


def test_tokens_and_text_are_the_same_prompt(served: Served) -> None:
    tokens = served.ask("POST", "/tokenize", {"content": PROMPT, "add_special": True}).json["tokens"]
    answers = [
        served.ask("POST", "/v1/completions", {"prompt": prompt, "max_tokens": 6, "temperature": 0}).json
        for prompt in (PROMPT, tokens)
    ]
    assert answers[0]["choices"][0]["text"] == answers[1]["choices"][0]["text"]
    assert answers[0]["usage"]["prompt_tokens"] == len(tokens)


def test_several_prompts_and_choices_come_back_in_order(served: Served) -> None:
    body = {"prompt": [PROMPT, "import "], "n": 2, "max_tokens": 4, "temperature": 0}
    choices = served.ask("POST", "/v1/completions", body).json["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    alone = served.ask("POST", "/v1/completions", {**body, "prompt": "import ", "n": 1}).json["choices"][0]["text"]
    assert choices[2]["text"] == choices[3]["text"] == alone


def test_echo_with_log_probabilities_covers_the_whole_text(served: Served) -> None:
    body = {"prompt": PROMPT, "max_tokens": 2, "temperature": 0, "echo": True, "logprobs": 1}
    choice = served.ask("POST", "/v1/completions", body).json["choices"][0]
    assert choice["text"].startswith(PROMPT)
    logprobs = choice["logprobs"]
    assert "".join(logprobs["tokens"]) == choice["text"]
    assert all(value is None or value <= 0 for value in logprobs["token_logprobs"])
    for offset, token in zip(logprobs["text_offset"], logprobs["tokens"], strict=True):
        assert choice["text"][offset:].startswith(token)


def test_scores_of_continuations_are_the_models_own(served: Served) -> None:
    body = {"prefix": "if a < b:\n", "continuations": ["    return a\n", "zq qz zq\n"]}
    likely, unlikely = served.ask("POST", "/v1/score", body).json["data"]
    assert likely["sum"] == pytest.approx(sum(likely["logprobs"]))
    assert len(likely["tokens"]) == len(likely["logprobs"])
    assert likely["sum"] / len(likely["tokens"]) > unlikely["sum"] / len(unlikely["tokens"])


def test_a_grammar_binds_the_answer(served: Served) -> None:
    body = {"prompt": PROMPT, "grammar": 'root ::= "yes" | "no"', "max_tokens": 60}
    assert served.ask("POST", "/v1/completions", body).json["choices"][0]["text"] in ("yes", "no")


def test_a_model_without_a_chat_template_says_so(served: Served) -> None:
    answer = served.ask("POST", "/v1/chat/completions", chat("Say hello."))
    assert answer.status == 400
    assert "chat template" in answer.message


def test_a_stop_text_ends_the_answer_and_is_not_in_it(served: Served) -> None:
    body = {"prompt": PROMPT, "max_tokens": 12, "temperature": 0}
    text = served.ask("POST", "/v1/completions", body).json["choices"][0]["text"]
    stop = text[4:6]
    choice = served.ask("POST", "/v1/completions", {**body, "stop": [stop]}).json["choices"][0]
    assert choice["text"] == text[: text.index(stop)]
    assert choice["finish_reason"] == "stop"


def test_the_models_that_may_be_named_are_listed(served: Served) -> None:
    served.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1})
    (model,) = served.ask("GET", "/v1/models").json["data"]
    assert model["id"] == "builtin"
    assert model["meta"]["n_vocab"] > 0
    assert served.ask("GET", "/v1/models/builtin").json == model
    answer = served.ask("GET", "/v1/models/gpt-9")
    assert answer.status == 404
    assert answer.json["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("name", [None, "", "default", "builtin"])
def test_the_servers_own_model_has_several_names(served: Served, name: str | None) -> None:
    assert served.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1, "model": name}).status == 200


def test_a_model_is_never_named_by_its_path(served: Served, builtin_model: Path) -> None:
    answer = served.ask("POST", "/v1/completions", {"prompt": "a", "model": str(builtin_model)})
    assert answer.status == 404
    assert "here; there is builtin" in answer.message


def test_our_own_client_may_bring_its_settings_over_the_unix_socket_only(served: Served, builtin_model: Path) -> None:
    given = {"x-dsassist-engine": json.dumps({"model_path": str(builtin_model), "n_ctx": 256, "n_threads": 1})}
    body = {"prompt": "a", "max_tokens": 1}
    assert served.ask("POST", "/v1/completions", body, headers=given).status == 200
    assert served.status()["model"]["n_ctx"] == 1024, "over TCP the header counts for nothing"
    assert served.ask("POST", "/v1/completions", body, headers=given, over="unix").status == 200
    assert served.status()["model"]["n_ctx"] == 256
    back = {"x-dsassist-engine": json.dumps({"model_path": str(builtin_model), "n_threads": 1})}
    assert served.ask("POST", "/v1/completions", body, headers=back, over="unix").status == 200
    bad = served.ask("POST", "/v1/completions", body, headers={"x-dsassist-engine": "{"}, over="unix")
    assert (bad.status, bad.message.split(":")[0]) == (400, "the header x-dsassist-engine is not JSON")


@pytest.mark.parametrize(
    ("path", "body", "status", "message"),
    [
        ("/v1/chat/completions", b"{", 400, "the body is not JSON"),
        ("/v1/chat/completions", b"\xff", 400, "the body is not JSON"),
        ("/v1/chat/completions", b"[]", 400, "the body must be a JSON object"),
        ("/v1/chat/completions", chat("x", temperature=-1), 400, "temperature is -1; it must be between 0 and 100"),
        ("/v1/chat/completions", chat("x", grammar="root ::= ("), 400, ""),
        ("/v1/completions", {"prompt": "word " * 9000}, 400, ""),
        ("/v1/completions", {"prompt": "word " * 9000, "stream": True}, 400, ""),
        ("/v1/completions", {"prompt": [10**8]}, 400, "the token 100000000 of the prompt is not in the vocabulary"),
        ("/v1/nothing", {}, 404, "there is no /v1/nothing here"),
    ],
)
def test_bad_input_is_a_status_and_one_sentence(
    served: Served, path: str, body: Any, status: int, message: str
) -> None:
    answer = served.ask("POST", path, body)
    assert answer.status == status, answer.body
    assert answer.message.startswith(message)
    assert set(answer.json["error"]) == {"message", "type", "param", "code"}
    assert "Traceback" not in answer.message
    assert "\n" not in answer.message


def test_a_prompt_that_is_too_long_is_refused_with_both_numbers(served: Served) -> None:
    answer = served.ask("POST", "/v1/completions", {"prompt": "word " * 3000, "max_tokens": 1})
    assert answer.status == 400
    assert "1024" in answer.message


def test_a_client_that_goes_away_frees_the_engine(served: Served) -> None:
    connection = served.connect()
    body = json.dumps({"prompt": "x = [1, ", "max_tokens": 900, "temperature": 0, "ignore_eos": True, "stream": True})
    connection.request("POST", "/v1/completions", body)
    response = connection.getresponse()
    assert response.readline().startswith(b"data: ")
    assert served.status()["engine"]["requests"]
    response.close()
    connection.close()
    wait_for(lambda: not served.status()["engine"]["requests"])


def test_a_client_that_wants_the_whole_and_goes_away_frees_the_engine(served: Served) -> None:
    connection = served.connect()
    body = json.dumps({"prompt": "x = [1, ", "max_tokens": 900, "temperature": 0, "ignore_eos": True})
    connection.request("POST", "/v1/completions", body)
    wait_for(lambda: served.status()["engine"]["requests"])
    connection.close()
    wait_for(lambda: not served.status()["engine"]["requests"])


def test_a_stream_that_is_running_when_the_server_leaves_ends_cleanly(builtin_model: Path) -> None:
    with serving(builtin_model) as served:
        connection = served.connect()
        body = {"prompt": "x = [1, ", "max_tokens": 900, "temperature": 0, "ignore_eos": True, "stream": True}
        connection.request("POST", "/v1/completions", json.dumps(body))
        response = connection.getresponse()
        assert response.readline().startswith(b"data: ")
        served.process.terminate()
        data = response.read()
        assert data.endswith(b"data: [DONE]\n\n")
        error = json.loads(data.split(b"\n\n")[-3].strip().removeprefix(b"data: "))["error"]
        assert "was told to leave in the middle of this request; ask again" in error["message"]
        connection.close()
        assert served.process.wait(30) == 0
        assert "Traceback" not in served.log.read_text()


def test_an_engine_that_is_killed_in_a_stream_is_an_error_event_and_the_next_request_works(served: Served) -> None:
    connection = served.connect()
    body = {"prompt": "x = [1, ", "max_tokens": 900, "temperature": 0, "ignore_eos": True, "stream": True}
    connection.request("POST", "/v1/completions", json.dumps(body))
    response = connection.getresponse()
    assert response.readline().startswith(b"data: ")
    os.kill(served.status()["server"]["engine_pid"], signal.SIGKILL)
    data = response.read()
    connection.close()
    assert b"the engine process was killed by SIGKILL while it worked on this request" in data
    assert data.endswith(b"data: [DONE]\n\n")
    assert served.ask("POST", "/v1/completions", {"prompt": "a", "max_tokens": 1}).status == 200


def test_what_was_evaluated_is_there_again_after_a_restart(builtin_model: Path, tmp_path: Path) -> None:
    body = {"prompt": "# saved and restored\n" * 20, "max_tokens": 1}
    cached = []
    for _ in range(2):
        with serving(builtin_model, home=tmp_path) as served:
            usage = served.ask("POST", "/v1/completions", body).json["usage"]
            cached.append(usage["prompt_tokens_details"]["cached_tokens"])
    assert cached[0] == 0
    assert cached[1] > usage["prompt_tokens"] / 2


@pytest.fixture(scope="module")
def real_served(real_model: Path) -> Iterator[Served]:
    with serving(real_model, api_key="secret") as running:
        yield running


def test_a_chat_is_the_same_whole_and_streamed(real_served: Served) -> None:
    whole = real_served.ask("POST", "/v1/chat/completions", chat("Say hello."))
    assert whole.status == 200
    text = whole.json["choices"][0]["message"]["content"]
    streamed = real_served.ask("POST", "/v1/chat/completions", chat("Say hello.", stream=True))
    assert streamed.headers["content-type"] == "text/event-stream"
    *chunks, done = streamed.events
    assert done == "[DONE]"
    assert "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks) == text
    assert chunks[-1]["choices"][0]["finish_reason"] == whole.json["choices"][0]["finish_reason"]


def test_a_json_schema_binds_the_answer(real_served: Served) -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = real_served.ask("POST", "/v1/chat/completions", chat("Is 1 < 2?", response_format=wanted, max_tokens=40))
    assert isinstance(json.loads(answer.json["choices"][0]["message"]["content"])["ok"], bool)


def test_openais_own_client_chats_streams_and_calls_a_tool(real_served: Served) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{real_served.base_url}/v1", api_key="secret", timeout=120)
    messages = [{"role": "user", "content": "What is the capital of France? One word."}]
    answer = client.chat.completions.create(model="default", messages=messages, max_tokens=10, temperature=0)
    assert "Paris" in answer.choices[0].message.content
    assert answer.usage.prompt_tokens_details.cached_tokens >= 0
    stream = client.chat.completions.create(
        model="default",
        messages=messages,
        max_tokens=10,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == answer.choices[0].message.content
    assert chunks[-1].usage.completion_tokens == answer.usage.completion_tokens
    weather = {
        "name": "get_weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    }
    called = client.chat.completions.create(
        model="default",
        messages=[{"role": "user", "content": "What is the weather in Paris? Use the tool."}],
        tools=[{"type": "function", "function": weather}],
        max_tokens=60,
        temperature=0,
    )
    (call,) = called.choices[0].message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    assert called.choices[0].finish_reason == "tool_calls"


def test_openais_own_client_sees_our_errors_as_its_own(real_served: Served) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{real_served.base_url}/v1", api_key="secret", max_retries=0, timeout=120)
    with pytest.raises(openai.NotFoundError, match="there is no model 'gpt-9' here"):
        client.completions.create(model="gpt-9", prompt="a")
    with pytest.raises(openai.BadRequestError, match="temperature is -1"):
        client.completions.create(model="default", prompt="a", temperature=-1)
    wrong = openai.OpenAI(base_url=f"{real_served.base_url}/v1", api_key="wrong", max_retries=0, timeout=120)
    with pytest.raises(openai.AuthenticationError, match="the API key is missing or wrong"):
        wrong.models.list()


def test_openais_own_client_cancels_by_closing_its_stream(real_served: Served) -> None:
    import openai

    client = openai.OpenAI(base_url=f"{real_served.base_url}/v1", api_key="secret", timeout=120)
    stream = client.completions.create(model="default", prompt="1, 2, 3,", max_tokens=4000, stream=True)
    next(iter(stream))
    stream.close()
    wait_for(lambda: not real_served.status()["engine"]["requests"])
