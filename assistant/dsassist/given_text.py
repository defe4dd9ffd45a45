"""How likely a given text is to a model that completes: the text is written under a grammar that allows no other.

The log-probabilities of its tokens are taken before the grammar. So the engine's prompt is the very one that its
completions have, and is read once for all texts of a place.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace

from dsassist_runtime.api import InfillRequest, Sampling, TextStream, TokenBias, TokenLogprob
from dsassist_runtime.errors import ModelUnsupported, NotDone, RequestRefused

__all__ = ["given_text", "grammar_of"]

_CERTAIN = 1e4

_ESCAPES = {"\n": "\\n", "\r": "\\r", "\t": "\\t", '"': '\\"', "\\": "\\\\"}


def given_text(
    infill: Callable[[InfillRequest], AbstractContextManager[TextStream]],
    request: InfillRequest,
    text: str,
    n_vocab: int,
    n_alternatives: int = 0,
) -> list[TokenLogprob]:
    """The tokens of `text` as what `infill` writes for `request`, with so many of the likeliest beside each.

    The engine's model has `n_vocab` tokens, 0 where that is unknown. `ModelUnsupported` where the engine writes no
    given text, `NotDone` where it wrote another one, and what the engine raises.
    """
    asked = replace(
        request,
        max_tokens=len(text.encode("utf-8")) + 1,
        sampling=Sampling(temperature=0.0, grammar=grammar_of(text), logit_bias=_towards_refusal(n_vocab)),
        logprobs=n_alternatives,
        speculate=False,
    )
    try:
        with infill(asked) as stream:
            pieces = list(stream.pieces())
    except RequestRefused as error:  # a model at an address takes no grammar
        raise ModelUnsupported(f"a given text cannot be weighed: {error}") from error
    if "".join(piece.text for piece in pieces) != text:
        raise NotDone("the engine did not write the text that it was to weigh")
    return [token for piece in pieces for token in piece.logprobs]


def _towards_refusal(n_vocab: int) -> tuple[TokenBias, ...]:
    """Bias towards the last token of a vocabulary, which hardly any text has.

    The engine asks the grammar about the token of its choice, and takes that even if it is the beginning of the one
    that the tokenizer would make: ` a` for ` an`. Only where the choice is refused it takes the tokenizer's own.
    """
    return (TokenBias(n_vocab - 1, _CERTAIN),) if n_vocab else ()


def grammar_of(text: str) -> str:
    """The grammar, in GBNF, of one text."""
    return f'root ::= "{"".join(_ESCAPES.get(character, character) for character in text)}"'
