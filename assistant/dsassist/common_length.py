"""How long the common beginning of two texts is."""

from __future__ import annotations

from typing import AnyStr

__all__ = ["common_length"]


def common_length(one: AnyStr, other: AnyStr) -> int:
    """How many characters or bytes both begin with. By halves: slices of megabytes are compared in microseconds."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
