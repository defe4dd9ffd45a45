"""A second opinion on an alternative: the model's own form of fill-in-the-middle, which has both sides in view.

The first measure reads on from the place (`likelihood.evidence`); this one is given what stands before and behind the
lines and tells how likely they are between. The two err on different code, so the lesser of them is the evidence
(docs/review.md has the figures).
"""

from __future__ import annotations

import math

from dsassist.review.likelihood.evidence import gain_nats
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import Ask, in_tenths
from dsassist.review.view import Middle, view_of
from dsassist_runtime.api import Edit, ScoreRequest
from dsassist_runtime.errors import ModelUnsupported, RequestRefused

__all__ = ["agreed_nats"]

_VIEW_CHARACTERS = 3000
_MOST_TOKENS = 100  # behind the place, within its lines


def agreed_nats(task: Task, candidate: Candidate, nats: float, ask: Ask) -> float:
    """The evidence that both measures give an alternative, of which `nats` is the first one's.

    With a model that has no such form it is the first one's alone. Raises what `ask` raises.
    """
    return min(nats, in_tenths(_gain_between(task, candidate, ask)))


def _gain_between(task: Task, candidate: Candidate, ask: Ask) -> float:
    """How much likelier the alternative's lines are than those written, in nats."""
    edit = candidate.edit
    middle = Middle.around(view_of(task, edit.start, edit.end, _VIEW_CHARACTERS), edit)
    text = middle.head + task.function.text[edit.start : edit.end] + middle.tail
    moved = Edit(len(middle.head), len(text) - len(middle.tail), edit.replacement)
    request = ScoreRequest(middle.prefix, text, (moved,), suffix_tokens=_MOST_TOKENS, suffix=middle.suffix)
    try:
        scores = ask(request)
    except ModelUnsupported:
        return math.inf
    except RequestRefused:  # lines that are too long to be read twice
        return -math.inf
    return gain_nats(scores[0]) if scores else -math.inf
