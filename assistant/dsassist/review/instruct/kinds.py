"""The closed list of what may be reported: the word that the model writes, the family, and what it is told of it."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["KINDS", "Kind"]


class Kind(NamedTuple):
    """A kind of bug; `family` is the one in `review.rules`, `meaning` empty where the word says it all."""

    family: str
    meaning: str


KINDS: dict[str, Kind] = {
    "condition": Kind("asked-condition", ""),
    "value": Kind("asked-value", "wrong name or expression"),
    "check": Kind("asked-check", "of what may be empty or missing"),
    "call": Kind("asked-call", "wrong function or argument"),
    "result": Kind("asked-result", ""),
    "cleanup": Kind("asked-cleanup", "not closed or awaited"),
}
"""By the word in the answer."""
