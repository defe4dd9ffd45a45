"""How likely a text is between what stands before and behind it, by the model's own form of fill-in-the-middle.

A middle is whole lines with the end of the last one, since where a middle ends is what models are worst at.
"""

from __future__ import annotations

from collections.abc import Iterable

from dsassist.given_text import given_text
from dsassist.review.view import Middle
from dsassist.review.written.asking import Asker
from dsassist.review.written.filling import MOST_PROMPT_TOKENS
from dsassist_runtime.api import InfillRequest

__all__ = ["log_probability"]

_FLOOR_NATS = -6.0  # as of the likelihood reviewer: one token that the tokenizer makes rare must not decide
_MOST_BYTES = 500


def log_probability(asker: Asker, middle: Middle, text: str) -> float | None:
    """The log-probability of the lines with `text` in the span's place, each token floored; None of long lines.

    `ModelUnsupported` where the engine writes no given text.
    """
    wanted = middle.head + text + middle.tail
    n_bytes = len(wanted.encode("utf-8"))
    if n_bytes > _MOST_BYTES:
        return None
    request = InfillRequest(
        prefix=middle.prefix,
        suffix=middle.suffix,
        max_prompt_tokens=MOST_PROMPT_TOKENS,
        priority="review",
    )
    return _floored(token.logprob for token in given_text(asker.infill, request, wanted, asker.n_vocab))


def _floored(values: Iterable[float]) -> float:
    return sum(max(value, _FLOOR_NATS) for value in values)
