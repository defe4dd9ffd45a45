"""The requests that both servers get: greedy, as long as they are asked to be, streamed.

The fields that only one server knows (a priority, the document, no speculation) are ignored by the other.
"""

from __future__ import annotations

from typing import Any

from dsassist.bench.engine.client import Request
from dsassist_runtime.api import Priority

__all__ = ["chat", "completion", "counted_completion", "infill"]

# Speculation is left out: a small model falls into loops at temperature 0, which are guessed with ease.
_COMMON: dict[str, Any] = {
    "temperature": 0,
    "ignore_eos": True,
    "cache_prompt": True,
    "stream": True,
    "stream_options": {"include_usage": True},
    "speculate": False,
}


def completion(prompt: str, max_tokens: int, priority: Priority = "interactive") -> Request:
    """Go on behind `prompt`."""
    return Request("/v1/completions", {**_COMMON, "prompt": prompt, "max_tokens": max_tokens, "priority": priority})


def counted_completion(prompt: str, max_tokens: int) -> Request:
    """`completion` in llama.cpp's own form, whose every event tells the tokens so far (`tokens_predicted`)."""
    return Request("/completion", {**_COMMON, "prompt": prompt, "n_predict": max_tokens, "priority": "interactive"})


def chat(messages: list[dict[str, str]], max_tokens: int) -> Request:
    """Answer the messages."""
    return Request("/v1/chat/completions", {**_COMMON, "messages": messages, "max_tokens": max_tokens})


def infill(prefix: str, suffix: str, max_tokens: int, *, document: str = "", gap_tokens: int = 0) -> Request:
    """Write what belongs between; `gap_tokens` is the room for typing that keeps the suffix evaluated."""
    body = {**_COMMON, "input_prefix": prefix, "input_suffix": suffix, "prompt": "", "n_predict": max_tokens}
    return Request("/infill", {**body, "document": document, "gap_tokens": gap_tokens, "priority": "interactive"})
