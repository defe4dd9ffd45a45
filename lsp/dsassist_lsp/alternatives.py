"""Further texts for a place, when a person asks by hand: the same prompt, which is evaluated, sampled more freely."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from dsassist.completion.completer import infill_request, new_writer
from dsassist.completion.draft import Draft
from dsassist.completion.writer import Offer
from dsassist_lsp.completions import Asked
from dsassist_lsp.engines import Engines
from dsassist_lsp.jobs import Job, Workers
from dsassist_runtime.api import GenerationEnd, InfillRequest, Sampling, TextPiece, TextStream

__all__ = ["alternatives"]

_HOW_MANY = 2
_TEMPERATURE = 0.8


async def alternatives(
    engines: Engines, asked: Asked, draft: Draft, first: Offer, count: Callable[[GenerationEnd, float], None]
) -> Sequence[Offer]:
    """At most two offers that differ from the first and from each other; none where the engine fails.

    `count` gets the cost of each text, and the share of it that is not offered.
    """
    options = asked.loaded.config.completion
    typed = draft.text[: draft.typed(*asked.place.around) or 0]  # since its prompt was made
    workers, readers = Workers(), [_Reader(asked, typed) for _ in range(_HOW_MANY)]
    for seed, reader in enumerate(readers):
        request = infill_request(
            draft.prompt, options, asked.name, sampling=Sampling(_TEMPERATURE, seed=seed), logprobs=None
        )
        reader.job = Job(partial(_open, engines, asked, request), reader)
        workers.start(reader.job)
    texts: dict[str, Offer] = {first.text: first}
    try:
        for offer in await asyncio.gather(*(reader.offer for reader in readers)):
            if offer is not None:
                texts.setdefault(offer.text, offer)
    finally:
        for reader in readers:
            if (end := reader.close()) is not None:
                count(end, reader.unseen(list(texts.values())[1:]))
    return list(texts.values())[1:]


def _open(engines: Engines, asked: Asked, request: InfillRequest) -> TextStream:
    return engines.get(asked.loaded).engine.infill(request)


class _Reader:
    """Implements `jobs.Reader`: a text is one for the place if it begins with what was `typed` behind its prompt."""

    def __init__(self, asked: Asked, typed: str) -> None:
        self.offer: asyncio.Future[Offer | None] = asyncio.get_running_loop().create_future()
        self.job: Job | None = None
        self._typed = typed
        self._text = ""
        self._end: GenerationEnd | None = None
        self._writer = new_writer(asked.place, asked.loaded.config.completion)

    def piece(self, piece: TextPiece) -> None:
        """Some more text."""
        skip = max(0, len(self._typed) - len(self._text))
        self._text += piece.text
        if not self._may_fit():
            self._finish()
        elif skip < len(piece.text):
            self._writer.push(replace(piece, text=piece.text[skip:]))
            if self._writer.done:
                self._finish()

    def ended(self, end: GenerationEnd) -> None:
        """The model ended the text."""
        self._end = end
        self._writer.finish(cut_short=end.finish_reason != "stop")
        self._finish()

    def failed(self, _error: Exception) -> None:
        """Then there is one text less to choose from; the first one was told of its error."""
        if not self.offer.done():
            self.offer.set_result(None)

    def close(self) -> GenerationEnd | None:
        """Nobody waits any more; what the text cost, if it was begun."""
        if self._end is None and self.job is not None:
            self._end = self.job.close()
        return self._end

    def unseen(self, offered: Sequence[Offer]) -> float:
        """The share of the text that is in none of these offers."""
        own = self.offer.result() if self.offer.done() and not self.offer.cancelled() else None
        if own is None or not any(each is own for each in offered):
            return 1.0
        return max(0, len(self._text) - len(own.text)) / max(1, len(self._text))

    def _finish(self) -> None:
        if not self.offer.done():
            fits = self._text.startswith(self._typed)
            self.offer.set_result(self._writer.offer() if fits else None)
            self.close()

    def _may_fit(self) -> bool:
        return self._text.startswith(self._typed) or self._typed.startswith(self._text)
