"""OpenAI's bodies become the engine's requests, or are refused with the field's name."""

from __future__ import annotations

from typing import Any

import pytest

from dsassist_runtime.api import ChatRequest, CompletionRequest, InfillRequest, Sampling, TokenBias
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.server.fields import parse_object
from dsassist_runtime.server.generation_fields import ALL_THE_ROOM
from dsassist_runtime.server.openai_requests import chat_job, completion_job, continuations_request
from dsassist_runtime.wire import from_wire, to_wire

HELLO: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}


def test_a_chat_without_options_has_dsassists_own_defaults() -> None:
    job = chat_job(HELLO)
    assert job.request == ChatRequest(messages=HELLO["messages"], max_tokens=ALL_THE_ROOM)
    assert (job.stream, job.include_usage, job.tool_names) == (False, False, ())
    assert job.request.sampling == Sampling()


def test_every_option_of_a_chat_arrives() -> None:
    body = {
        **HELLO,
        "max_completion_tokens": 7,
        "max_tokens": 9,
        "temperature": 1,
        "top_p": 0.5,
        "seed": 3,
        "n": 2,
        "stop": "\n",
        "logprobs": True,
        "top_logprobs": 4,
        "frequency_penalty": 0.5,
        "presence_penalty": -0.5,
        "logit_bias": {"15": -100, "16": 1.5},
        "response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "array"}}},
        "tools": [TOOL],
        "tool_choice": "auto",
        "stream": True,
        "stream_options": {"include_usage": True},
        "priority": "idle",
        "document": "file:///a.py",
        "deadline_ms": 500,
        "user": "somebody",
        "reasoning_effort": "low",
    }
    job = chat_job(body)
    assert job.request == ChatRequest(
        messages=HELLO["messages"],
        tools=[TOOL],
        max_tokens=7,
        n=2,
        stop=("\n",),
        logprobs=4,
        priority="idle",
        document="file:///a.py",
        deadline_ms=500.0,
        sampling=Sampling(
            temperature=1.0,
            top_p=0.5,
            seed=3,
            frequency_penalty=0.5,
            presence_penalty=-0.5,
            logit_bias=(TokenBias(15, -100.0), TokenBias(16, 1.5)),
            json_schema={"type": "array"},
        ),
    )
    assert (job.stream, job.include_usage, job.tool_names) == (True, True, ("look",))
    assert from_wire(ChatRequest, to_wire(job.request)) == job.request, "what is sent is what the engine reads"


def test_tools_are_left_out_where_the_model_may_not_choose_one() -> None:
    job = chat_job({**HELLO, "tools": [TOOL], "tool_choice": "none"})
    assert job.request.tools is None
    assert job.tool_names == ()


def test_a_request_that_only_warms_the_cache_waits_for_everybody_else() -> None:
    assert chat_job({**HELLO, "n_predict": 0, "samplers": []}).request.priority == "idle"
    assert chat_job({**HELLO, "n_predict": 0}).request.max_tokens == 0


def test_null_counts_as_absent() -> None:
    assert chat_job({**HELLO, "temperature": None, "stop": None, "tools": None, "seed": None}) == chat_job(HELLO)


@pytest.mark.parametrize("seed", [-1, 2**32 - 1])
def test_llama_cpps_ways_to_say_any_seed_are_any_seed(seed: int) -> None:
    assert chat_job({**HELLO, "seed": seed}).request.sampling.seed is None


def test_json_mode_is_a_schema_of_any_object() -> None:
    job = chat_job({**HELLO, "response_format": {"type": "json_object"}})
    assert job.request.sampling.json_schema == {"type": "object"}


@pytest.mark.parametrize(
    ("prompt", "requests"),
    [
        ("a", [CompletionRequest(prompt="a", max_tokens=5)]),
        (["a", "b"], [CompletionRequest(prompt="a", max_tokens=5), CompletionRequest(prompt="b", max_tokens=5)]),
        ([1, 2], [CompletionRequest(tokens=(1, 2), max_tokens=5)]),
        ([[1], [2]], [CompletionRequest(tokens=(1,), max_tokens=5), CompletionRequest(tokens=(2,), max_tokens=5)]),
    ],
)
def test_a_prompt_is_a_text_or_tokens_or_a_list_of_them(prompt: Any, requests: list[CompletionRequest]) -> None:
    assert list(completion_job({"prompt": prompt, "max_tokens": 5}).requests) == requests


def test_a_suffix_makes_it_an_infill_that_somebody_waits_for() -> None:
    (request,) = completion_job({"prompt": "a", "suffix": "b", "max_tokens": 5}).requests
    assert request == InfillRequest("a", "b", max_tokens=5)
    assert request.priority == "interactive"


def test_echo_asks_for_the_prompts_own_log_probabilities_where_they_are_wanted() -> None:
    job = completion_job({"prompt": "a", "echo": True, "logprobs": 0, "max_tokens": 0})
    assert job.echo
    assert job.requests == (CompletionRequest(prompt="a", max_tokens=0, logprobs=0, echo_logprobs=True),)
    assert not completion_job({"prompt": "a", "logprobs": 2}).requests[0].echo_logprobs  # type: ignore[union-attr]


def test_continuations_of_a_prefix() -> None:
    request = continuations_request({"prompt": "a", "continuations": ["b", "c"], "deadline_ms": 5})
    assert (request.prefix, request.continuations, request.priority, request.deadline_ms) == (
        "a",
        ("b", "c"),
        "review",
        5,
    )
    assert continuations_request({"prefix": "", "continuations": ["b"]}).prefix == ""


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"messages": []}, "messages must be a list of at least one message"),
        ({"messages": "hello"}, 'messages must be a list, not "hello"'),
        ({"messages": [{"content": "x"}]}, 'messages[0] must be an object with a "role"'),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages has a half of a surrogate pair"),
        ({"temperature": -0.1}, "temperature is -0.1; it must be between 0 and 100"),
        ({"temperature": float("nan")}, "temperature is NaN; it must be between 0 and 100"),
        ({"temperature": 10**400}, "temperature is 1000"),
        ({"temperature": "hot"}, 'temperature must be a number, not "hot"'),
        ({"temperature": True}, "temperature must be a number, not true"),
        ({"top_p": 1.5}, "top_p is 1.5; it must be between 0 and 1"),
        ({"max_tokens": 1.5}, "max_tokens must be a whole number, not 1.5"),
        ({"max_tokens": -2}, "max_tokens is -2; it must be at least -1"),
        ({"n": 0}, "n is 0; it must be between 1 and 16"),
        ({"n": 10**6}, "n is 1000000; it must be between 1 and 16"),
        ({"stop": [1]}, "stop[0] must be a text, not 1"),
        ({"stream": "yes"}, 'stream must be true or false, not "yes"'),
        ({"stream_options": 1}, "stream_options must be an object, not 1"),
        ({"top_logprobs": 3}, "top_logprobs needs logprobs to be true"),
        ({"logit_bias": {"a": 1}}, 'logit_bias must be a list of token numbers, and has "a"'),
        ({"logit_bias": [[1]]}, "logit_bias must be an object"),
        ({"logit_bias": {"1": "x"}}, 'logit_bias must be a number, not "x"'),
        (
            {"response_format": {"type": "xml"}},
            'response_format.type is "xml"; allowed are text, json_object, json_schema',
        ),
        ({"response_format": {"type": "json_schema"}}, 'response_format.json_schema lacks the field "schema"'),
        ({"grammar": "root ::= x", "json_schema": {}}, "grammar and a JSON schema exclude each other"),
        ({"tool_choice": "required"}, 'tool_choice may be "auto" or "none"'),
        ({"tools": [{"type": "function"}]}, "tools[0] must be"),
        ({"priority": "urgent"}, 'priority is "urgent"; allowed are interactive, chat, review, idle'),
        ({"deadline_ms": -1}, "deadline_ms is -1; it must be at least 0"),
        ({"chat_template_kwargs": []}, "chat_template_kwargs must be an object, not []"),
    ],
)
def test_a_bad_chat_is_refused_in_one_sentence_that_names_the_field(more: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        chat_job({**HELLO, **more})
    assert str(caught.value).startswith(message)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "prompt is missing"),
        ({"prompt": []}, "prompt must not be an empty list"),
        ({"prompt": 3}, "prompt must be a list, not 3"),
        ({"prompt": [1, -2]}, "prompt must be a list of token numbers, and has -2"),
        ({"prompt": ["a", 1]}, "prompt[1] must be a text, not 1"),
        ({"prompt": ["a"] * 65}, "prompt has 65 prompts; at most 64 may come in one request"),
        ({"prompt": [1], "suffix": "b"}, "prompt must be a text where there is a suffix"),
        ({"prompt": [1], "echo": True}, "echo needs a prompt of text, and no suffix"),
        ({"prompt": "a", "best_of": 3}, "best_of is 3, and other than n it is not offered here"),
        ({"prompt": "a", "logprobs": 21}, "logprobs is 21; it must be between 0 and 20"),
    ],
)
def test_a_bad_completion_is_refused_in_one_sentence(body: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestRefused) as caught:
        completion_job(body)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"continuations": ["a"]}, "prefix is missing"),
        ({"prefix": "a"}, "continuations must be a list of at least one text"),
        ({"prefix": "a", "continuations": [""]}, "continuations must be a list of at least one text"),
    ],
)
def test_a_bad_score_is_refused_in_one_sentence(body: dict[str, Any], message: str) -> None:
    with pytest.raises(RequestRefused, match=message):
        continuations_request(body)


@pytest.mark.parametrize("data", [b"", b"{", b"\xff", b"[" * 200_000, b'{"a": 1' + b"0" * 5000 + b"}"])
def test_what_is_no_json_is_refused_and_not_crashed_on(data: bytes) -> None:
    with pytest.raises(RequestRefused, match="the body is not JSON"):
        parse_object(data)
