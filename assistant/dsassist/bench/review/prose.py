"""A baseline: the model is asked in words, as a chat: is there a bug, and on which line?

The answer to the first is taken from the probabilities of "yes" and "no", so that a threshold can be fitted to it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import ChatRequest, Sampling, TextStream, TopLogprob

__all__ = ["Chatter", "Opinion", "ask_in_prose"]

_QUESTION = (
    "Review this Python function. Each line begins with its number.\n\n{code}\n\n"
    "Does it contain a bug? Answer with one word, yes or no."
)
_WHERE = "On which line is the bug? Answer with the number of the line only."
_ALTERNATIVES = 20
_UNLIKELY = -20.0  # where a word is not among the alternatives


@runtime_checkable
class Chatter(Protocol):
    """What is asked of an engine here."""

    def chat(self, request: ChatRequest) -> TextStream:
        """Answer messages."""


@dataclass(frozen=True)
class Opinion:
    """How much likelier "yes" is than "no", in nats, and the line that the model names, if it names one."""

    nats: float
    line: int | None


def ask_in_prose(engine: Chatter, task: Task) -> Opinion:
    """Ask about a function, its context shown above it."""
    first = task.function.line
    numbered = [f"{number}: {line}" for number, line in enumerate(task.function.text.split("\n"), first)]
    code = task.context + "\n".join(numbered)
    question = {"role": "user", "content": _QUESTION.format(code=code)}
    yes, no = _yes_and_no(engine, question)
    answers = [question, {"role": "assistant", "content": "Yes"}, {"role": "user", "content": _WHERE}]
    request = ChatRequest(messages=answers, max_tokens=12, sampling=Sampling(temperature=0.0), priority="review")
    with engine.chat(request) as stream:
        said = re.search(r"\d+", "".join(stream))
    return Opinion(yes - no, int(said.group()) if said else None)


def _yes_and_no(engine: Chatter, question: dict[str, str]) -> tuple[float, float]:
    """The log-probabilities of the two words as the answer's first token, however they are written."""
    request = ChatRequest(
        messages=[question],
        max_tokens=1,
        sampling=Sampling(temperature=0.0),
        logprobs=_ALTERNATIVES,
        priority="review",
    )
    with engine.chat(request) as stream:
        tops = [top for piece in stream.pieces() for token in piece.logprobs[:1] for top in token.top]
    return _mass(tops, "yes"), _mass(tops, "no")


def _mass(tops: list[TopLogprob], word: str) -> float:
    shares = [math.exp(top.logprob) for top in tops if top.text.strip().lower() == word]
    return math.log(sum(shares)) if shares else _UNLIKELY
