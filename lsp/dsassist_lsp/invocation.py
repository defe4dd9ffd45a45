"""Was the completion menu opened by hand? The protocol does not say: `Invoked` is sent for a typed word as well.

What tells is the edit. An editor that asks by itself does so because something was typed, at once or after a fraction
of a second; one that asks again about the same text, or long after the last edit, was told to.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from lsprotocol import types

__all__ = ["Invocations"]

_LONG_S = 1.0  # Helix asks by itself after 0.25 s, Emacs after 0.2 to 0.5


class Invocations:
    """When documents were edited, and whether they were asked about since."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._edited_s: dict[str, float] = {}  # documents that nothing was asked about since, and when that was

    def edited(self, uri: str) -> None:
        """A document was edited."""
        self._edited_s[uri] = self._clock()

    def closed(self, uri: str) -> None:
        """A document was closed."""
        self._edited_s.pop(uri, None)

    def is_by_hand(self, uri: str, context: types.CompletionContext | None) -> bool:
        """Is this request for the menu one that a person made? Each request is to be asked about once."""
        edited_s = self._edited_s.pop(uri, None)
        if context is None or context.trigger_kind != types.CompletionTriggerKind.Invoked:
            return False
        return edited_s is None or self._clock() - edited_s >= _LONG_S
