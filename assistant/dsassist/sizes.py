"""Sizes as people write them: 6G, 512M, 6GiB."""

from __future__ import annotations

import re

__all__ = ["AUTOMATIC", "bytes_of", "limit_bytes"]

AUTOMATIC = "auto"

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[KMGT])(?P<binary>i)?B?", re.IGNORECASE | re.ASCII)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}


def bytes_of(text: str) -> int:
    """Bytes; ValueError for what is no size. `6G` is 6e9 and `6GiB` more: what is meant by a G is never exceeded."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no size; write a number with a unit, such as 6G, 512M or 6GiB")
    base = 1024 if found["binary"] else 1000
    return int(float(found["number"]) * base ** _POWERS[found["unit"].upper()])


def limit_bytes(text: str) -> int | None:
    """The bytes of an option that is a size, None where it is "auto"."""
    return None if text == AUTOMATIC else bytes_of(text)
