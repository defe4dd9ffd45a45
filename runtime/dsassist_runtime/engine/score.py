"""Scores of texts that are given: alternatives to what is written, and continuations of a prefix.

Both are generators that yield the batch to evaluate next and go on when its logits are there, so that the scheduler can
put an urgent request between two batches.

Of edits, one forward pass over what is written ranks them, and the best are evaluated whole. Nothing depends on which
other edits are asked about: the context is evaluated in batches of its own, the text in batches that start where it
starts, and each edit in a batch by itself, since llama.cpp's sums depend on a batch's shape. Continuations share their
batches, which is quicker.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dsassist_runtime.api import ContinuationScore, ContinuationsRequest, Edit, EditScore, InfillRequest, ScoreRequest
from dsassist_runtime.engine.prefix_cache import Lease, PrefixCache, common_prefix
from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.llama.context import BatchToken, Context
from dsassist_runtime.llama.model import Vocabulary

__all__ = ["Batches", "score_continuations", "score_edits"]

# What is to be evaluated next; the value at the end is the answer.
Batches = Generator[list[BatchToken], None, tuple[EditScore, ...] | tuple[ContinuationScore, ...]]
_Steps = Generator[list[BatchToken], None, None]

# Logits of a 152k vocabulary are 0.6 MB a position: 64 positions at once are 39 MB.
_LOGITS_BATCH = 64
_SEQUENCES_BATCH = 16
_MARKS = 4  # BOS and those of prefix, suffix and middle
_LEAST_ROOM = 64  # cells for what an alternative has more than what is written, and for marks


@dataclass(frozen=True)
class _Alternative:
    """An edit as tokens: `text[start:text_end]` of the original became `tokens`; `shared` tokens follow in both."""

    edit: Edit
    tokens: list[int]
    start: int
    text_end: int


def score_edits(
    context: Context,
    cache: PrefixCache,
    vocabulary: Vocabulary,
    request: ScoreRequest,
    between: Callable[[InfillRequest], list[int]],
) -> Generator[list[BatchToken], None, tuple[EditScore, ...]]:
    """Rank and rescore as `ScoreRequest` says; `RequestRefused` when it is too long for the cache.

    `between` gives the prompt for what is written between two texts, and raises where the model has no form for it.
    """
    text = vocabulary.tokenize(request.text)
    if request.suffix is None:
        head = _head(vocabulary, request.context)
    else:
        room = max(cache.n_cells - 2 * len(text) - _LEAST_ROOM - _MARKS, 1)
        head = between(InfillRequest(request.context, request.suffix, max_tokens=0, max_prompt_tokens=room))
    if not text or not request.edits:
        return ()
    # The text in the cache, and behind its start one alternative at a time.
    _check_fits(len(head) + 2 * len(text) + _LEAST_ROOM, cache.n_cells)
    alternatives = [found for edit in request.edits if (found := _as_tokens(vocabulary, request.text, text, edit))]
    with _leased(cache, head) as lease:
        written, offered = yield from _forward_pass(context, lease, head, text, alternatives, request.suffix_tokens)
        scores = []
        for alternative in _best(alternatives, written, offered, request):
            tokens = alternative.tokens + text[alternative.text_end : alternative.text_end + request.suffix_tokens]
            rest = yield from _evaluate(context, lease, len(head) + alternative.start, tokens)
            scores.append(_score(alternative, written, [offered[alternative.start, tokens[0]], *rest], len(tokens)))
    return tuple(scores)


def score_continuations(
    context: Context, cache: PrefixCache, vocabulary: Vocabulary, request: ContinuationsRequest
) -> Generator[list[BatchToken], None, tuple[ContinuationScore, ...]]:
    """The log-probabilities of every continuation; `RequestRefused` when they are too long for the cache."""
    head = _head(vocabulary, request.prefix)
    texts = [vocabulary.tokenize(text) for text in request.continuations]
    most = sum(sorted(map(len, texts))[-_SEQUENCES_BATCH:])
    _check_fits(len(head) + most, cache.n_cells)
    values: list[list[float]] = [[] for _ in texts]
    with _leased(cache, head) as lease:
        yield from _extend(lease, head[len(lease) : -1])
        yield from _extend(lease, head[-1:])
        logits = context.logits(-1)
        total = _log_sum_exp(logits)
        for text, found in zip(texts, values, strict=True):
            found += [float(logits[token]) - total for token in text[:1]]
        longer = [i for i, text in enumerate(texts) if len(text) > 1]
        for start in range(0, len(longer), _SEQUENCES_BATCH):
            group = longer[start : start + _SEQUENCES_BATCH]
            yield from _side_by_side(context, lease, [texts[i] for i in group], [values[i] for i in group])
    return tuple(ContinuationScore(tuple(t), tuple(v)) for t, v in zip(texts, values, strict=True))


def _check_fits(n_tokens: int, n_cells: int) -> None:
    if n_tokens > n_cells:
        raise RequestRefused(
            f"the text to score needs {n_tokens} tokens of context and the model has {n_cells}; score less at once"
        )


def _head(vocabulary: Vocabulary, text: str) -> list[int]:
    # The first token needs something before it, and a text's beginning is what BOS stands for, also where the model's
    # own prompts go without.
    head = ([] if vocabulary.bos is None else [vocabulary.bos]) + vocabulary.tokenize(text)
    return head or vocabulary.tokenize("\n")


@contextmanager
def _leased(cache: PrefixCache, head: Sequence[int]) -> Iterator[Lease]:
    """A sequence that holds `head` but for its last token, or some whole batches of it; nothing else is in the cache.

    Attention adds up in the order of the cells, so the last digits depend on what lay where: a text that is asked about
    twice is to get the same scores twice. What is kept lies in the first cells, where it would be put again.
    """
    n_kept = cache.idle_tokens  # of the one sequence that was left
    lease = cache.acquire(head)
    if not len(lease) == len(head) - 1 == n_kept:
        lease.truncate(_n_alike(len(lease), n_kept))
    cache.clear()
    try:
        yield lease
    finally:
        # Of the text behind it nothing is asked again, and the last token is evaluated with the next one.
        lease.truncate(len(head) - 1)
        lease.release()


def _n_alike(n_shared: int, n_kept: int) -> int:
    """How many of the first `n_shared` of `n_kept` tokens a longer text has in the same batches."""
    n_whole = n_shared // _LOGITS_BATCH * _LOGITS_BATCH
    return max(min(n_whole, n_kept - _LOGITS_BATCH - 1), 0) if n_kept % _LOGITS_BATCH == 1 else n_whole


def _extend(lease: Lease, tokens: Sequence[int]) -> _Steps:
    """Evaluate `tokens` in batches, with the logits behind the last one only."""
    for start, end in _batches(len(tokens)):
        batch, at = tokens[start:end], len(lease)
        yield [BatchToken(token, at + i, lease.sequence, start + i + 1 == len(tokens)) for i, token in enumerate(batch)]
        lease.extend(batch)


def _side_by_side(context: Context, head: Lease, texts: list[list[int]], values: list[list[float]]) -> _Steps:
    """Log p of all tokens of `texts` but the first, several texts in a batch, appended to `values`."""
    with ExitStack() as stack:
        leases = [head.fork() for _ in texts]
        for lease in leases:
            stack.callback(lease.release, keep=False)
        todo = [(i, position) for i, text in enumerate(texts) for position in range(len(text) - 1)]
        for start in range(0, len(todo), _LOGITS_BATCH):
            places = todo[start : start + _LOGITS_BATCH]
            yield [BatchToken(texts[i][p], len(head) + p, leases[i].sequence, True) for i, p in places]
            for index, (i, position) in enumerate(places):
                logits = context.logits(index)
                leases[i].extend([texts[i][position]])
                values[i].append(float(logits[texts[i][position + 1]]) - _log_sum_exp(logits))


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
    context: Context,
    lease: Lease,
    head: list[int],
    text: list[int],
    alternatives: list[_Alternative],
    n_suffix: int,
) -> Generator[list[BatchToken], None, tuple[list[float], dict[tuple[int, int], float]]]:
    """Log p of every token of `text` in place, and of each alternative's first token by (position, token).

    What lies behind the last place that is looked at is not evaluated, and in batches that nothing is looked at in no
    logits are computed: there log p is NaN. Either leaves the other batches as they are.
    """
    if len(lease) < len(head) - 1:
        yield from _extend(lease, head[len(lease) : -1])
    rows: dict[int, set[int]] = {}
    looked_at = [False] * len(text)
    for alternative in alternatives:
        rows.setdefault(alternative.start, set()).add(alternative.tokens[0])
        end = min(max(alternative.text_end + n_suffix, alternative.start + 1), len(text))
        looked_at[alternative.start : end] = [True] * (end - alternative.start)
    written = [math.nan] * len(text)
    offered: dict[tuple[int, int], float] = {}
    before = [head[-1], *text]  # the token of the text stands behind the one with its index here
    for start, end in _batches(max(len(text), 2)):
        if not any(looked_at[start:]):
            break
        batch, at = before[start:end], len(lease)
        wants_logits = any(looked_at[start:end])
        yield [BatchToken(token, at + i, lease.sequence, wants_logits) for i, token in enumerate(batch)]
        lease.extend(batch)
        for position in range(start, min(end, len(text)) if wants_logits else start):
            logits = context.logits(position - start)
            total = _log_sum_exp(logits)
            written[position] = float(logits[text[position]]) - total
            for token in rows.get(position, ()):
                offered[position, token] = float(logits[token]) - total
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


def _score(alternative: _Alternative, written: list[float], values: list[float], n_tokens: int) -> EditScore:
    """`values`: log p of the alternative's tokens and of the suffix behind them, `n_tokens` in all."""
    start, end, n_site = alternative.start, alternative.text_end, len(alternative.tokens)
    return EditScore(
        alternative.edit,
        site_original=tuple(written[start:end]),
        site_alternative=tuple(values[:n_site]),
        suffix_original=tuple(written[end : end + n_tokens - n_site]),
        suffix_alternative=tuple(values[n_site:]),
    )


def _evaluate(
    context: Context, lease: Lease, position: int, tokens: list[int]
) -> Generator[list[BatchToken], None, list[float]]:
    """Log p of `tokens[1:]`, each after those before it, behind the first `position` tokens of `lease`."""
    values: list[float] = []
    scratch = lease.fork(position)
    n_wanted = len(tokens) - 1
    try:
        for start, end in _batches(max(n_wanted, 2) if n_wanted else 0):
            batch = tokens[start:end]
            yield [BatchToken(token, position + start + i, scratch.sequence, True) for i, token in enumerate(batch)]
            scratch.extend(batch)
            for i in range(start, min(end, n_wanted)):
                logits = context.logits(i - start)
                values.append(float(logits[tokens[i + 1]]) - _log_sum_exp(logits))
    finally:
        scratch.release(keep=False)
    return values


def _batches(n_tokens: int) -> Iterator[tuple[int, int]]:
    """First and last index of each batch, none of which has one token, unless that is all there is.

    A token alone is summed up otherwise on each number of threads (llama.cpp's attention divides it among them), and
    takes as long as many. So the last 65 tokens are 63 and 2.
    """
    start = 0
    while start < n_tokens:
        left = n_tokens - start
        end = start + min(left, _LOGITS_BATCH - (left == _LOGITS_BATCH + 1))
        yield start, end
        start = end


def _log_sum_exp(logits: npt.NDArray[np.float32]) -> float:
    highest = float(logits.max())
    return highest + float(np.log(np.exp(logits - highest).sum(dtype=np.float64)))
