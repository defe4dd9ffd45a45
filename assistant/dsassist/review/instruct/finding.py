"""A proven report as a finding. It says what the model said, and its severity is ours."""

from __future__ import annotations

from dsassist.review.findings import Finding, Replacement, Severity
from dsassist.review.instruct.proof import Proof
from dsassist.review.likelihood.tasks import Task
from dsassist.review.likelihood.wording import ratio

__all__ = ["finding_of"]

_SEVERITY: Severity = "info"
"""A model's words stop no commit unless somebody asks for that by the fail level."""


def finding_of(task: Task, proof: Proof) -> Finding:
    """What is said of a line."""
    source, line = task.function.source, proof.report.line
    text = source.line_text(line)
    start_line, start_column = source.position(proof.edit.start)
    end_line, end_column = source.position(proof.edit.end)
    return Finding(
        path=task.path,
        line=line,
        column=len(text) - len(text.lstrip()) + 1,
        end_line=line,
        end_column=len(text.rstrip()) + 1,
        severity=_SEVERITY,
        family=proof.report.family,
        function=task.function.name,
        message=proof.report.message,
        source_line=text,
        evidence=f"the fix is {ratio(proof.nats)} as likely here (+{proof.nats:.1f} nats)",
        fix=(Replacement(start_line, start_column, end_line, end_column, proof.edit.replacement),),
        original=text.strip(),
        alternative=proof.report.fix,
        evidence_nats=proof.nats,
    )
