"""How a person types, and how long to wait before a completion is worth its work."""

from __future__ import annotations

import re
from collections.abc import Hashable

__all__ = ["Rhythm"]

_FIRST_GAP_S = 0.16  # before anything is known of the person: an average typist
_TYPING_S = 0.6  # a longer gap is a pause, not typing
_MEMORY = 0.15  # weight of the latest gap
_LEAST_S, _MOST_S = 0.03, 0.4
# In the middle of a word the next key is nearly certain to come; behind one of these people stop and look.
_IN_WORD, _AT_BOUNDARY = 1.0, 0.25
_MOST_PATIENT = 3  # times as long, on a line of which the model knew nothing to show before
_BOUNDARY = re.compile(r"(^|[.(\[{=,:;>\s])\Z")


class Rhythm:
    """The gaps between the edits of one person, all documents together."""

    def __init__(self) -> None:
        self._gap_s = _FIRST_GAP_S
        self._last: float | None = None
        self._line: Hashable = None
        self._fruitless = 0

    def typed(self, now: float) -> None:
        """An edit arrived, at `now` seconds."""
        if self._last is not None and 0.0 < now - self._last < _TYPING_S:
            self._gap_s += _MEMORY * (now - self._last - self._gap_s)
        self._last = now

    def answered(self, line: Hashable, *, shown: bool) -> None:
        """The engine was asked on a line; whether anything of its text was good enough to be shown."""
        if shown or line != self._line:
            self._fruitless = 0
        self._line = line
        self._fruitless += not shown

    def delay_s(self, line: Hashable, line_before: str, now: float) -> float:
        """How long to wait for a further key before the engine is asked, `line_before` the cursor being typed.

        Where the model had nothing good for a line before, it will hardly have it a key later: there it waits longer.
        """
        share = _AT_BOUNDARY if _BOUNDARY.search(line_before) else _IN_WORD
        if line == self._line:
            share *= min(_MOST_PATIENT, 1 + self._fruitless)
        waited = 0.0 if self._last is None else max(0.0, now - self._last)
        if waited > _TYPING_S:  # nobody is typing: the cursor was moved, or the completion asked for
            return 0.0
        return max(0.0, min(_MOST_S, max(_LEAST_S, share * self._gap_s)) - waited)
