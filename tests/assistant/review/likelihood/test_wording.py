"""How a likely alternative is told."""

from __future__ import annotations

import pytest

from dsassist.review.changes import ChangedFile
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.likelihood.wording import finding_of
from dsassist.review.source import Source


@pytest.mark.parametrize(
    ("language", "text", "severity"),
    [
        ("python", "def f(low, high):\n    return low < high or high > low\n", "warning"),
        ("go", "package a\n\nfunc f(low, high int) bool {\n\treturn low < high || high > low\n}\n", "info"),
    ],
)
def test_evidence_in_a_language_that_was_not_measured_stops_no_commit(language: str, text: str, severity: str) -> None:
    lines = frozenset(range(1, text.count("\n") + 1))
    (task,) = tasks_of(ChangedFile("a", Source(text, language), lines, language=language))
    assert isinstance(task, Task)
    assert finding_of(task, task.candidates[0], 9.0, "warning").severity == severity
