"""What an edit says of an offer that is on the screen: taken, taken in part, typed, or passed by.

Editors that send no message on it (most do not on a partial acceptance) are understood by this alone. What is inserted
in one edit was accepted, what comes letter by letter was typed; editors gather what is typed within some 150 ms, which
is three letters of a quick typist, so four at once are no typing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

__all__ = ["Became", "LiveOffer", "after_change"]

_TYPED_AT_ONCE = 3
_CLOSERS = frozenset(")]}>\"'`")


@dataclass(frozen=True)
class LiveOffer:
    """An offer on the screen: `text` would take the place of `document[start:end]` (code points).

    While it is typed or taken piece by piece, `text` is what is left. `accepted` counts the characters taken so far and
    `accepted_from` is where the first of them stands.
    """

    offer: int
    document: str
    start: int
    end: int
    text: str
    accepted: int = 0
    accepted_from: int | None = None


@dataclass(frozen=True)
class Became:
    """`length` characters were inserted or typed; `left` is what is still on the screen."""

    kind: Literal["untouched", "accepted", "partly", "typed", "typed through", "dismissed"]
    length: int = 0
    left: LiveOffer | None = None


def after_change(live: LiveOffer, document: str) -> Became:
    """What became of an offer by the edit that made this text of its document."""
    before = live.document
    if document == before:
        return Became("untouched", left=live)
    if not document.startswith(before[: live.start]):
        return Became("dismissed")
    # What stands right of the cursor (a closed bracket) may have stayed, or have been replaced with the range.
    for end in dict.fromkeys((live.start, live.end)):
        if (inserted := _inserted(live, document, end)) and (became := _became(live, document, inserted, end)):
            return became
    return Became("dismissed")


def _inserted(live: LiveOffer, document: str, end: int) -> str:
    """What took the place of `live.document[live.start:end]`, if nothing else was changed."""
    tail = live.document[end:]
    if len(document) < live.start + len(tail) or not document.endswith(tail):
        return ""
    return document[live.start : len(document) - len(tail)]


def _became(live: LiveOffer, document: str, inserted: str, end: int) -> Became | None:
    length = len(inserted)
    at_once = length > _TYPED_AT_ONCE
    if inserted + live.document[end : live.end] == live.text:
        return Became("accepted" if at_once else "typed through", length)
    closed = 0
    if not live.text.startswith(inserted):
        # `(` was typed, and the editor closed it at once.
        closed = 1
        if length < 2 or inserted[-1] not in _CLOSERS or not live.text.startswith(inserted[:-1]):
            return None
    length -= closed
    left = replace(
        live,
        document=document,
        start=live.start + length,
        end=live.start + length + closed + live.end - end,
        text=live.text[length:],
    )
    if not at_once:
        return Became("typed", length, left)
    first = live.start if live.accepted_from is None else live.accepted_from
    return Became("partly", length, replace(left, accepted=live.accepted + length, accepted_from=first))
