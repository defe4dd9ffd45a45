"""Which tokens a text may go on with when its next bytes are given: token healing.

A text that was cut in the middle of a word has tokens that nobody would have chosen: behind `imp` a model that writes
`import` as one token has no `ort` to offer. So the last tokens are taken back, and those that are chosen in their place
must spell the same bytes: each is a beginning of what is left of them, or begins with all of it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

__all__ = ["Beginnings"]


class _Bucket:
    """Tokens that share their first byte, in the order of their bytes."""

    def __init__(self, found: list[tuple[bytes, int]]) -> None:
        found.sort()
        self.pieces = [piece for piece, _token in found]
        self._tokens = np.array([token for _piece, token in found], dtype=np.intp)

    def beginning_with(self, text: bytes) -> npt.NDArray[np.intp]:
        """The tokens that begin with `text`."""
        return self._tokens[slice(*self._range(text))]

    def equal_to(self, text: bytes) -> npt.NDArray[np.intp]:
        """The tokens that are `text`."""
        start = bisect_left(self.pieces, text)
        return self._tokens[start : bisect_right(self.pieces, text, start)]

    def has_longer(self, text: bytes) -> bool:
        """Is there a token that begins with `text` and goes on?"""
        start, end = self._range(text)
        return end > start and len(self.pieces[end - 1]) > len(text)

    def _range(self, text: bytes) -> tuple[int, int]:
        start, head = bisect_left(self.pieces, text), text.rstrip(b"\xff")
        above = head[:-1] + bytes([head[-1] + 1]) if head else None  # the least that is behind all of them
        return start, len(self.pieces) if above is None else bisect_left(self.pieces, above, start)


class Beginnings:
    """The vocabulary's bytes by their beginnings.

    To read 152k tokens takes 0.4 s: `advance` does a part of it, and whatever else is called first does the rest.
    """

    def __init__(self, n_tokens: int, piece: Callable[[int], bytes]) -> None:
        """`piece` gives the bytes of a token; none for one that must not be chosen."""
        self._n_tokens = n_tokens
        self._piece = piece
        self._n_read = 0
        self._breaks_line = np.zeros(n_tokens, dtype=np.bool_)
        self._unsorted: dict[int, list[tuple[bytes, int]]] = {}
        self._buckets: dict[int, _Bucket] = {}

    def advance(self, count: int) -> bool:
        """Read so many more tokens, or put some in order; False when nothing is left to do."""
        if self._n_read < self._n_tokens:
            self._read(count)
            return True
        if self._unsorted:
            self._bucket(next(iter(self._unsorted)))
            return True
        return False

    def fitting(self, owed: bytes) -> npt.NDArray[np.intp]:
        """The tokens that begin with `owed`, and those that `owed` begins with."""
        bucket = self._bucket(owed[0])
        shorter = [bucket.equal_to(owed[:length]) for length in range(len(owed) - 1, 0, -1)]
        if not owed.strip(b" \t"):
            # Of blanks tokenizers make one token, or one of all but the last, which goes to the word behind them.
            # Blanks one by one are what no text has, and what a model goes on with for ever.
            shorter = [found for found in shorter if len(found)][:1]
        return np.concatenate([bucket.beginning_with(owed), *shorter])

    def likelier_half(
        self, tokens: npt.NDArray[np.intp], owed: bytes, logits: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.intp]:
        """Those of the fitting `tokens` that end the line, or those that do not, whichever are likelier together.

        Behind `f(` there is one token for a bracket at the end of its line and a hundred for one that goes on, so the
        likeliest of all would end the line where the model itself thinks it two times in three goes on.
        """
        if b"\n" in owed:
            return tokens
        breaks = self._breaks_line[tokens]
        if not breaks.any() or breaks.all():
            return tokens
        mass = np.exp(logits[tokens] - logits[tokens].max())
        return tokens[breaks] if mass[breaks].sum() > mass[~breaks].sum() else tokens[~breaks]

    def can_spell(self, owed: bytes) -> bool:
        """Has each byte a token of its own, so that there is always one that fits?"""
        return all(len(self._bucket(byte).equal_to(bytes([byte]))) for byte in set(owed))

    def taken_back(self, pieces: Sequence[bytes]) -> int:
        """How many of the last tokens of a text, given by their bytes, are to be chosen anew.

        The last one; and as many more of the last line as another token, which may begin inside them, would have
        spelled with it: `用户的` and `名` for `用户` and `的名字`.
        """
        count = min(1, len(pieces))
        while count < len(pieces) and b"\n" not in (before := pieces[-count - 1]):
            tail = b"".join(pieces[len(pieces) - count :])
            starts = (i for i in range(len(before)) if before[i] & 0xC0 != 0x80)  # of characters
            if not any(self._bucket(before[i]).has_longer(before[i:] + tail) for i in starts):
                break
            count += 1
        return count

    def _read(self, count: int) -> None:
        end = min(self._n_read + count, self._n_tokens)
        for token in range(self._n_read, end):
            if found := self._piece(token):
                self._breaks_line[token] = b"\n" in found
                self._unsorted.setdefault(found[0], []).append((found, token))
        self._n_read = end

    def _bucket(self, first: int) -> _Bucket:
        self._read(self._n_tokens)
        if first not in self._buckets:
            self._buckets[first] = _Bucket(self._unsorted.pop(first, []))
        return self._buckets[first]
