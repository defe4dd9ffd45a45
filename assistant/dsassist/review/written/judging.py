"""Alternatives weighed against what is written: first by what follows them, and what passes that also in between.

One request scores all alternatives that are seen in the same view; the second measure costs a text each, so that only
the best few are put to it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dsassist.review.view import Middle, View
from dsassist.review.written.alternatives import Alternative
from dsassist.review.written.asking import Asker
from dsassist.review.written.change import Change
from dsassist.review.written.evidence import Null
from dsassist.review.written.middle import log_probability
from dsassist_runtime.api import Edit, ScoreRequest

__all__ = ["Judged", "judge"]


@dataclass(frozen=True)
class Judged:
    """An alternative with what it gains by both measures, in nats."""

    alternative: Alternative
    behind_nats: float
    between_nats: float

    @property
    def change(self) -> Change:
        """Its class."""
        return self.alternative.change


def judge(
    asker: Asker, view: View, alternatives: Sequence[Alternative], nulls: Mapping[Change, Null], most: int
) -> list[Judged]:
    """The `most` alternatives, at most, that gain the most of what follows beyond their null, and what they gain."""
    gains = _gains_behind(asker, view, alternatives) if alternatives else {}
    beyond = {each: nats - nulls[each.change].behind_nats for each, nats in gains.items()}
    best = sorted((each for each in beyond if beyond[each] > 0), key=lambda each: (-beyond[each], _place(each)))
    written: dict[tuple[str, str], float | None] = {}
    judged = []
    for alternative in best[:most]:
        span = alternative.span
        middle = Middle.around(view, span)
        lines = (middle.prefix, middle.suffix)
        if lines not in written:
            original = view.whole[view.place(span.start) : view.place(span.end)]
            written[lines] = log_probability(asker, middle, original)
        if (as_written := written[lines]) is None or (
            instead := log_probability(asker, middle, alternative.text)
        ) is None:
            continue
        judged.append(Judged(alternative, gains[alternative], instead - as_written))
    return judged


def _gains_behind(asker: Asker, view: View, alternatives: Sequence[Alternative]) -> dict[Alternative, float]:
    edits = {_seen(each.edit, view): each for each in alternatives}
    request = ScoreRequest(view.context, view.text, tuple(edits), max_rescored=len(edits), max_per_site=len(edits))
    return {
        edits[score.edit]: sum(score.suffix_alternative) - sum(score.suffix_original) for score in asker.score(request)
    }


def _seen(edit: Edit, view: View) -> Edit:
    return Edit(edit.start - view.start, edit.end - view.start, edit.replacement)


def _place(alternative: Alternative) -> tuple[int, int, str]:
    return alternative.span.start, alternative.span.end, alternative.text
