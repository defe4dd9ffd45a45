"""Counts in the ledger what was answered to the editor, and takes the threshold of what is shown from there."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from dsassist.completion.draft import Draft
from dsassist.completion.place import Place
from dsassist.completion.writer import Offer
from dsassist.config import LoadedConfig
from dsassist.ledger.entries import Purpose, RequestCost, ShownOffer, Source
from dsassist.ledger.ledger import Ledger
from dsassist.ledger.threshold import threshold_for
from dsassist_lsp.acceptance import Acceptance, AnsweredOffer
from dsassist_lsp.completions import Asked
from dsassist_lsp.waiting import Answer
from dsassist_runtime.api import GenerationEnd

__all__ = ["Counting"]

_SOURCES: dict[str, Source] = {"engine": "engine", "typed": "typed through", "prepared": "prepared"}


@dataclass
class _Counted:
    """What the ledger has of a request: its id there, and what of it may change when more of the text is shown."""

    request: int
    wasted: int
    reason: str


class Counting:
    """Called in the event loop's thread; the disk is another thread's."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._requests: WeakKeyDictionary[Draft, _Counted] = WeakKeyDictionary()  # the texts that may be shown yet
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

    def answered(
        self, asked: Asked, answer: Answer, offers: tuple[Offer, ...], model: str, lead: str = ""
    ) -> list[int]:
        """Count what is shown; the ids are for the items' commands, `lead` is what the items begin with."""
        root = asked.loaded.root
        if answer.draft is not None:
            self._see(answer.draft)
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
                    source=_SOURCES[answer.source],
                ),
                lead,
            )
            for offer in offers
        ]
        return self.acceptance.answered(asked.document, asked.place.text, counted, root)

    def written(self, asked: Asked, draft: Draft, model: str) -> None:
        """Count what a text cost, once nothing more of it is written."""
        if draft.end is not None:
            wasted, reason = _wasted(draft), _reason(draft)
            request = self._ledger.request(_cost(asked, model, draft.end, wasted, reason, "completion"))
            self._requests[draft] = _Counted(request, wasted, reason)

    def further(self, asked: Asked, model: str, end: GenerationEnd, unseen: float) -> None:
        """Count what another text cost that was asked for by hand; `unseen` is the share that is not offered."""
        self._ledger.request(_cost(asked, model, end, round(unseen * end.completion_tokens), "", "further"))

    def read_ahead(self, asked: Asked, model: str, end: GenerationEnd) -> None:
        """Count what a prompt cost that was read in idle time."""
        self._ledger.request(_cost(asked, model, end, 0, "", "ahead"))

    def _see(self, draft: Draft) -> None:
        """More of a text that is written may be on the screen than when it was counted."""
        if (counted := self._requests.get(draft)) is None:
            return
        wasted, reason = _wasted(draft), _reason(draft)
        if (wasted, reason) != (counted.wasted, counted.reason):
            counted.wasted, counted.reason = wasted, reason
            self._ledger.request_seen(counted.request, wasted, reason)


def _cost(asked: Asked, model: str, end: GenerationEnd, wasted: int, reason: str, purpose: Purpose) -> RequestCost:
    return RequestCost(
        language=asked.place.language or "",
        model=model,
        repository=str(asked.loaded.root or ""),
        latency_ms=end.total_ms,
        prompt_tokens=end.prompt_tokens,
        evaluated_tokens=end.prompt_tokens - end.cached_tokens,
        decoded_tokens=end.completion_tokens,
        wasted_tokens=wasted,
        reason=reason,
        purpose=purpose,
    )


def _wasted(draft: Draft) -> int:
    """Of the decoded tokens those that nobody has seen."""
    assert draft.end is not None, "it is written"
    unseen = max(0, len(draft.text) - draft.shown_characters) / max(1, len(draft.text))
    return round(unseen * draft.end.completion_tokens)


def _reason(draft: Draft) -> str:
    return "" if draft.shown_characters else draft.reason
