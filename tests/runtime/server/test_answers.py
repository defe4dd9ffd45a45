"""The engine's events become the objects that OpenAI's and llama.cpp's clients read."""

from __future__ import annotations

import json
from typing import Any

from dsassist_runtime.api import (
    ChoiceEnd,
    FinishReason,
    GenerationEnd,
    InfillRequest,
    PromptRead,
    TextPiece,
    TokenLogprob,
    TopLogprob,
)
from dsassist_runtime.server.answer import Answer, Envelope
from dsassist_runtime.server.llama_answers import LlamaAnswer, LlamaStream, selected_fields, slots_of
from dsassist_runtime.server.llama_requests import infill_job
from dsassist_runtime.server.openai_answers import (
    ChatAnswer,
    ChatStream,
    CompletionAnswer,
    CompletionStream,
    ScoresAnswer,
)
from dsassist_runtime.wire import to_wire

ENVELOPE = Envelope("x-1", 5, "tiny")
PROMPT = {"event": "prompt", "value": to_wire(PromptRead(10, 4))}


def text(piece: str, n: int = 1, index: int = 0, *logprobs: TokenLogprob) -> dict[str, Any]:
    value = to_wire(TextPiece(piece, n, index, logprobs))
    return {
        "event": "text",
        "value": {key: item for key, item in value.items() if item or key in ("text", "completion_tokens")},
    }


def end(reason: FinishReason = "stop", *choices: ChoiceEnd, stop_text: str = "") -> dict[str, Any]:
    value = GenerationEnd(
        reason, 10, 4, 3, 50.0, 100.0, prompt_ms=30.0, predict_ms=60.0, choices=choices, stop_text=stop_text
    )
    return {"event": "end", "value": to_wire(value)}


def whole(answer: Answer, *events: dict[str, Any]) -> Any:
    assert b"".join(answer.event(0, event) for event in events) == b"", "an error can still be a status"
    return json.loads(answer.close())


def streamed(answer: Answer, *events: dict[str, Any], part: int = 0) -> list[Any]:
    data = b"".join(answer.event(part, event) for event in events) + answer.close()
    lines = data.split(b"\n\n")
    assert lines.pop() == b""
    assert all(line.startswith(b"data: ") for line in lines)
    found = [line.removeprefix(b"data: ") for line in lines]
    return [line.decode() if line == b"[DONE]" else json.loads(line) for line in found]


def test_a_whole_chat() -> None:
    body = whole(ChatAnswer(ENVELOPE), PROMPT, text("Hel"), text("lo ✓"), end())
    assert body["object"] == "chat.completion"
    assert (body["id"], body["created"], body["model"]) == ("x-1", 5, "tiny")
    (choice,) = body["choices"]
    assert choice["message"] == {"role": "assistant", "content": "Hello ✓"}
    assert choice["finish_reason"] == "stop"
    assert body["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 3,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 4},
    }


def test_a_streamed_chat_says_the_role_the_text_the_end_and_the_usage() -> None:
    answer = ChatStream(ENVELOPE, 1, include_usage=True)
    first, *texts, last, usage, done = streamed(answer, PROMPT, text('"a\n'), text("✓"), end("length"))
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [chunk["choices"][0]["delta"] for chunk in texts] == [{"content": '"a\n'}, {"content": "✓"}]
    assert {chunk["object"] for chunk in (first, *texts, last, usage)} == {"chat.completion.chunk"}
    assert last["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}
    assert usage["choices"] == []
    assert usage["usage"]["prompt_tokens_details"] == {"cached_tokens": 4}
    assert done == "[DONE]"


def test_usage_is_streamed_only_on_request() -> None:
    chunks = streamed(ChatStream(ENVELOPE, 1), PROMPT, text("a"), end())
    assert not any("usage" in chunk for chunk in chunks if chunk != "[DONE]")


def test_several_choices_keep_apart() -> None:
    events = [PROMPT, text("a", 1, 0), text("x", 1, 1), text("b", 2, 0)]
    events.append(end("stop", ChoiceEnd(0, "stop", 2), ChoiceEnd(1, "length", 1)))
    choices = whole(ChatAnswer(ENVELOPE), *events)["choices"]
    assert [(one["index"], one["message"]["content"], one["finish_reason"]) for one in choices] == [
        (0, "ab", "stop"),
        (1, "x", "length"),
    ]
    chunks = [chunk["choices"][0] for chunk in streamed(ChatStream(ENVELOPE, 2), *events)[:-1]]
    texts = [(chunk["index"], chunk["delta"]["content"]) for chunk in chunks if chunk["delta"].get("content")]
    assert texts == [(0, "a"), (1, "x"), (0, "b")]
    assert [(chunk["index"], chunk["finish_reason"]) for chunk in chunks[-2:]] == [(0, "stop"), (1, "length")]


def test_a_tool_call_comes_back_as_one_whole_and_streamed() -> None:
    written = 'Let me see. <tool_call>\n{"name": "look", "arguments": {"path": "a.py"}}\n</tool_call>'
    events = [PROMPT, *(text(written[i : i + 7]) for i in range(0, len(written), 7)), end()]
    (choice,) = whole(ChatAnswer(ENVELOPE, ("look",)), *events)["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert choice["finish_reason"] == "tool_calls"
    assert call["type"] == "function"
    assert call["function"]["name"] == "look"
    assert json.loads(call["function"]["arguments"]) == {"path": "a.py"}
    assert choice["message"]["content"].strip() == "Let me see."
    chunks = [chunk["choices"][0] for chunk in streamed(ChatStream(ENVELOPE, 1, ("look",)), *events)[:-1]]
    (piece,) = [piece for chunk in chunks for piece in chunk["delta"].get("tool_calls", [])]
    assert piece["index"] == 0
    assert json.loads(piece["function"]["arguments"]) == {"path": "a.py"}
    assert "".join(chunk["delta"].get("content") or "" for chunk in chunks).strip() == "Let me see."
    assert chunks[-1]["finish_reason"] == "tool_calls"


def test_a_call_of_a_tool_that_was_not_offered_is_text() -> None:
    (choice,) = whole(ChatAnswer(ENVELOPE), PROMPT, text("<tool_call>{}</tool_call>"), end())["choices"]
    assert choice["message"]["content"] == "<tool_call>{}</tool_call>"


def test_log_probabilities_of_a_chat_have_bytes_and_alternatives_and_no_infinities() -> None:
    token = TokenLogprob(7, "�", -0.5, (0xE2, 0x9C), (TopLogprob(8, "a", float("-inf")),))
    piece = text("", 1, 0, token)
    body = whole(ChatAnswer(ENVELOPE, logprobs=True), PROMPT, piece, end())
    expected = {
        "token": "�",
        "logprob": -0.5,
        "bytes": [0xE2, 0x9C],
        "top_logprobs": [{"token": "a", "logprob": -9999.0, "bytes": [97]}],
    }
    assert body["choices"][0]["logprobs"]["content"] == [expected]
    chunks = streamed(ChatStream(ENVELOPE, 1, logprobs=True), PROMPT, piece, end())
    assert chunks[1]["choices"][0]["logprobs"]["content"] == [expected]


def test_a_completion_that_echoes_its_prompt_has_its_tokens_too() -> None:
    prompt_tokens = (TokenLogprob(2, " b", -1.0, (32, 98)),)
    prompt = {"event": "prompt", "value": to_wire(PromptRead(2, 0, prompt_tokens))}
    written = text(" c", 1, 0, TokenLogprob(3, " c", -2.0, (32, 99)))
    expected = {
        "tokens": ["a", " b", " c"],
        "token_logprobs": [None, -1.0, -2.0],
        "top_logprobs": [None, None, None],
        "text_offset": [0, 1, 3],
    }
    (choice,) = whole(CompletionAnswer(ENVELOPE, 1, ("a b",), logprobs=True), prompt, written, end())["choices"]
    assert choice["text"] == "a b c"
    assert choice["logprobs"] == expected
    stream = CompletionStream(ENVELOPE, 1, 1, ("a b",), logprobs=True, include_usage=False)
    echoed, more, *_ = streamed(stream, prompt, written, end())
    assert echoed["choices"][0]["text"] + more["choices"][0]["text"] == "a b c"
    assert more["choices"][0]["logprobs"]["text_offset"] == [3]


def test_several_prompts_are_numbered_through() -> None:
    answer = CompletionAnswer(ENVELOPE, 2, logprobs=False)
    for part, event in [(1, PROMPT), (0, PROMPT), (1, text("x", 1, 1)), (0, text("a", 1, 0))]:
        answer.event(part, event)
    for part in (1, 0):
        answer.event(part, end("stop", ChoiceEnd(0, "stop", 1), ChoiceEnd(1, "stop", 1)))
    body = json.loads(answer.close())
    assert [(one["index"], one["text"]) for one in body["choices"]] == [(0, "a"), (1, ""), (2, ""), (3, "x")]
    assert body["usage"]["prompt_tokens"] == 20
    stream = CompletionStream(ENVELOPE, 2, 2, logprobs=False, include_usage=False)
    assert streamed(stream, text("x", 1, 1), part=1)[0]["choices"][0] == {
        "index": 3,
        "text": "x",
        "logprobs": None,
        "finish_reason": None,
    }


def test_an_error_in_a_stream_is_an_event_and_the_stream_is_done() -> None:
    answer = ChatStream(ENVELOPE, 1)
    data = answer.fail({"error": {"message": "gone"}})
    assert data == b'data: {"error":{"message":"gone"}}\n\ndata: [DONE]\n\n'


def test_scores_have_their_sum() -> None:
    scores = {"event": "scores", "value": [{"tokens": [1, 2], "logprobs": [-1.0, float("-inf")]}]}
    body = whole(ScoresAnswer(ENVELOPE), scores)
    assert body["data"] == [
        {"object": "score", "index": 0, "tokens": [1, 2], "logprobs": [-1.0, -9999.0], "sum": -9999.0}
    ]


def test_what_llama_vim_reads_back_is_there_under_the_names_it_asked_for() -> None:
    names = ["content", "timings/prompt_n", "timings/predicted_per_second", "truncated", "tokens_cached", "nothing"]
    job = infill_job({"input_prefix": "a", "input_suffix": "b", "n_predict": 3, "response_fields": names})
    assert whole(LlamaAnswer(job, "tiny", lambda: 99), PROMPT, text("x"), end()) == {
        "content": "x",
        "timings/prompt_n": 6,
        "timings/predicted_per_second": 50.0,
        "truncated": False,
        "tokens_cached": 4,
    }


def test_a_client_that_wants_no_field_gets_an_empty_object() -> None:
    assert selected_fields({"content": "x"}, ("",)) == {}


def test_the_whole_object_of_llama_cpp() -> None:
    job = infill_job(
        {"input_prefix": "a", "n_predict": 3, "stop": ["\n"], "seed": 5, "return_tokens": True, "n_probs": 1}
    )
    token = TokenLogprob(7, "x", -0.5, (120,), (TopLogprob(8, "y", -1.0),))
    body = whole(LlamaAnswer(job, "tiny", lambda: 99), PROMPT, text("x", 1, 0, token), end("stop", stop_text="\n"))
    assert (body["stop"], body["stop_type"], body["stopping_word"]) == (True, "word", "\n")
    assert (body["tokens_evaluated"], body["tokens_predicted"], body["tokens"]) == (10, 3, [7])
    assert body["generation_settings"]["n_ctx"] == 99
    assert body["generation_settings"]["seed"] == 5
    assert body["completion_probabilities"][0]["top_logprobs"] == [
        {"id": 8, "token": "y", "bytes": [121], "logprob": -1.0}
    ]


def test_several_choices_of_llama_cpp_are_a_list() -> None:
    job = infill_job({"input_prefix": "a", "n_predict": 3, "n_cmpl": 2})
    ends = end("stop", ChoiceEnd(0, "stop", 1), ChoiceEnd(1, "length", 1))
    body = whole(LlamaAnswer(job, "tiny", lambda: 99), PROMPT, text("x", 1, 0), text("y", 1, 1), ends)
    assert [(one["index"], one["content"], one["stop_type"]) for one in body] == [(0, "x", "eos"), (1, "y", "limit")]


def test_llama_cpps_stream_ends_with_the_object_that_says_stop() -> None:
    job = infill_job({"input_prefix": "a", "n_predict": 3, "stream": True})
    piece, last = streamed(LlamaStream(job, "tiny", lambda: 99), PROMPT, text('"\n'), end("length"))
    assert (piece["content"], piece["stop"], piece["tokens_evaluated"]) == ('"\n', False, 10)
    assert (last["stop"], last["stop_type"], last["timings"]["cache_n"]) == (True, "limit", 4)


def test_an_infill_request_is_what_the_settings_are_of() -> None:
    job = infill_job({"input_prefix": "a", "temperature": 0.7, "n_predict": 3})
    assert isinstance(job.requests[0], InfillRequest)
    assert whole(LlamaAnswer(job, "tiny", lambda: 0), PROMPT, end())["generation_settings"]["temperature"] == 0.7


def test_slots_are_the_requests_and_one_that_is_idle_where_there_are_none() -> None:
    assert [slot["is_processing"] for slot in slots_of(None, 99)] == [False]
    request = {
        "request": 3,
        "kind": "chat",
        "priority": "chat",
        "state": "decode",
        "document": "",
        "prompt_tokens": 9,
        "evaluated_tokens": 9,
        "completion_tokens": 2,
        "age_ms": 1.0,
    }
    status = {"requests": [request, {**request, "state": "waiting"}], "speculating": False}
    assert [(slot["id"], slot["is_processing"]) for slot in slots_of(status, 99)] == [(0, True), (1, False)]
