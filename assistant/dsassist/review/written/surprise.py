"""Which spans are the least probable as they stand, by one forward pass over the function.

The engine reports the tokens that an edit would replace: so each span is offered to be replaced by the cheapest text
there is, which costs nothing beyond the pass. One character behind a span counts to it: where a guard or an argument is
missing, it is the `:` or the `)` that comes too early.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsassist.review.view import View
from dsassist.review.written.asking import Asker
from dsassist.review.written.spans import Span
from dsassist_runtime.api import Edit, ScoreRequest

__all__ = ["least_probable", "surprise_nats"]

_OTHER = "?"
_MOST_NATS = 10.0  # of one token, so that a rare word is not all that is looked at
_TOKENS_AROUND = 2  # as if so many certain tokens stood there too: a short span is no surprise by one token alone


def surprise_nats(asker: Asker, view: View, spans: Sequence[Span]) -> dict[Span, float]:
    """Of each span the mean of its tokens' -log p, brought down where there are few."""
    edits = {_edit(view, span): span for span in spans}
    request = ScoreRequest(
        view.context, view.text, tuple(edits), max_rescored=len(edits), max_per_site=1, suffix_tokens=0
    )
    return {edits[score.edit]: _mean(score.site_original) for score in asker.score(request) if score.site_original}


def least_probable(surprises: Mapping[Span, float], most: int) -> list[Span]:
    """The most surprising spans; of those of a kind that overlap one, so that the others see another kind of hole."""
    chosen: list[Span] = []
    for span in sorted(surprises, key=lambda each: (-surprises[each], each.start, each.end)):
        if len(chosen) < most and not any(_is_alike(span, other) for other in chosen):
            chosen.append(span)
    return chosen


def _edit(view: View, span: Span) -> Edit:
    start, end = span.start - view.start, span.end - view.start
    behind = view.text[end : end + 1]
    return Edit(start, end + bool(behind.strip()), _OTHER)


def _mean(log_probabilities: Sequence[float]) -> float:
    return sum(min(-value, _MOST_NATS) for value in log_probabilities) / (len(log_probabilities) + _TOKENS_AROUND)


def _is_alike(one: Span, other: Span) -> bool:
    return one.kind == other.kind and one.start < other.end + 1 and other.start < one.end + 1
