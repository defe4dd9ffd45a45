"""How likely the lines are that the person wrote at a hole and below, by what stands in the model's prompt.

Whether a text that is written is right or wrong says little about a prompt: hundreds of holes are needed until two
prompts can be told apart. The probability of the true lines differs at every hole, and is compared hole by hole.
Several lines are taken, since the rest of one is mostly told by what stands beside it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from dsassist.bench.fim.hole import Hole
from dsassist.completion.plan import OTHER_FILES_SHARE
from dsassist.context.snippets import ALL, HELPFUL, SnippetSource
from dsassist.given_text import given_text
from dsassist_runtime.api import Engine, InfillRequest, TokenLogprob

__all__ = ["BASE", "LAYOUTS", "Layout", "TrueLines", "weigh_true_lines", "widened"]


@dataclass(frozen=True)
class Layout:
    """What a prompt has: which sources of other files, and how many tokens, in parts of what it has by default."""

    name: str
    sources: tuple[SnippetSource, ...] = ()
    context: float = 1.0
    prompt: float = 1.0


BASE = Layout("no other file", prompt=1.0 - OTHER_FILES_SHARE)
LAYOUTS = (
    BASE,
    Layout("no other file but more of this one"),
    *(Layout(f"context of {source}", (source,)) for source in ALL),
    Layout("context of all", ALL),
    Layout("context as by default", HELPFUL),
    Layout("half of the default", HELPFUL, context=0.5, prompt=0.5),
    Layout("twice the default", HELPFUL, context=2.0, prompt=2.0),
)
"""Where there is context, as much is left of the file itself as `BASE` has."""

_LINES = 5
_FLOOR_NATS = -8.0  # of a token: one name that nobody could know would outweigh ten lines


@dataclass(frozen=True)
class TrueLines:
    """The log-probability of the lines in nats, each token floored, and whether all of the first are the likeliest."""

    nats: float
    is_likeliest: bool


def widened(hole: Hole) -> Hole:
    """The hole with the lines below it cut out as well, until there are enough."""
    whole, end = hole.whole, hole.offset
    for _ in range(_LINES):
        end = whole.find("\n", end) + 1 or len(whole)
    return replace(hole, text=whole[: hole.offset] + whole[end:], expected=whole[hole.offset : end])


def weigh_true_lines(engine: Engine, hole: Hole, request: InfillRequest) -> TrueLines:
    """What `request`, which asks for the text at the hole, gives all that belongs there.

    What is typed of the line is given to the model as the text's beginning, and does not count.
    """
    asked = InfillRequest(
        prefix=request.prefix,
        suffix=request.suffix,
        extra=request.extra,
        path=request.path,
        repository=request.repository,
        max_prompt_tokens=request.max_prompt_tokens,
    )
    text = request.begun + hole.expected
    tokens = given_text(engine.infill, asked, text, engine.facts().n_vocab, n_alternatives=1)
    n_begun = len(request.begun.encode("utf-8"))
    rest = _behind(tokens, n_begun)
    line = hole.expected.partition("\n")[0]
    first = _behind(tokens, n_begun, n_begun + len(line.encode("utf-8")))
    return TrueLines(sum(max(token.logprob, _FLOOR_NATS) for token in rest), all(map(_is_likeliest, first)))


def _is_likeliest(token: TokenLogprob) -> bool:
    return any(likeliest.token == token.token for likeliest in token.top[:1])


def _behind(tokens: Sequence[TokenLogprob], start: int, end: float = math.inf) -> list[TokenLogprob]:
    """The tokens that end behind the first `start` bytes, of those that begin before `end`."""
    found, read = [], 0
    for token in tokens:
        begin, read = read, read + (len(token.raw) or len(token.text.encode("utf-8")))
        if read > start and begin < end:
            found.append(token)
    return found
