"""A suffix that stays evaluated while its prefix grows towards it (PSM: prefix, suffix, middle).

Behind the prefix a gap of positions is left, then come the suffix and what is written. What is typed is evaluated into
the gap, where it sees the prefix; the suffix keeps the KV that it had, which has not seen the newest tokens; the marks
that begin suffix and middle are evaluated anew. So a keystroke costs its own tokens and two. (The suffix's mark tells
the model where the prefix ends. Kept as it was, the model wrote the line from its beginning: 6 of 100 lines were
completed right with Qwen2.5-Coder-0.5B, where 27 were with a fresh prompt.)

llama.cpp wants the positions of a batch to follow those of its sequence, so there are two: one holds the prefix alone,
the other prefix, suffix and text. What is typed is evaluated in the first and shared with the second; the suffix is
evaluated right behind the prefix and then moved (`Context.shift`).

    positions  0 ............ n_prefix   ..gap..   suffix_at ........ middle_at
    first      [BOS PRE prefix][typed SUF]
    second     [BOS PRE prefix][typed SUF]         [suffix]         [MID written ...]
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from dsassist_runtime.engine.prefix_cache import Lease, PrefixCache, common_prefix
from dsassist_runtime.llama.context import Context

__all__ = ["GapLease", "GapPrompt", "Gaps"]

_MOST_FROZEN = 2  # documents; each holds two sequences
_MOST_DELETED = 9  # tokens that the suffix saw and that are gone since, its mark among them


@dataclass(frozen=True)
class GapPrompt:
    """A prompt in three parts; `key` says which document it is of."""

    key: str
    prefix: tuple[int, ...]  # BOS, other files, the mark, the prefix, and the mark of the suffix
    suffix: tuple[int, ...]
    gap: int


@dataclass
class _Frozen:
    """The two sequences of a document, and where its suffix lies."""

    first: Lease
    second: Lease
    suffix: tuple[int, ...]
    seen_prefix: int  # tokens of the prefix that the suffix saw
    suffix_at: int


class Gaps:
    """The frozen suffixes, a few documents' at most."""

    def __init__(self, context: Context, cache: PrefixCache) -> None:
        self._context = context
        self._cache = cache
        cache.give_up_one = self.drop_idle
        self._idle: OrderedDict[str, _Frozen] = OrderedDict()

    def acquire(self, prompt: GapPrompt) -> GapLease:
        """The document's suffix if it can be used again, else a new beginning."""
        frozen = self._idle.pop(prompt.key, None)
        if frozen is not None:
            kept = common_prefix(frozen.first.tokens, prompt.prefix)
            deleted = frozen.seen_prefix - kept
            fits = len(prompt.prefix) <= frozen.suffix_at and deleted <= _MOST_DELETED
            if frozen.suffix == prompt.suffix and fits:
                frozen.first.truncate(kept)
                self._context.forget(frozen.second.sequence, kept, frozen.suffix_at)
                return GapLease(self, self._context, prompt, frozen, is_new=False)
            _drop(frozen)
        second = self._cache.lease_empty()
        frozen = _Frozen(self._cache.acquire(prompt.prefix), second, prompt.suffix, len(prompt.prefix), 0)
        return GapLease(self, self._context, prompt, frozen, is_new=True)

    def drop_idle(self) -> bool:
        """Give up the least recently used suffix; False when there is none."""
        if not self._idle:
            return False
        _drop(self._idle.popitem(last=False)[1])
        return True

    def _keep(self, key: str, frozen: _Frozen) -> None:
        if (before := self._idle.pop(key, None)) is not None:
            _drop(before)
        self._idle[key] = frozen
        while len(self._idle) > _MOST_FROZEN:
            self.drop_idle()


class GapLease:
    """As a `Lease` to its request: tokens in the order of the prompt, whatever their positions."""

    def __init__(self, gaps: Gaps, context: Context, prompt: GapPrompt, frozen: _Frozen, *, is_new: bool) -> None:
        self._gaps = gaps
        self._context = context
        self._prompt = prompt
        self._frozen = frozen
        self._is_new = is_new
        self._shared = 0 if is_new else len(frozen.first)  # tokens of the prefix that the second sequence has
        self._n_prefix = len(prompt.prefix)
        self._n_head = self._n_prefix + len(prompt.suffix)
        self._length = len(frozen.first)
        self.cached = self._length + (0 if is_new else len(prompt.suffix))
        if not is_new:
            self._enter_suffix()

    def __len__(self) -> int:
        return self._length

    def place(self, index: int) -> tuple[int, int]:
        """Sequence and position of token `index`."""
        if index < self._n_prefix:
            return self._frozen.first.sequence, index
        if index < self._n_head:
            return self._frozen.second.sequence, index
        return self._frozen.second.sequence, index - self._n_prefix + self._frozen.suffix_at

    def limit(self, index: int) -> int:
        """How many tokens from `index` on can stand in a batch: prefix, suffix and middle need one each."""
        for end in (self._n_prefix, self._n_head):
            if index < end:
                return end - index
        return 1 << 30

    def extend(self, tokens: Sequence[int]) -> None:
        """These tokens were evaluated behind the others, within `limit`."""
        if self._length < self._n_prefix:
            self._frozen.first.extend(tokens)
        else:
            self._frozen.second.extend(tokens)
        self._length += len(tokens)
        self._enter_suffix()
        if self._is_new and self._length == self._n_head:
            self._context.shift(self._frozen.second.sequence, self._n_prefix, self._prompt.gap)
            self._frozen.suffix_at = self._n_prefix + self._prompt.gap
            self._is_new = False

    def _enter_suffix(self) -> None:
        """Once all of the prefix is evaluated the second sequence gets it, and the suffix counts if it is there."""
        if self._length != self._n_prefix:
            return
        first, second = self._frozen.first, self._frozen.second
        self._context.share(first.sequence, second.sequence, self._shared, self._n_prefix)
        self._shared = self._n_prefix
        first.publish()
        if not self._is_new:
            self._length = self._n_head

    def undo(self) -> None:
        """Forget what was evaluated behind the tokens that are known of."""
        sequence, position = self.place(self._length)
        self._context.forget(sequence, position, -1)

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens, all of prefix and suffix among them."""
        assert length >= self._n_head, (length, self._n_head)
        self._frozen.second.tokens[length - self._n_head + len(self._prompt.suffix) :] = []
        self._length = length
        self.undo()

    def publish(self) -> None:
        """The prefix is published as soon as it is evaluated; nobody else can use the rest."""

    def release(self, *, keep: bool = True) -> None:
        """Keep prefix and suffix for the next keystroke, if both are evaluated."""
        if not keep or self._length < self._n_head:
            _drop(self._frozen)
            return
        self.truncate(self._n_head)
        self._gaps._keep(self._prompt.key, self._frozen)


def _drop(frozen: _Frozen) -> None:
    frozen.second.release(keep=False)
    frozen.first.release()
