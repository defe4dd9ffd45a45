"""One sequence of the KV cache, and what of it can be reused by the next request."""

from __future__ import annotations

from dsassist_runtime.llama.context import Aborted, BatchToken, Context

__all__ = ["CachedSequence"]


class CachedSequence:
    """Knows which tokens the KV cache of one sequence holds, and evaluates only what is new."""

    def __init__(self, context: Context, sequence: int = 0) -> None:
        self._context = context
        self._sequence = sequence
        self._tokens: list[int] = []

    def prefill(self, tokens: list[int]) -> int:
        """Make the cache hold exactly `tokens`, the logits of the last ready; returns how many were there already.

        The last token is always evaluated, since logits are not cached.
        """
        reused = common_prefix(self._tokens, tokens[:-1])
        self.truncate(reused)
        self.extend(tokens[reused:])
        return reused

    def starts_with(self, tokens: list[int]) -> bool:
        """Does the cache begin with these tokens?"""
        return self._tokens[: len(tokens)] == tokens

    def extend(self, tokens: list[int]) -> None:
        """Evaluate any number of tokens at the end, in full batches."""
        n_batch = self._context.n_batch
        for start in range(0, len(tokens), n_batch):
            self.append(tokens[start : start + n_batch], wants_logits=False)

    def append(self, tokens: list[int], *, wants_logits: bool) -> None:
        """Evaluate one batch at the end: with the logits of every token, or of the last one only."""
        start, last = len(self._tokens), len(tokens) - 1
        batch = [
            BatchToken(token, start + i, self._sequence, wants_logits or i == last) for i, token in enumerate(tokens)
        ]
        try:
            self._context.decode(batch)
        except Aborted:
            self._context.forget(self._sequence, start)
            raise
        self._tokens += tokens

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
        if length < len(self._tokens):
            self._context.forget(self._sequence, length)
            del self._tokens[length:]


def common_prefix(left: list[int], right: list[int]) -> int:
    """How many tokens at the start are equal."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
