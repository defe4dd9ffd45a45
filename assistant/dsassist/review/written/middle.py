"""How likely a text is between what stands before and behind it, by the model's own form of fill-in-the-middle.

A grammar that allows one text alone has it written, and the log-probabilities of its tokens, taken before the grammar,
are the answer: so the engine's prompt is the very one that its completions have, and is read once for all texts of a
place. A middle is whole lines with the end of the last one, since where a middle ends is what models are worst at.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from dsassist.review.written.asking import Asker
from dsassist.review.written.filling import MOST_PROMPT_TOKENS
from dsassist.review.written.spans import Span
from dsassist.review.written.view import View
from dsassist_runtime.api import InfillRequest, Sampling, TokenBias
from dsassist_runtime.errors import ModelUnsupported, NotDone, RequestRefused

__all__ = ["Middle", "grammar_of", "log_probability"]

_FLOOR_NATS = -6.0  # as of the likelihood reviewer: one token that the tokenizer makes rare must not decide
_MOST_BYTES = 500
_CERTAIN = 1e4

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


@dataclass(frozen=True)
class Middle:
    """The lines that hold a span: `head` and `tail` are what of them stands beside it."""

    prefix: str
    head: str
    tail: str
    suffix: str

    @classmethod
    def around(cls, view: View, span: Span) -> Middle:
        """That of a span: from the line break before its first line to the one behind its last."""
        whole, start, end = view.whole, view.place(span.start), view.place(span.end)
        first = max(whole.rfind("\n", 0, start), 0)
        last = whole.find("\n", end) + 1 or len(whole)
        return cls(whole[:first], whole[first:start], whole[end:last], whole[last:])


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
        max_tokens=n_bytes + 1,
        sampling=Sampling(temperature=0.0, grammar=grammar_of(wanted), logit_bias=_towards_refusal(asker.n_vocab)),
        logprobs=0,
        speculate=False,
        priority="review",
    )
    try:
        with asker.infill(request) as stream:
            pieces = list(stream.pieces())
    except RequestRefused as error:  # a model at an address takes no grammar
        raise ModelUnsupported(f"a given text cannot be weighed: {error}") from error
    if "".join(piece.text for piece in pieces) != wanted:
        raise NotDone("the engine did not write the text that it was to weigh")
    return _floored(found.logprob for piece in pieces for found in piece.logprobs)


def _towards_refusal(n_vocab: int) -> tuple[TokenBias, ...]:
    """Bias towards the last token of a vocabulary, which hardly any text has.

    The engine asks the grammar about the token of its choice, and takes that even if it is the beginning of the one
    that the tokenizer would make: ` a` for ` an`. Only where the choice is refused it takes the tokenizer's own.
    """
    return (TokenBias(n_vocab - 1, _CERTAIN),) if n_vocab else ()


def grammar_of(text: str) -> str:
    """The grammar, in GBNF, of one text."""
    return f'root ::= "{"".join(_ESCAPES.get(character, character) for character in text)}"'


def _floored(values: Iterable[float]) -> float:
    return sum(max(value, _FLOOR_NATS) for value in values)
