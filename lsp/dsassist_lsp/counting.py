"""Counts in the ledger what was answered to the editor, and takes the threshold of what is shown from there."""

from __future__ import annotations

import zlib

from dsassist.completion.draft import Draft
from dsassist.completion.place import Place
from dsassist.completion.writer import Offer
from dsassist.config import LoadedConfig
from dsassist.ledger.entries import RequestCost, ShownOffer, Source
from dsassist.ledger.ledger import Ledger
from dsassist.ledger.threshold import threshold_for
from dsassist_lsp.acceptance import Acceptance, AnsweredOffer
from dsassist_lsp.completions import Asked
from dsassist_lsp.waiting import Answer

__all__ = ["Counting"]

_SOURCES: dict[str, Source] = {"engine": "engine", "typed": "typed through", "prepared": "prepared"}


class Counting:
    """Called in the event loop's thread; the disk is another thread's."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.acceptance = Acceptance(ledger)

    def threshold(self, document: str, place: Place, loaded: LoadedConfig, model: str) -> float:
        """How likely a first line must be to be shown here: as the options say, or as the person's choices do.

        Now and then more is shown, to learn from it; which, is the same for all of a line, so that nothing flickers.
        """
        options = loaded.config.completion
        if not options.learn_threshold or not options.min_probability:
            return options.min_probability
        tuned = self._ledger.tuned(model, place.language or "", options.min_probability)
        draw = zlib.crc32(f"{document}:{place.line_start}".encode(errors="replace")) / 2**32
        return threshold_for(tuned, options.min_probability, draw)

    def answered(self, asked: Asked, answer: Answer, offers: tuple[Offer, ...], model: str) -> list[int]:
        """Count what is shown; the ids are for the items' commands."""
        draft, root = answer.draft, asked.loaded.root
        end = draft.end if draft is not None else None
        counted = [
            AnsweredOffer(
                offer.start,
                offer.end,
                offer.text,
                ShownOffer(
                    language=asked.place.language or "",
                    model=model,
                    repository=str(root or ""),
                    characters=len(offer.text),
                    lines=offer.text.count("\n") + 1,
                    probability=offer.probability,
                    latency_ms=answer.latency_ms,
                    prompt_tokens=end.prompt_tokens if end else 0,
                    evaluated_tokens=end.prompt_tokens - end.cached_tokens if end else 0,
                    decoded_tokens=end.completion_tokens if end else 0,
                    source=_SOURCES[answer.source],
                ),
            )
            for offer in offers
        ]
        return self.acceptance.answered(asked.document, asked.place.text, counted, root)

    def written(self, asked: Asked, draft: Draft, model: str) -> None:
        """Count what a text cost, and how much of it nobody saw."""
        end = draft.end
        if end is None:
            return
        unseen = max(0, len(draft.text) - draft.shown_characters) / max(1, len(draft.text))
        self._ledger.request(
            RequestCost(
                language=asked.place.language or "",
                model=model,
                repository=str(asked.loaded.root or ""),
                latency_ms=end.total_ms,
                prompt_tokens=end.prompt_tokens,
                evaluated_tokens=end.prompt_tokens - end.cached_tokens,
                decoded_tokens=end.completion_tokens,
                wasted_tokens=round(unseen * end.completion_tokens),
                reason="" if draft.shown_characters else draft.reason,
            )
        )
