"""The second evidence: is the fix that a model proposes likelier than what is written, and by how much?

It is asked of the same model, but by another question: which text is probable, not what it thinks of one. A model that
is talked into a report by what it reads still has to find its fix probable there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from dsassist.common_length import common_length
from dsassist.review.instruct.answer import Report
from dsassist.review.likelihood.meaning import Meanings
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import nats_of
from dsassist.syntax.validity import Validity, Verdict
from dsassist_runtime.api import Edit, Engine, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, RequestRefused

__all__ = ["Proof", "proofs"]

_NATS_PER_LOG_LINE = 1.5
"""As of alternatives: the more lines a model may choose from, the likelier one of them is odd by chance."""

_BEFORE, _BEHIND = 3000, 1000
"""Characters of the function that are read around an edit."""


class Proof(NamedTuple):
    """How much likelier a report's fix is, in nats to a tenth; `edit` is the fix, in the file's code points.

    `strength` is what is left of it for the number of lines that could have been reported: a threshold's measure.
    """

    report: Report
    edit: Edit
    nats: float
    strength: float


def proofs(
    engine: Engine, task: Task, reports: Sequence[Report], n_lines: int, remaining_s: Callable[[], float]
) -> list[Proof]:
    """The evidence for each report whose fix parses and means something else; the others are dropped.

    `n_lines` could have been reported. `DeadlineExceeded` where the time was up before.
    """
    meanings = Meanings(task.function.source)
    found = []
    for report in reports:
        edit = _edit(task, report)
        if edit is None or not meanings.is_new(edit) or not _fits(task, edit):
            continue
        nats = _nats(engine, task, edit, remaining_s)
        if nats is not None:
            strength = nats - _NATS_PER_LOG_LINE * math.log(max(n_lines, 1))
            found.append(Proof(report, edit, nats, round(strength, 1)))
    return found


def _edit(task: Task, report: Report) -> Edit | None:
    """The fix as the least edit of its line, which keeps its indentation; None where it changes nothing."""
    source = task.function.source
    old = source.line_text(report.line)
    new = old[: len(old) - len(old.lstrip())] + report.fix
    if new.rstrip() == old.rstrip():
        return None
    head = common_length(old, new)
    tail = common_length(old[head:][::-1], new[head:][::-1])
    start = source.line_start(report.line)
    return Edit(start + head, start + len(old) - tail, new[head : len(new) - tail])


def _fits(task: Task, edit: Edit) -> bool:
    """Does the file still parse? Python's own parser is asked as well, which minds the indentation below."""
    source = task.function.source
    validity = Validity(source.language, source.text, edit.start)
    return validity.judge(edit.end, edit.replacement) is Verdict.CLEAN


def _nats(engine: Engine, task: Task, edit: Edit, remaining_s: Callable[[], float]) -> float | None:
    if (left_s := remaining_s()) <= 0:
        raise DeadlineExceeded("the time is up")
    function = task.function
    start, end = edit.start - function.start, edit.end - function.start
    first = function.text.rfind("\n", 0, max(start - _BEFORE, 0)) + 1
    text = function.text[first : end + _BEHIND]
    moved = Edit(start - first, end - first, edit.replacement)
    try:
        scores = engine.score(ScoreRequest(task.context, text, (moved,)), left_s)
    except RequestRefused:  # too long for the model: there is no second evidence
        return None
    return nats_of(scores[0]) if scores else None
