"""A request that waits for its text: how far that is read, and what of it may be shown."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Literal

from dsassist.completion.completer import new_writer
from dsassist.completion.dedent import is_deeper
from dsassist.completion.draft import Draft
from dsassist.completion.part import part_around
from dsassist.completion.place import Place
from dsassist.completion.writer import Offer, Writer
from dsassist.options import CompletionConfig
from dsassist_runtime.api import TextPiece

__all__ = ["Answer", "Source", "Waiting"]

# "engine": written for this request; "typed": for an earlier place, on the way to this one; "prepared": ahead of it.
Source = Literal["engine", "typed", "prepared"]

_DEEPER = "it is indented deeper than the cursor"


@dataclass(frozen=True)
class Answer:
    """What is to be shown at a place, or None and the reason; with the text that it is taken from."""

    offer: Offer | None
    reason: str = ""
    source: Source = "engine"
    draft: Draft | None = None
    latency_ms: float = 0.0


@dataclass(eq=False)
class Waiting:
    """A request. With `has_left_block` the person has just taken indentation back here (`completion.dedent`)."""

    place: Place
    options: CompletionConfig
    min_probability: float
    has_left_block: bool
    answer: asyncio.Future[Answer | None]  # None: the text that it waited for is another one; ask anew
    asked_at: float  # by `time.monotonic`
    draft: Draft | None = None
    source: Source = "engine"
    left: Offer | None = None  # of what was shown before, when it is being typed
    read: str = field(default="", init=False)  # of the draft, behind what was typed
    reason: str = field(default="", init=False)  # why the last offer was none
    _writer: Writer = field(init=False)
    _part_start: int = field(init=False)

    def __post_init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Forget what was read."""
        self.read = ""
        part, self._part_start = part_around(self.place)
        self._writer = new_writer(part, self.options, self.min_probability)

    def push(self, piece: TextPiece) -> None:
        """Read on."""
        self._writer.push(piece)
        self.read += piece.text

    def finish(self, *, cut_short: bool = False) -> None:
        """There is no more to read; with `cut_short` that is not the model's will."""
        self._writer.finish(cut_short=cut_short)

    @property
    def done(self) -> bool:
        """Can nothing more be shown of what follows?"""
        return self._writer.done or not self.fits(self.read)

    @property
    def n_lines(self) -> int:
        """Finished lines that belong here."""
        return self._writer.n_lines

    def fits(self, text: str) -> bool:
        """Is this no text, or the beginning of one, that goes on in a block that the person has left?"""
        return not (self.has_left_block and is_deeper(text, self.place))

    def offer(self) -> Offer | None:
        """What may be shown of what was read; `reason` tells why it is nothing."""
        if not self.fits(self.read):
            self.reason = _DEEPER
            return None
        offer = self._writer.offer(self.min_probability)
        self.reason = self._writer.reason
        if offer is None:
            return None
        return replace(offer, start=offer.start + self._part_start, end=offer.end + self._part_start)
