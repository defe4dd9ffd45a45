"""A likely alternative as a finding: the words that a reader sees, and the fix."""

from __future__ import annotations

import math

from dsassist.review.findings import Finding, Replacement, Severity
from dsassist.review.likelihood.site import Candidate, Family
from dsassist.review.likelihood.tasks import Task

__all__ = ["finding_of", "ratio", "shortened"]

_MEASURED = frozenset({"python"})  # languages in whose unchanged code it was counted how often there is a finding

_MAY_BE_MEANT = "`{original}` may be meant to be `{alternative}`"
_MESSAGES: dict[Family, str] = {
    "name": _MAY_BE_MEANT,
    "attribute": _MAY_BE_MEANT,
    "comparison": _MAY_BE_MEANT,
    "boolean": _MAY_BE_MEANT,
    "swapped-arguments": "arguments may be swapped: `{alternative}`",
    "missing-not": "condition may be the wrong way round: `{alternative}`",
    "missing-await": "`await` may be missing: `{alternative}`",
    "arithmetic": _MAY_BE_MEANT,
    "bitwise": _MAY_BE_MEANT,
    "off-by-one": "`{original}` may be off by one: `{alternative}`",
    "bound": "bound may be off by one: `{alternative}`",
    "swapped-operands": "operands may be swapped: `{alternative}`",
    "dropped-operand": "`{alternative}` may be all that is meant",
    "identity": _MAY_BE_MEANT,
    "any-all": _MAY_BE_MEANT,
    "min-max": _MAY_BE_MEANT,
    "flag": _MAY_BE_MEANT,
    "default-argument": "default value may be meant to be `{alternative}`",
    "exception": _MAY_BE_MEANT,
    "missing-self": "`{alternative}` may be meant",
    "missing-return": "`return` may be missing: `{alternative}`",
    "file-attribute": _MAY_BE_MEANT,
    "file-name": _MAY_BE_MEANT,
}


def finding_of(task: Task, candidate: Candidate, nats: float, severity: Severity) -> Finding:
    """What is said of an alternative that is likelier by `nats`."""
    written = {"original": shortened(candidate.original, 60), "alternative": shortened(candidate.alternative, 60)}
    nats = round(nats, 1)
    if task.function.source.language not in _MEASURED:
        severity = "info"
    return Finding(
        path=task.path,
        line=candidate.line,
        column=candidate.column,
        end_line=candidate.end_line,
        end_column=candidate.end_column,
        severity=severity,
        family=candidate.family,
        function=task.function.name,
        message=_MESSAGES[candidate.family].format(**written),
        source_line=task.function.source.line_text(candidate.line),
        evidence=f"`{shortened(candidate.alternative, 40)}` is {ratio(nats)} as likely here (+{nats:.1f} nats)",
        fix=(_replacement(candidate),),
        original=candidate.original,
        alternative=candidate.alternative,
        evidence_nats=nats,
    )


def ratio(nats: float) -> str:
    """How many times as likely, in words that a reader can weigh."""
    times = math.exp(min(nats, 14.0))
    if nats > math.log(1e6):
        return "over a million times"
    digits = 10 ** max(0, math.floor(math.log10(times)) - 1)
    return f"{round(times / digits) * digits:,} times"


def _replacement(candidate: Candidate) -> Replacement:
    return Replacement(
        candidate.line, candidate.column, candidate.end_line, candidate.end_column, candidate.alternative
    )


def shortened(text: str, limit: int) -> str:
    """A text in one line of at most so many characters."""
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= limit else f"{one_line[: limit - 3]}..."
