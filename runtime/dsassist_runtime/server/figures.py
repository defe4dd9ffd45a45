"""The figures of a generation in the forms that OpenAI's and llama.cpp's clients read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

__all__ = ["LOWEST_LOGPROB", "bounded", "finish_reason", "timings", "usage"]

LOWEST_LOGPROB = -9999.0  # OpenAI's, for what JSON cannot say: minus infinity

_FINISH_REASONS = {
    "stop": "stop",
    "length": "length",
    "deadline": "length",
    "cancelled": "length",
    "superseded": "length",
}


def finish_reason(reason: str) -> str:
    """OpenAI's word; a text that was cut short for whatever reason is "length"."""
    return _FINISH_REASONS[reason]


def bounded(logprob: float) -> float:
    """A log-probability that JSON can hold."""
    return max(logprob, LOWEST_LOGPROB)


def usage(ends: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """OpenAI's `usage` over the ends of all requests of one answer."""
    ends = list(ends)
    prompt, cached, written = (
        sum(end[key] for end in ends) for key in ("prompt_tokens", "cached_tokens", "completion_tokens")
    )
    return {
        "prompt_tokens": prompt,
        "completion_tokens": written,
        "total_tokens": prompt + written,
        "prompt_tokens_details": {"cached_tokens": cached},
    }


def timings(end: dict[str, Any]) -> dict[str, Any]:
    """llama.cpp's `timings`; `prompt_n` counts what was evaluated, `cache_n` what was not."""
    evaluated = end["prompt_tokens"] - end["cached_tokens"]
    written = end["completion_tokens"]
    prompt_ms, predicted_ms = end.get("prompt_ms", 0.0), end.get("predict_ms", 0.0)
    return {
        "cache_n": end["cached_tokens"],
        "prompt_n": evaluated,
        "prompt_ms": prompt_ms,
        "prompt_per_token_ms": prompt_ms / evaluated if evaluated else 0.0,
        "prompt_per_second": 1000 * evaluated / prompt_ms if prompt_ms else 0.0,
        "predicted_n": written,
        "predicted_ms": predicted_ms,
        "predicted_per_token_ms": predicted_ms / written if written else 0.0,
        "predicted_per_second": 1000 * written / predicted_ms if predicted_ms else 0.0,
    }
