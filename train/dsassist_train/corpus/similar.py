"""Which texts are the same, or nearly: MinHash signatures of token shingles, found again by locality-sensitive hashing.

Broder 1997; Leskovec, Rajaraman and Ullman, Mining of Massive Datasets, chapter 3. What matters is the share of
shingles (five words or signs in a row) that two texts have in common, the Jaccard similarity, of which the share of
equal values in two signatures is an estimate with a standard error of 0.035.

A held-out text must also not stand inside of a longer one, as vendored code does: `Windows` knows its runs of lines.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Signature = NDArray[np.uint64]

__all__ = ["NearDuplicates", "Windows", "signature"]

_SHINGLE = 5
_BANDS, _ROWS = 32, 4
_BINS = _BANDS * _ROWS
_EMPTY = (1 << 64) - 1
_FACTOR = 0x9E3779B97F4A7C15  # odd: 2**64 over the golden ratio
_MOST_WORDS = 2_000_000
_LEAST_ALIKE = 0.8
_WORD = re.compile(r"\w+|[^\w\s]")
_WINDOW_LINES = 8
_LEAST_LINE = 4
_MOST_SHARED = 0.1


def signature(text: str) -> Signature:
    """128 least hash values of the text's shingles, `(128,) uint64`; equal for equal texts, whatever their blanks.

    Each shingle falls into one of 128 bins and counts there alone (one permutation hashing: Li, Owen and Zhang 2012);
    an empty bin takes the value of the next one that is not (Shrivastava and Li 2014).
    """
    import numpy as np

    ids = np.array(list(map(_HASHES.__getitem__, _WORD.findall(text) or [""])), dtype=np.uint64)
    n_shingles = max(1, len(ids) - _SHINGLE + 1)
    hashes = np.zeros(n_shingles, dtype=np.uint64)
    with np.errstate(over="ignore"):
        for i in range(min(_SHINGLE, len(ids))):
            hashes = hashes * np.uint64(_FACTOR) + ids[i : i + n_shingles]
        hashes = (hashes ^ (hashes >> np.uint64(31))) * np.uint64(_FACTOR)
        hashes ^= hashes >> np.uint64(29)
        least = np.full(_BINS, _EMPTY, dtype=np.uint64)
        np.minimum.at(least, (hashes % np.uint64(_BINS)).astype(np.intp), hashes // np.uint64(_BINS))
        full = np.flatnonzero(least != np.uint64(_EMPTY))
        following = full[np.searchsorted(full, np.arange(_BINS)) % len(full)]
        distance = ((following - np.arange(_BINS)) % _BINS).astype(np.uint64)
        result: Signature = least[following] + distance * np.uint64(_FACTOR)
    return result


class NearDuplicates:
    """The texts so far, by their signatures."""

    def __init__(self) -> None:
        self._signatures: list[Signature] = []
        self._buckets: dict[tuple[int, bytes], list[int]] = {}

    def add(self, one: Signature) -> bool:
        """Keep the text unless one that is four fifths alike is there already; was it kept?"""
        keys = [(band, one[band * _ROWS : (band + 1) * _ROWS].tobytes()) for band in range(_BANDS)]
        seen: set[int] = set()
        for key in keys:
            for other in self._buckets.get(key, ()):
                if other not in seen:
                    seen.add(other)
                    if float((self._signatures[other] == one).mean()) >= _LEAST_ALIKE:
                        return False
        for key in keys:
            self._buckets.setdefault(key, []).append(len(self._signatures))
        self._signatures.append(one)
        return True


class Windows:
    """Runs of eight lines of texts that must not be learnt; comments and blank lines do not count."""

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def add(self, text: str) -> None:
        """Know the text from now on."""
        self._seen.update(_windows(text))

    def hold(self, text: str) -> bool:
        """Is more than a tenth of the text known?"""
        windows = _windows(text)
        n_known = sum(window in self._seen for window in windows)
        return n_known > _MOST_SHARED * len(windows)


def _windows(text: str) -> list[int]:
    """Hashes of the runs, which hold within this process."""
    lines = [line for each in text.split("\n") if len(line := each.strip()) >= _LEAST_LINE and line[0] not in "#*/"]
    starts = range(len(lines) - _WINDOW_LINES + 1)
    return [hash(tuple(lines[start : start + _WINDOW_LINES])) for start in starts]


class _Hashes(dict[str, int]):
    """A hash of each word that is the same in every run, unlike Python's own."""

    def __missing__(self, word: str) -> int:
        if len(self) > _MOST_WORDS:
            self.clear()
        found = int.from_bytes(blake2b(word.encode("utf-8", "replace"), digest_size=8).digest(), "little")
        self[word] = found
        return found


_HASHES = _Hashes()
