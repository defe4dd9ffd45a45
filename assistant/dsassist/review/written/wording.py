"""A written alternative as a finding: the words that a reader sees, and the fix."""

from __future__ import annotations

from dsassist.review.findings import Finding, Severity, finding_at
from dsassist.review.likelihood.tasks import Task
from dsassist.review.likelihood.wording import ratio, shortened
from dsassist.review.written.change import Change
from dsassist.review.written.judging import Judged

__all__ = ["finding_of"]

_MAY_BE_MEANT = "`{original}` may be meant to be `{alternative}`"
_MESSAGES: dict[Change, str] = {
    "missing-guard": "a part of the condition may be missing: `{alternative}`",
    "missing-argument": "an argument may be missing: `{alternative}`",
    "missing-call": "a call may be missing: `{alternative}`",
    "missing-part": _MAY_BE_MEANT,
    "superfluous-part": "`{alternative}` may be all that is meant",
    "other-expression": _MAY_BE_MEANT,
    "other-line": _MAY_BE_MEANT,
}


def finding_of(task: Task, judged: Judged, nats: float, severity: Severity) -> Finding:
    """What is said of an alternative for which there are `nats` of evidence."""
    source, span = task.function.source, judged.alternative.span
    start = task.function.start + span.start - span.margin
    end = task.function.start + span.end + span.margin
    original = source.text[start:end]
    head, tail = original[: span.margin], original[len(original) - span.margin :]
    alternative = head + judged.alternative.text + tail
    behind, between = (ratio(round(each, 1)) for each in (judged.behind_nats, judged.between_nats))
    return finding_at(
        task.path,
        source,
        (start, end),
        severity=severity,
        family=judged.change,
        function=task.function.name,
        message=_MESSAGES[judged.change].format(
            original=shortened(original, 60), alternative=shortened(alternative, 60)
        ),
        evidence=(
            f"with `{shortened(alternative, 40)}` what follows is {behind} as likely, "
            f"and the line is {between} as likely between what stands around it"
        ),
        alternative=alternative,
        evidence_nats=round(nats, 1),
    )
