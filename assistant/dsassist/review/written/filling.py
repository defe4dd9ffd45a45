"""Texts for a hidden span, by fill-in-the-middle with both sides in view."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from dsassist.review.view import View
from dsassist.review.written.asking import Asker
from dsassist.review.written.hole import Hole
from dsassist.review.written.spans import Span
from dsassist_runtime.api import InfillRequest, Sampling

__all__ = ["MOST_PROMPT_TOKENS", "Draws", "fillings"]

MOST_PROMPT_TOKENS = 1024

_LEAST_TOKENS, _MOST_TOKENS = 24, 80
_CHARACTERS_PER_TOKEN = 2  # at least


@dataclass(frozen=True)
class Draws:
    """How often a hole is filled: once by the likeliest tokens, then by draws, each with a seed of its own."""

    samples: int = 3
    temperature: float = 0.8
    seed: int = 1

    def samplings(self) -> Iterator[Sampling]:
        """How each text is chosen."""
        yield Sampling(temperature=0.0)
        for i in range(1, self.samples):
            yield Sampling(temperature=self.temperature, seed=self.seed + i)


def fillings(asker: Asker, view: View, span: Span, language: str, draws: Draws) -> Iterator[str]:
    """What the model writes in a span's place, each text once."""
    hole, request = _hole(view, span, language), _request(view, span)
    known: set[str] = set()
    for sampling in draws.samplings():
        text = _written(asker, hole, replace(request, sampling=sampling))
        if text is not None and text not in known:
            known.add(text)
            yield text


def _written(asker: Asker, hole: Hole, request: InfillRequest) -> str | None:
    text = ""
    with asker.infill(request) as stream:
        for piece in stream:
            text += piece
            if (cut := hole.cut(text)).is_final:
                return cut.filling
    is_ended = stream.end is not None and stream.end.finish_reason == "stop"
    return hole.cut(text, is_ended=is_ended).filling


def _hole(view: View, span: Span, language: str) -> Hole:
    whole, start, end = view.whole, view.place(span.start), view.place(span.end)
    line_end = whole.find("\n", end)
    behind = whole[end : len(whole) if line_end < 0 else line_end]
    return Hole(whole[whole.rfind("\n", 0, start) + 1 : start], whole[start:end], behind, language)


def _request(view: View, span: Span) -> InfillRequest:
    """The line up to the span is begun text, so that the tokens at the seam are those that the model would choose."""
    whole, start, end = view.whole, view.place(span.start), view.place(span.end)
    line = max(whole.rfind("\n", 0, start), 0)
    return InfillRequest(
        prefix=whole[:line],
        begun=whole[line:start],
        suffix=whole[end:],
        max_prompt_tokens=MOST_PROMPT_TOKENS,
        max_tokens=min(_LEAST_TOKENS + (end - start) // _CHARACTERS_PER_TOKEN, _MOST_TOKENS),
        priority="review",
    )
