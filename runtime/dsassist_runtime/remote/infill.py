"""How a server is asked to fill in the middle, and how its events read: llama.cpp's `/infill`, or a plain completion.

A completion either carries the rest of the file as `suffix`, or has a family's marks in its prompt. No tokenizer is at
hand, so texts are clipped by characters, at line ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from dsassist_runtime.api import ContextFile, FinishReason, InfillRequest
from dsassist_runtime.remote.families import Family, with_files

__all__ = ["CompletionForm", "Delta", "InfillForm", "LlamaInfill", "Usage", "clipped"]

_CHARACTERS_PER_TOKEN = 3  # code has 3.3 to 4: a little less than was allowed is read, never more


@dataclass(frozen=True)
class Usage:
    """The server's own count of tokens."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@dataclass(frozen=True)
class Delta:
    """What one event adds."""

    text: str = ""
    finish_reason: FinishReason | None = None
    usage: Usage | None = None


class InfillForm(Protocol):
    """One way to ask."""

    @property
    def name(self) -> str:
        """What is told of it."""

    @property
    def url(self) -> str:
        """Where the request goes."""

    @property
    def stop(self) -> tuple[str, ...]:
        """Texts to cut the answer at, beside those of the request."""

    def body(self, request: InfillRequest) -> dict[str, Any]:
        """The request as JSON."""

    def read(self, event: dict[str, Any]) -> Delta:
        """What an event of the answer says."""


@dataclass(frozen=True)
class LlamaInfill:
    """llama.cpp's own endpoint, which knows the marks of any model from its file."""

    url: str
    model: str
    name: str = "/infill"
    stop: tuple[str, ...] = ()

    def body(self, request: InfillRequest) -> dict[str, Any]:
        """The request as llama-server's README has it."""
        sampling = request.sampling
        body = {
            "model": self.model,
            "input_prefix": request.prefix,
            "input_suffix": request.suffix,
            "input_extra": [{"filename": file.path, "text": file.text} for file in request.extra],
            "prompt": request.prompt,
            "n_predict": request.max_tokens,
            "n_indent": request.min_indent,
            "t_max_predict_ms": round(request.predict_ms),
            "cache_prompt": request.cache_prompt,
            "ignore_eos": request.ignore_eos,
            "stop": list(request.stop),
            "stream": True,
            "temperature": sampling.temperature,
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "repeat_penalty": sampling.repeat_penalty,
            "repeat_last_n": sampling.repeat_last_n,
            "frequency_penalty": sampling.frequency_penalty,
            "presence_penalty": sampling.presence_penalty,
        }
        return body if sampling.seed is None else {**body, "seed": sampling.seed}

    def read(self, event: dict[str, Any]) -> Delta:
        """Text, and in the last event why it ended and what was counted."""
        text = _text(event.get("content"))
        if not event.get("stop"):
            return Delta(text)
        timings = event.get("timings")
        timings = timings if isinstance(timings, dict) else {}
        usage = Usage(
            _count(event.get("tokens_evaluated")), _count(timings.get("cache_n")), _count(event.get("tokens_predicted"))
        )
        return Delta(text, "length" if event.get("stop_type") == "limit" else "stop", usage)


@dataclass(frozen=True)
class CompletionForm:
    """OpenAI's completion: with the family's marks in the prompt, or with a `suffix` where `family` is None."""

    url: str
    model: str
    family: Family | None
    knows_top_k: bool  # OpenAI's own protocol has neither top_k nor min_p, and strict servers refuse them

    @property
    def name(self) -> str:
        """What is told of it."""
        return f"the marks of {self.family.name} in the prompt" if self.family else "a completion with a suffix"

    @property
    def stop(self) -> tuple[str, ...]:
        """The family's marks: a server that does not know them as special tokens writes them out."""
        return self.family.stop_texts if self.family else ()

    def body(self, request: InfillRequest) -> dict[str, Any]:
        """The request as OpenAI's legacy completion, streamed, with the usage at its end."""
        sampling = request.sampling
        prefix = request.prefix + request.prompt
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": request.max_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if self.family:
            body["prompt"] = self.family.prompt(prefix, request.suffix, request.extra)
        else:
            body |= {"prompt": with_files(prefix, request.extra), "suffix": request.suffix}
        if stop := [*request.stop, *self.stop]:
            body["stop"] = stop
        if sampling.seed is not None:
            body["seed"] = sampling.seed
        for name in ("frequency_penalty", "presence_penalty"):
            if value := getattr(sampling, name):
                body[name] = value
        if self.knows_top_k:
            body |= {"top_k": sampling.top_k, "min_p": sampling.min_p}
        return body

    def read(self, event: dict[str, Any]) -> Delta:
        """Text, why it ended, and the usage, which comes with the last text or in an event of its own."""
        choices = event.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
        reason = choice.get("finish_reason")
        finish: FinishReason | None = None if reason is None else "length" if reason == "length" else "stop"
        return Delta(_text(choice.get("text")), finish, _usage(event.get("usage")))


def clipped(request: InfillRequest, n_ctx: int) -> tuple[str, str, tuple[ContextFile, ...]]:
    """Prefix, suffix and other files of a request, cut to its budget, or to `n_ctx` tokens where that is known (not 0).

    At most a quarter is left to the suffix; files get what is left, the last ones first. What is begun comes on top.
    """
    typed = len(request.begun) // _CHARACTERS_PER_TOKEN + bool(request.begun)
    room = max(1, n_ctx - request.max_tokens - typed) if n_ctx else 0
    budget = min(request.max_prompt_tokens or room, room or request.max_prompt_tokens) * _CHARACTERS_PER_TOKEN
    if not budget:
        return request.prefix, request.suffix, request.extra
    suffix = _start_of(request.suffix, budget // 4)
    prefix = _end_of(request.prefix, budget - len(suffix))
    left = budget - len(suffix) - len(prefix)
    files: list[ContextFile] = []
    for file in reversed(request.extra):
        left -= len(file.path) + len(file.text)
        if left < 0:
            break
        files.insert(0, file)
    return prefix, suffix, tuple(files)


def _end_of(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    tail = text[len(text) - limit :]
    line = tail.find("\n") + 1
    return tail[line:] if 0 < line < len(tail) else tail


def _start_of(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: text.rfind("\n", 0, limit) + 1 or limit]


def _usage(value: object) -> Usage | None:
    if not isinstance(value, dict):
        return None
    details = value.get("prompt_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        _count(value.get("prompt_tokens")),
        _count(value.get("prompt_cache_hit_tokens") if cached is None else cached),  # DeepSeek's API has its own name
        _count(value.get("completion_tokens")),
    )


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
