"""Scores of alternatives to a text: one forward pass over what is written ranks them, the best are evaluated whole.

Nothing depends on which other alternatives are asked about: the context is evaluated in batches of its own, the text in
batches that start where it starts, and each alternative in a batch by itself, since llama.cpp's sums depend on a
batch's shape.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsassist_runtime.api import Edit, EditScore, ScoreRequest
from dsassist_runtime.engine.sequence import CachedSequence, common_prefix
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.context import BatchToken, Context
from dsassist_runtime.llama.model import Vocabulary

__all__ = ["score_edits"]

# Logits of a 152k vocabulary are 0.6 MB a position: 64 positions at once are 39 MB.
_LOGITS_BATCH = 64
_SCRATCH_SEQUENCE = 1


@dataclass(frozen=True)
class _Alternative:
    """An edit as tokens: `text[start:text_end]` of the original became `tokens`; `shared` tokens follow in both."""

    edit: Edit
    tokens: list[int]
    start: int
    text_end: int


def score_edits(
    context: Context, cache: CachedSequence, vocabulary: Vocabulary, request: ScoreRequest
) -> tuple[EditScore, ...]:
    """Rank and rescore as `ScoreRequest` says; `Aborted` when the flag is raised, `RequestRefused` when too long."""
    # The first token needs something before it, and a text's beginning is what BOS stands for, also where the model's
    # own prompts go without.
    head = ([] if vocabulary.bos is None else [vocabulary.bos]) + vocabulary.tokenize(request.context)
    text = vocabulary.tokenize(request.text)
    if not text or not request.edits:
        return ()
    head = head or vocabulary.tokenize("\n")  # the first token of the text needs one before it
    # The text in the cache, and behind its start one alternative at a time.
    needed = len(head) + 2 * len(text) + 64
    if needed > context.n_ctx:
        raise RequestRefused(
            f"the text to score needs {needed} tokens of context and the model has {context.n_ctx}; score less at once"
        )
    alternatives = [found for edit in request.edits if (found := _as_tokens(vocabulary, request.text, text, edit))]
    wanted = {(a.start, a.tokens[0]) for a in alternatives}
    written, offered = _forward_pass(context, cache, head, text, wanted)
    chosen = _best(alternatives, written, offered, request)
    return tuple(_rescore(context, len(head), text, written, offered, a, request.suffix_tokens) for a in chosen)


def _as_tokens(vocabulary: Vocabulary, text: str, tokens: list[int], edit: Edit) -> _Alternative | None:
    """The differing span of tokens, found on the whole texts since a change may move token boundaries before it."""
    if not 0 <= edit.start <= edit.end <= len(text):
        raise RequestRefused(f"an edit of {edit.start}:{edit.end} lies outside a text of {len(text)} characters")
    other = vocabulary.tokenize(text[: edit.start] + edit.replacement + text[edit.end :])
    start = common_prefix(tokens, other)
    if start == len(tokens):
        return None  # it only adds something at the very end, where nothing is written to compare with
    shared = common_prefix(tokens[start:][::-1], other[start:][::-1])
    span = other[start : len(other) - shared]
    text_end = len(tokens) - shared
    if not span:  # the alternative only leaves tokens out: what follows them is its first differing token
        if not shared:
            return None
        span, text_end = [tokens[text_end]], text_end + 1
    return _Alternative(edit, span, start, text_end)


def _forward_pass(
    context: Context, cache: CachedSequence, head: list[int], text: list[int], wanted: set[tuple[int, int]]
) -> tuple[list[float], dict[tuple[int, int], float]]:
    """Log p of every token of `text` in place, and of each (position, token) in `wanted`."""
    # The head is reused whole or not at all: reused in part it would be evaluated in other batches. Its last token is
    # always evaluated alone, since its logits are needed and only KV is kept.
    if not cache.starts_with(head[:-1]):
        cache.truncate(0)
        cache.extend(head[:-1])
    cache.truncate(len(head) - 1)
    cache.append(head[-1:], wants_logits=False)
    rows: dict[int, list[int]] = {}
    for position, token in wanted:
        rows.setdefault(position, []).append(token)
    written: list[float] = []
    offered: dict[tuple[int, int], float] = {}

    def read(position: int, logits: npt.NDArray[np.float32]) -> None:
        if position >= len(text):
            return
        total = _log_sum_exp(logits)
        written.append(float(logits[text[position]]) - total)
        for token in rows.get(position, ()):
            offered[position, token] = float(logits[token]) - total

    read(0, context.logits(-1))
    for start in range(0, len(text), _LOGITS_BATCH):
        batch = text[start : start + _LOGITS_BATCH]
        cache.append(batch, wants_logits=True)
        for i in range(len(batch)):
            read(start + i + 1, context.logits(i))
    return written, offered


def _best(
    alternatives: list[_Alternative],
    written: list[float],
    offered: dict[tuple[int, int], float],
    request: ScoreRequest,
) -> list[_Alternative]:
    ranked = sorted(alternatives, key=lambda a: written[a.start] - offered[a.start, a.tokens[0]])
    chosen: list[_Alternative] = []
    per_site: Counter[tuple[int, int]] = Counter()
    for alternative in ranked:
        site = (alternative.edit.start, alternative.edit.end)
        if per_site[site] < request.max_per_site and len(chosen) < request.max_rescored:
            per_site[site] += 1
            chosen.append(alternative)
    return chosen


def _rescore(
    context: Context,
    n_head: int,
    text: list[int],
    written: list[float],
    offered: dict[tuple[int, int], float],
    alternative: _Alternative,
    n_suffix: int,
) -> EditScore:
    """Evaluate the alternative's tokens and the suffix behind them on a sequence that shares the text before."""
    start, end = alternative.start, alternative.text_end
    suffix = text[end : end + n_suffix]
    tokens = alternative.tokens + suffix
    first = offered[start, tokens[0]]
    rest = _evaluate(context, n_head + start, tokens) if len(tokens) > 1 else []
    values = [first, *rest]
    n_site = len(alternative.tokens)
    return EditScore(
        alternative.edit,
        site_original=tuple(written[start:end]),
        site_alternative=tuple(values[:n_site]),
        suffix_original=tuple(written[end : end + len(suffix)]),
        suffix_alternative=tuple(values[n_site:]),
    )


def _evaluate(context: Context, position: int, tokens: list[int]) -> list[float]:
    """Log p of `tokens[1:]`, each after those before it, behind the first `position` tokens of sequence 0."""
    context.share(0, _SCRATCH_SEQUENCE, position)
    values: list[float] = []
    try:
        for start in range(0, len(tokens) - 1, _LOGITS_BATCH):
            batch = tokens[start : min(start + _LOGITS_BATCH, len(tokens) - 1)]
            context.decode(
                [BatchToken(token, position + start + i, _SCRATCH_SEQUENCE, True) for i, token in enumerate(batch)]
            )
            for i in range(len(batch)):
                logits = context.logits(i)
                values.append(float(logits[tokens[start + i + 1]]) - _log_sum_exp(logits))
    finally:
        context.forget(_SCRATCH_SEQUENCE)
    return values


def _log_sum_exp(logits: npt.NDArray[np.float32]) -> float:
    highest = float(logits.max())
    return highest + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
