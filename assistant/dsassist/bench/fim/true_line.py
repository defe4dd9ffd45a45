"""How likely the line that the person wrote is to the model, by what stands in its prompt.

Whether a text that is written is right or wrong says little about a prompt: hundreds of holes are needed until two
prompts can be told apart. The probability of the true line differs at every hole, and is compared hole by hole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsassist.bench.fim.hole import Hole
from dsassist.context.snippets import ALL, SnippetSource
from dsassist.given_text import given_text
from dsassist_runtime.api import Engine, InfillRequest, TokenLogprob

__all__ = ["BASE", "LAYOUTS", "Layout", "TrueLine", "weigh_true_line"]


@dataclass(frozen=True)
class Layout:
    """What a prompt has: which sources of other files, of how many tokens at most, and how many tokens in all.

    Both in parts of what the user's settings say.
    """

    name: str
    sources: tuple[SnippetSource, ...] = ()
    context: float = 1.0
    prompt: float = 1.0


BASE = Layout("no other file")
LAYOUTS = (
    BASE,
    *(Layout(f"context of {source}", (source,)) for source in ALL),
    Layout("context of all", ALL),
    Layout("no other file, half the prompt", prompt=0.5),
    Layout("no other file, twice the prompt", prompt=2.0),
    Layout("context of all, 1.5 of the prompt", ALL, prompt=1.5),
    Layout("context of all, twice, twice the prompt", ALL, context=2.0, prompt=2.0),
)


@dataclass(frozen=True)
class TrueLine:
    """The first line of a hole: its log-probability in nats, and whether each of its tokens is the likeliest one."""

    nats: float
    is_likeliest: bool


def weigh_true_line(engine: Engine, hole: Hole, request: InfillRequest) -> TrueLine:
    """What `request`, which asks for the text at the hole, gives the rest of the cursor's line.

    What is typed of the line is given to the model as the text's beginning, and does not count.
    """
    line, line_break, _ = hole.expected.partition("\n")
    is_at_end = bool(line_break) or not hole.text[hole.offset : hole.place.line_end].strip()
    text = request.begun + line + ("\n" if is_at_end else "")
    asked = InfillRequest(
        prefix=request.prefix,
        suffix=request.suffix,
        extra=request.extra,
        path=request.path,
        repository=request.repository,
    )
    tokens = given_text(engine.infill, asked, text, engine.facts().n_vocab, n_alternatives=1)
    rest = _behind(tokens, len(request.begun.encode("utf-8")))
    return TrueLine(sum(token.logprob for token in rest), all(_is_likeliest(token) for token in rest))


def _is_likeliest(token: TokenLogprob) -> bool:
    return any(likeliest.token == token.token for likeliest in token.top[:1])


def _behind(tokens: Sequence[TokenLogprob], n_bytes: int) -> list[TokenLogprob]:
    """The tokens that end behind the first `n_bytes`."""
    found, read = [], 0
    for token in tokens:
        read += len(token.raw) or len(token.text.encode("utf-8"))
        if read > n_bytes:
            found.append(token)
    return found
