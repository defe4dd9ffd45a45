"""llama.cpp's own request bodies as requests to the engine: what llama.vim and llama.vscode send. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from dsassist_runtime.api import ChatRequest, CompletionRequest, ContextFile, InfillRequest, Priority, Sampling
from dsassist_runtime.server.fields import Fields
from dsassist_runtime.server.generation_fields import ALL_THE_ROOM, PROMPT_LIMIT, generation_arguments, max_tokens
from dsassist_runtime.server.openai_requests import chat_job

__all__ = ["LlamaJob", "completion_job", "detokenize_request", "infill_job", "template_request", "tokenize_request"]

_CHOICE_LIMIT = 16
_TOP_LOGPROBS_LIMIT = 100
_INFILL_TOKENS = 256  # where no limit is given: what is to be written takes its room from the prefix
_UNFILTERED: dict[str, Any] = {"top_k": 0, "top_p": 1.0, "min_p": 0.0, "temperature": 1.0}


@dataclass(frozen=True)
class LlamaJob:
    """`requests`: one for each prompt. `response_fields`: what the client wants to read, () for all."""

    requests: tuple[CompletionRequest | InfillRequest, ...]
    stream: bool
    response_fields: tuple[str, ...]
    is_list: bool  # answered by a list of objects: several prompts or choices
    return_tokens: bool


def infill_job(body: dict[str, Any]) -> LlamaJob:
    """`POST /infill`."""
    fields = Fields(body)
    limit = max_tokens(fields, "n_predict", "max_tokens")
    request = InfillRequest(
        prefix=fields.text("input_prefix"),
        suffix=fields.text("input_suffix"),
        extra=_extra(fields),
        prompt=fields.text("prompt"),
        gap_tokens=fields.integer("gap_tokens", 0, low=0),
        max_tokens=_INFILL_TOKENS if limit == ALL_THE_ROOM else limit,
        # A request that only warms the cache is nobody's to wait for.
        **_arguments(fields, "interactive" if limit else "idle"),
    )
    return _job(fields, (request,), several=False)


def completion_job(body: dict[str, Any]) -> LlamaJob:
    """`POST /completion`."""
    fields = Fields(body)
    limit = max_tokens(fields, "n_predict", "max_tokens")
    arguments = _arguments(fields, "chat" if limit else "idle")
    found = fields.get("prompt")
    if found is None:
        raise fields.refuse("prompt", "is missing")
    values = [found]
    several = isinstance(found, list) and not all(isinstance(item, int) for item in found)
    if several:
        values = found
        if len(values) > PROMPT_LIMIT:
            raise fields.refuse("prompt", f"has {len(values)} prompts; at most {PROMPT_LIMIT} may come in one request")
    requests = []
    for value in values:
        one = Fields({"prompt": value})
        given = {"tokens": one.tokens("prompt")} if isinstance(value, list) else {"prompt": one.text("prompt")}
        requests.append(CompletionRequest(max_tokens=limit, **arguments, **given))
    return _job(fields, tuple(requests), several=several)


def tokenize_request(body: dict[str, Any]) -> dict[str, Any]:
    """`POST /tokenize`."""
    fields = Fields(body)
    if fields.get("content") is None:
        raise fields.refuse("content", "is missing")
    if fields.boolean("with_pieces"):
        raise fields.refuse("with_pieces", "is not offered here; leave it out")
    return {
        "content": fields.text("content"),
        "add_special": fields.boolean("add_special"),
        "parse_special": fields.boolean("parse_special", default=True),
    }


def detokenize_request(body: dict[str, Any]) -> dict[str, Any]:
    """`POST /detokenize`."""
    fields = Fields(body)
    if fields.get("tokens") is None:
        raise fields.refuse("tokens", "is missing")
    return {"tokens": list(fields.tokens("tokens"))}


def template_request(body: dict[str, Any]) -> ChatRequest:
    """`POST /apply-template`: the fields of a chat, of which those that shape the prompt count."""
    return chat_job(body).request


def _job(fields: Fields, requests: tuple[CompletionRequest | InfillRequest, ...], *, several: bool) -> LlamaJob:
    return LlamaJob(
        requests,
        fields.boolean("stream"),
        fields.texts("response_fields"),
        several or requests[0].n > 1,
        fields.boolean("return_tokens"),
    )


def _arguments(fields: Fields, default_priority: Priority) -> dict[str, Any]:
    for ignored in ("id_slot", "n_keep", "t_max_prompt_ms"):  # llama.cpp's server knows, and so checks, them
        fields.integer(ignored, 0)
    arguments = generation_arguments(fields, default_priority)
    n = fields.integer("n_cmpl", fields.integer("n", 1, 1, _CHOICE_LIMIT), 1, _CHOICE_LIMIT)
    n_probs = fields.integer("n_probs", 0, 0, _TOP_LOGPROBS_LIMIT)
    sampling = _with_samplers(arguments["sampling"], fields, n)
    # The engine names its tokens beside their log-probabilities only.
    logprobs = n_probs if n_probs or fields.boolean("return_tokens") else None
    return {**arguments, "sampling": sampling, "n": n, "logprobs": logprobs}


def _with_samplers(sampling: Sampling, fields: Fields, n: int) -> Sampling:
    """What `samplers` leaves out is switched off. The order is ours, and names that we do not know count for nothing.

    llama.cpp's `infill` sampler keeps the few tokens above a fifth of the probability. Its place takes the most likely
    token, or where several texts are asked for, a choice among those that have a fifth of that one's.
    """
    if fields.get("samplers") is None:
        return sampling
    if isinstance(fields.get("samplers"), str):  # llama.cpp's short form, a letter each
        letters = {"k": "top_k", "p": "top_p", "m": "min_p", "t": "temperature", "i": "infill"}
        names = [letters.get(letter, "") for letter in fields.text("samplers")]
    else:
        names = list(fields.texts("samplers"))
    kept = {name: value for name, value in _UNFILTERED.items() if name not in names}
    sampling = replace(sampling, **kept)
    if "infill" in names:
        sampling = replace(sampling, temperature=0.0) if n == 1 else replace(sampling, min_p=0.2)
    return sampling


def _extra(fields: Fields) -> tuple[ContextFile, ...]:
    """`input_extra`; llama.cpp names a file without a name "tmp"."""
    files = []
    for i, item in enumerate(fields.sequence("input_extra")):
        if not isinstance(item, dict):
            raise fields.refuse(f"input_extra[{i}]", 'must be an object {"filename", "text"}')
        one = Fields(item, f"input_extra[{i}]")
        if one.get("text") is None:
            raise one.refuse("text", "is missing")
        files.append(ContextFile(one.text("filename", "tmp"), one.text("text")))
    return tuple(files)
