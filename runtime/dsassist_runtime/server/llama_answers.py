"""The engine's events as llama.cpp's objects: what `/infill` and `/completion` answer, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dsassist_runtime.api import CompletionRequest, InfillRequest
from dsassist_runtime.server.answer import ends_of_choices, server_sent
from dsassist_runtime.server.figures import bounded, timings
from dsassist_runtime.server.llama_requests import LlamaJob
from dsassist_runtime.wire import to_wire

__all__ = ["LlamaAnswer", "LlamaStream", "generation_settings", "selected_fields", "slots_of"]


class LlamaAnswer:
    """One object, or a list of them where several prompts or choices were asked for.

    `n_ctx` is asked when it is needed: by then the model is loaded.
    """

    media_type = "application/json"

    def __init__(self, job: LlamaJob, model: str, n_ctx: Callable[[], int]) -> None:
        self._job = job
        self._model = model
        self._n_ctx = n_ctx
        self._texts: dict[tuple[int, int], list[str]] = {}
        self._tokens: dict[tuple[int, int], list[dict[str, Any]]] = {}
        self._ends: dict[int, dict[str, Any]] = {}

    def event(self, part: int, event: dict[str, Any]) -> bytes:
        """Keep it."""
        value = event["value"]
        if event["event"] == "text":
            key = (part, value.get("index", 0))
            self._texts.setdefault(key, []).append(value["text"])
            self._tokens.setdefault(key, []).extend(value.get("logprobs", ()))
        elif event["event"] == "end":
            self._ends[part] = value
        return b""

    def close(self) -> bytes:
        """The object or the list."""
        objects: list[dict[str, Any]] = []
        for part, end in sorted(self._ends.items()):
            for index, reason in ends_of_choices(end):
                whole = _final(self._job.requests[part], self._model, self._n_ctx(), end, reason)
                whole["index"] = len(objects)
                whole["content"] = "".join(self._texts.get((part, index), ()))
                tokens = self._tokens.get((part, index), [])
                if self._job.return_tokens:
                    whole["tokens"] = [token["token"] for token in tokens]
                if self._job.requests[part].logprobs:
                    whole["completion_probabilities"] = [_probability(token) for token in tokens]
                objects.append(selected_fields(whole, self._job.response_fields))
        return json.dumps(objects if self._job.is_list else objects[0], separators=(",", ":")).encode()

    def fail(self, error: dict[str, Any]) -> bytes:
        """Nothing was sent, so it is the body."""
        return json.dumps(error).encode()


class LlamaStream:
    """Small objects with the text as it comes, then the large one with `stop` true."""

    media_type = "text/event-stream"

    def __init__(self, job: LlamaJob, model: str, n_ctx: Callable[[], int]) -> None:
        self._job = job
        self._model = model
        self._n_ctx = n_ctx
        self._n = job.requests[0].n
        self._n_evaluated = [0] * len(job.requests)

    def event(self, part: int, event: dict[str, Any]) -> bytes:
        """The objects for one event."""
        kind, value = event["event"], event["value"]
        if kind == "prompt":
            self._n_evaluated[part] = value["prompt_tokens"]
            return b""
        if kind == "text":
            more, chosen = "", value.get("logprobs", ())
            tokens = [token["token"] for token in chosen] if self._job.return_tokens else []
            if self._job.requests[part].logprobs:
                found = [_probability(token) for token in chosen]
                more = f',"completion_probabilities":{json.dumps(found, separators=(",", ":"))}'
            index = part * self._n + value.get("index", 0)
            return (
                f'data: {{"index":{index},"content":{json.dumps(value["text"])},"tokens":{json.dumps(tokens)},'
                f'"stop":false,"id_slot":-1,"tokens_predicted":{value["completion_tokens"]},'
                f'"tokens_evaluated":{self._n_evaluated[part]}{more}}}\n\n'
            ).encode()
        request = self._job.requests[part]
        return b"".join(
            server_sent(
                selected_fields(
                    {
                        **_final(request, self._model, self._n_ctx(), value, reason),
                        "index": part * self._n + index,
                    },
                    self._job.response_fields,
                )
            )
            for index, reason in ends_of_choices(value)
        )

    def close(self) -> bytes:
        """Nothing: the last object says that it is the last."""
        return b""

    def fail(self, error: dict[str, Any]) -> bytes:
        """The error as an event."""
        return server_sent(error)


def generation_settings(request: CompletionRequest | InfillRequest, n_ctx: int) -> dict[str, Any]:
    """The request's settings under llama.cpp's names."""
    sampling = request.sampling
    return {
        "n_ctx": n_ctx,
        "n_predict": request.max_tokens,
        "max_tokens": request.max_tokens,
        "seed": -1 if sampling.seed is None else sampling.seed,
        "temperature": sampling.temperature,
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "repeat_last_n": sampling.repeat_last_n,
        "repeat_penalty": sampling.repeat_penalty,
        "presence_penalty": sampling.presence_penalty,
        "frequency_penalty": sampling.frequency_penalty,
        "logit_bias": to_wire(sampling.logit_bias),
        "grammar": sampling.grammar,
        "stop": list(request.stop),
        "ignore_eos": request.ignore_eos,
        "n_indent": request.min_indent,
        "n_probs": request.logprobs or 0,
        "t_max_predict_ms": request.predict_ms,
        "cache_prompt": request.cache_prompt,
        "samplers": ["penalties", "top_k", "top_p", "min_p", "temperature"],
    }


def selected_fields(whole: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """The fields that were asked for; "timings/prompt_n" takes one out of an object, under that very name."""
    if not names:
        return whole
    found = {}
    for name in names:
        value: Any = whole
        for key in name.split("/"):
            value = value.get(key, _ABSENT) if isinstance(value, dict) else _ABSENT
        if value is not _ABSENT:
            found[name] = value
    return found


def slots_of(status: dict[str, Any] | None, n_ctx: int) -> list[dict[str, Any]]:
    """llama.cpp's slots for an `EngineStatus`: one for each request, and an idle one where there is none.

    Ours come and go with the requests, so their number says nothing of how many may come.
    """
    requests = status["requests"] if status else []
    found = [
        {
            "id": slot,
            "id_task": request["request"],
            "n_ctx": n_ctx,
            "speculative": bool(status and status["speculating"]),
            "is_processing": request["state"] != "waiting",
            "n_prompt_tokens": request["prompt_tokens"],
            "n_prompt_tokens_processed": request["evaluated_tokens"],
            "priority": request["priority"],
            "state": request["state"],
            "next_token": {"has_next_token": True, "n_decoded": request["completion_tokens"]},
        }
        for slot, request in enumerate(requests)
    ]
    idle = {"id": 0, "id_task": -1, "n_ctx": n_ctx, "speculative": False, "is_processing": False}
    return found or [idle]


_ABSENT = object()


def _final(
    request: CompletionRequest | InfillRequest, model: str, n_ctx: int, end: dict[str, Any], reason: str
) -> dict[str, Any]:
    return {
        "index": 0,
        "content": "",
        "tokens": [],
        "id_slot": -1,
        "stop": True,
        "model": model,
        "tokens_predicted": end["completion_tokens"],
        "tokens_evaluated": end["prompt_tokens"],
        "generation_settings": generation_settings(request, n_ctx),
        "prompt": request.prompt,
        "truncated": False,
        "stop_type": _stop_type(reason, end["stop_text"]),
        "stopping_word": end["stop_text"],
        "tokens_cached": end["cached_tokens"],
        "timings": timings(end),
    }


def _stop_type(reason: str, stop_text: str) -> str:
    if reason == "stop":
        return "word" if stop_text else "eos"
    return "limit" if reason in ("length", "deadline") else "none"


def _probability(token: dict[str, Any]) -> dict[str, Any]:
    return {**_token(token), "top_logprobs": [_token(top) for top in token["top"]]}


def _token(token: dict[str, Any]) -> dict[str, Any]:
    raw = token.get("raw") or list(token["text"].encode())
    return {"id": token["token"], "token": token["text"], "bytes": raw, "logprob": bounded(token["logprob"])}
