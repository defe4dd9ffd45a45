"""Alternatives that the model writes: hidden spans of a function, filled in anew and weighed against what stands there.

    spans -> surprise (the least probable few) -> filling (a few texts each) -> alternatives (those that mean something
    else) -> judging (what follows, and the line itself with both sides in view) -> evidence -> wording

`Written` is all of it for a function, `WrittenReviewer` for a review.
"""

from __future__ import annotations

from dsassist.review.written.evidence import NULLS, Null, fitted_nulls
from dsassist.review.written.judging import Judged
from dsassist.review.written.reviewing import WrittenReviewer
from dsassist.review.written.writing import Budget, Weighed, Written, scored_of

__all__ = ["NULLS", "Budget", "Judged", "Null", "Weighed", "Written", "WrittenReviewer", "fitted_nulls", "scored_of"]
