"""OpenAI's request bodies as requests to the engine. Pure functions; a body that does not fit raises `BadField`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from dsassist_runtime.api import ChatRequest, CompletionRequest, ContinuationsRequest, InfillRequest
from dsassist_runtime.server.fields import Fields
from dsassist_runtime.server.generation_fields import (
    ALL_THE_ROOM,
    PROMPT_LIMIT,
    generation_arguments,
    max_tokens,
    priority,
)

__all__ = ["ChatJob", "CompletionJob", "chat_job", "completion_job", "continuations_request"]

_CHOICE_LIMIT = 16
_TOP_LOGPROBS_LIMIT = 20
_INFILL_TOKENS = 256  # where no limit is given: what is to be written takes its room from the prefix


@dataclass(frozen=True)
class ChatJob:
    """`tool_names` are those that the answer may call."""

    request: ChatRequest
    stream: bool
    include_usage: bool
    tool_names: tuple[str, ...]


@dataclass(frozen=True)
class CompletionJob:
    """One request for each prompt; with `echo` an answer begins with the prompt."""

    requests: tuple[CompletionRequest | InfillRequest, ...]
    stream: bool
    include_usage: bool
    echo: bool


def chat_job(body: dict[str, Any]) -> ChatJob:
    """`POST /v1/chat/completions`."""
    fields = Fields(body)
    messages = fields.sequence("messages")
    if not messages:
        raise fields.refuse("messages", "must be a list of at least one message")
    for i, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise fields.refuse(f"messages[{i}]", 'must be an object with a "role"')
    tools, names = _tools(fields)
    _refuse_surrogates(fields, "messages", messages)
    with_logprobs = fields.boolean("logprobs")
    n_top = fields.integer("top_logprobs", 0, 0, _TOP_LOGPROBS_LIMIT)
    if n_top and not with_logprobs:
        raise fields.refuse("top_logprobs", "needs logprobs to be true")
    limit = max_tokens(fields, "max_completion_tokens", "max_tokens", "n_predict")
    request = ChatRequest(
        messages=messages,
        tools=tools,
        template_arguments=dict(fields.inner("chat_template_kwargs").items()) or None,
        max_tokens=limit,
        n=fields.integer("n", 1, 1, _CHOICE_LIMIT),
        logprobs=n_top if with_logprobs else None,
        # A request that only warms the cache, as llama.vim sends it, is nobody's to wait for.
        **generation_arguments(fields, "chat" if limit else "idle"),
    )
    return ChatJob(request, fields.boolean("stream"), _include_usage(fields), names)


def completion_job(body: dict[str, Any]) -> CompletionJob:
    """`POST /v1/completions`; with a `suffix` the text between is written."""
    fields = Fields(body)
    prompts = _prompts(fields)
    n = fields.integer("n", 1, 1, _CHOICE_LIMIT)
    if (best_of := fields.integer("best_of", n)) != n:
        raise fields.refuse("best_of", f"is {best_of}, and other than n it is not offered here; leave it out")
    echo = fields.boolean("echo")
    logprobs = fields.integer("logprobs", 0, 0, _TOP_LOGPROBS_LIMIT) if fields.get("logprobs") is not None else None
    arguments = {"n": n, "logprobs": logprobs, **generation_arguments(fields, "chat")}
    limit = max_tokens(fields, "max_tokens", "max_completion_tokens", "n_predict")
    suffix = fields.text("suffix")
    requests: list[CompletionRequest | InfillRequest] = []
    for prompt in prompts:
        if suffix:
            requests.append(_infill(fields, prompt, suffix, limit, arguments))
        else:
            given = {"prompt": prompt} if isinstance(prompt, str) else {"tokens": prompt}
            requests.append(
                CompletionRequest(
                    max_tokens=limit, echo_logprobs=echo and logprobs is not None, **{**arguments, **given}
                )
            )
    if echo and (suffix or not all(isinstance(prompt, str) for prompt in prompts)):
        raise fields.refuse("echo", "needs a prompt of text, and no suffix")
    return CompletionJob(tuple(requests), fields.boolean("stream"), _include_usage(fields), echo)


def continuations_request(body: dict[str, Any]) -> ContinuationsRequest:
    """`POST /v1/score`: how likely is each of some continuations?"""
    fields = Fields(body)
    name = "prefix" if fields.get("prefix") is not None else "prompt"
    if fields.get(name) is None:
        raise fields.refuse("prefix", "is missing")
    continuations = fields.texts("continuations")
    if not continuations or not all(continuations):
        raise fields.refuse("continuations", "must be a list of at least one text, none of them empty")
    return ContinuationsRequest(
        fields.text(name), continuations, priority(fields, "review"), fields.number("deadline_ms", 0.0, low=0.0)
    )


def _infill(
    fields: Fields, prompt: str | tuple[int, ...], suffix: str, limit: int, arguments: dict[str, Any]
) -> InfillRequest:
    if not isinstance(prompt, str):
        raise fields.refuse("prompt", "must be a text where there is a suffix")
    if fields.get("priority") is None:
        arguments = {**arguments, "priority": "interactive"}
    limit = _INFILL_TOKENS if limit == ALL_THE_ROOM else limit
    return InfillRequest(prefix=prompt, suffix=suffix, max_tokens=limit, **arguments)


def _prompts(fields: Fields) -> list[str | tuple[int, ...]]:
    """A text, a list of token numbers, or a list of such."""
    found = fields.get("prompt")
    if found is None:
        raise fields.refuse("prompt", "is missing")
    if isinstance(found, str):
        return [fields.text("prompt")]
    values = fields.sequence("prompt")
    if not values:
        raise fields.refuse("prompt", "must not be an empty list")
    if isinstance(values[0], int):
        return [fields.tokens("prompt")]
    if len(values) > PROMPT_LIMIT:
        raise fields.refuse("prompt", f"has {len(values)} prompts; at most {PROMPT_LIMIT} may come in one request")
    prompts: list[str | tuple[int, ...]] = []
    for i, value in enumerate(values):
        one = Fields({f"prompt[{i}]": value})
        if isinstance(value, list) and value:
            prompts.append(one.tokens(f"prompt[{i}]"))
        else:
            prompts.append(one.text(f"prompt[{i}]"))
    return prompts


def _include_usage(fields: Fields) -> bool:
    return fields.inner("stream_options").boolean("include_usage")


def _tools(fields: Fields) -> tuple[list[Any] | None, tuple[str, ...]]:
    """The tools for the template, and their names; none with `tool_choice` "none"."""
    tools = fields.sequence("tools")
    choice = fields.get("tool_choice")
    if choice not in (None, "auto", "none"):
        raise fields.refuse("tool_choice", 'may be "auto" or "none"; a model here cannot be made to call a tool')
    names = []
    for i, tool in enumerate(tools):
        function = tool.get("function") if isinstance(tool, dict) and tool.get("type", "function") == "function" else {}
        name = function.get("name") if isinstance(function, dict) else None
        if not isinstance(name, str):
            raise fields.refuse(f"tools[{i}]", 'must be {"type": "function", "function": {"name": ...}}')
        names.append(name)
    _refuse_surrogates(fields, "tools", tools)
    return (tools, tuple(names)) if tools and choice != "none" else (None, ())


def _refuse_surrogates(fields: Fields, key: str, value: Any) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise fields.refuse(key, "has a half of a surrogate pair, which is no text") from error
