"""The tokens of a prompt as OpenAI's legacy completion echoes them, laid along the text that was sent.

Servers differ in what they put before (a BOS token's text), in how they write a token that is a part of a character
(empty, U+FFFD, `bytes:\\xe2`), and in whether `text_offset` counts those; so the texts themselves are followed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dsassist_runtime.errors import RemoteFailed

__all__ = ["EchoedToken", "aligned", "echo_body"]

_TOP_LOGPROBS = 5  # the most that OpenAI's protocol allows
_LONGEST_GAP = 16  # characters that tokens without a text of their own may stand for


@dataclass(frozen=True)
class EchoedToken:
    """`text[start:end]` of what was sent, and what else the model thought likely there."""

    text: str
    start: int
    end: int
    logprob: float
    top: dict[str, float]


def echo_body(model: str, text: str) -> dict[str, Any]:
    """The request. One token is written, as 0 means "without limit" to llama-cpp-python."""
    return {
        "model": model,
        "prompt": text,
        "max_tokens": 1,
        "echo": True,
        "logprobs": _TOP_LOGPROBS,
        "temperature": 0.0,
        "stream": False,
    }


def aligned(text: str, answer: Any, url: str) -> list[EchoedToken]:
    """The tokens that make up `text`, without its first, which has no log-probability; `RemoteFailed` for others."""
    tokens, logprobs, tops = _lists(answer, url)
    start = next((i for i, token in enumerate(tokens) if token and text.startswith(token)), None)
    if start is None:
        raise RemoteFailed(f"{url} does not echo the prompt")
    found: list[EchoedToken] = []
    at = 0
    for i in range(start, len(tokens)):
        if at >= len(text):
            break
        token, begin = tokens[i], at
        if not _is_fragment(token):
            begin = text.find(token, at, at + len(token) + _LONGEST_GAP)
            if begin < 0:
                raise RemoteFailed(f"{url} echoes tokens that do not make up the prompt")
            at = begin + len(token)
        value = logprobs[i]
        if isinstance(value, (int, float)):
            found.append(EchoedToken(token, begin, at, float(value), tops[i]))
        elif i > start:
            raise RemoteFailed(f"{url} gives no log-probabilities of the prompt")
    if len(text) - at > _LONGEST_GAP or not found:
        raise RemoteFailed(f"{url} echoes only a part of the prompt")
    return found


def _is_fragment(token: str) -> bool:
    """Whether a token is a part of a character's bytes, and shows as no text."""
    return not token.strip("\ufffd") or token.startswith("bytes:")


def _lists(answer: Any, url: str) -> tuple[list[str], list[Any], list[dict[str, float]]]:
    choices = answer.get("choices") if isinstance(answer, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    found = choice.get("logprobs") if isinstance(choice, dict) else None
    if not isinstance(found, dict):
        raise RemoteFailed(f"{url} gives no log-probabilities")
    tokens, logprobs, tops = (found.get(key) for key in ("tokens", "token_logprobs", "top_logprobs"))
    if not isinstance(tokens, list) or not isinstance(logprobs, list) or len(tokens) != len(logprobs):
        raise RemoteFailed(f"{url} gives no log-probabilities")
    tops = tops if isinstance(tops, list) and len(tops) == len(tokens) else [None] * len(tokens)
    return list(map(str, tokens)), logprobs, [top if isinstance(top, dict) else {} for top in tops]
