"""A second opinion on an alternative: the model's own form of fill-in-the-middle, which has both sides in view.

The first measure reads on from the place (`likelihood.evidence`); this one is given what stands before and behind the
lines and tells how likely they are between. The two err on different code: what only one of them prefers to what is
written is hardly ever a bug (docs/review.md has the figures).
"""

from __future__ import annotations

from dsassist.review.likelihood.evidence import gain_nats
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import Ask
from dsassist.review.view import Middle, view_of
from dsassist_runtime.api import Edit, ScoreRequest
from dsassist_runtime.errors import ModelUnsupported, RequestRefused

__all__ = ["is_preferred_between"]

_VIEW_CHARACTERS = 3000
_MOST_TOKENS = 100  # behind the place, within its lines


def is_preferred_between(task: Task, candidate: Candidate, ask: Ask) -> bool:
    """Whether the alternative's lines are likelier than those written; True of a model that has no such form.

    Raises what `ask` raises.
    """
    edit = candidate.edit
    middle = Middle.around(view_of(task, edit.start, edit.end, _VIEW_CHARACTERS), edit)
    text = middle.head + task.function.text[edit.start : edit.end] + middle.tail
    moved = Edit(len(middle.head), len(text) - len(middle.tail), edit.replacement)
    request = ScoreRequest(middle.prefix, text, (moved,), suffix_tokens=_MOST_TOKENS, suffix=middle.suffix)
    try:
        scores = ask(request)
    except ModelUnsupported:
        return True
    except RequestRefused:  # lines that are too long to be read twice
        return False
    return bool(scores) and gain_nats(scores[0]) > 0
