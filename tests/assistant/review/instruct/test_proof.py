"""The second evidence: a report without a likelier fix is none."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assistant.review.instruct.answering import likelier_by, task_of
from dsassist.review.instruct.answer import Report
from dsassist.review.instruct.finding import finding_of
from dsassist.review.instruct.proof import Proof, proofs
from dsassist.review.likelihood.tasks import Task
from dsassist_runtime.api import EditScore, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, RequestRefused
from dsassist_runtime.testing import ScriptedEngine

TEXT = "import os\n\n\ndef f(a, b):\n    if a < b:\n        return a\n    return b\n"


def report(line: int, fix: str) -> Report:
    return Report(line, "asked-condition", "the condition is wrong", fix)


def found(
    *reports: Report,
    task: Task | None = None,
    nats: float = 8.0,
    n_lines: int = 1,
    left: Callable[[], float] = lambda: 60.0,
) -> list[Proof]:
    return proofs(ScriptedEngine(score=likelier_by(nats)), task or task_of(TEXT), reports, n_lines, left)


def edited(proof: Proof, text: str = TEXT) -> str:
    return text[: proof.edit.start] + proof.edit.replacement + text[proof.edit.end :]


def test_the_evidence_is_how_much_likelier_the_fix_is() -> None:
    (proof,) = found(report(5, "if a > b:"), nats=6.26)
    assert (proof.nats, proof.strength) == (6.3, 6.3)
    assert edited(proof) == TEXT.replace("a < b", "a > b")


def test_the_more_lines_could_be_reported_the_less_a_report_is_worth() -> None:
    (proof,) = found(report(5, "if a > b:"), n_lines=8)
    assert (proof.nats, proof.strength) == (8.0, 4.9)


def test_a_fix_keeps_the_indentation_and_changes_as_little_as_it_can() -> None:
    (proof,) = found(report(6, "return a + 1"))
    assert (proof.edit.start, proof.edit.end, proof.edit.replacement) == (TEXT.index("return a\n") + 8,) * 2 + (" + 1",)


@pytest.mark.parametrize(
    "fix",
    [
        "if a < b:",  # what is written
        "if a < b:   ",
        "if b > a:",  # another way to write it
        "if (a < b):",
        "if a < b: (",  # no Python
        "return",  # what stands below belongs to nothing then
    ],
)
def test_a_fix_that_changes_nothing_or_does_not_parse_is_none(fix: str) -> None:
    assert found(report(5, fix)) == []


def test_text_that_is_put_in_is_judged_by_what_follows() -> None:
    def a_guard_costs_and_nothing_follows(request: ScoreRequest) -> list[EditScore]:
        return [EditScore(edit, (), (-0.1, -0.1), (-1.0,), (-1.0,)) for edit in request.edits]

    engine = ScriptedEngine(score=a_guard_costs_and_nothing_follows)
    (proof,) = proofs(engine, task_of(TEXT), [report(5, "if a < b and b:")], 1, lambda: 60.0)
    assert proof.nats == -0.2


def test_the_model_reads_the_head_of_the_file_and_the_function() -> None:
    engine = ScriptedEngine(score=likelier_by(8.0))
    proofs(engine, task_of(TEXT), [report(5, "if a > b:")], 1, lambda: 60.0)
    (request,) = engine.requests
    assert isinstance(request, ScoreRequest)
    assert request.context == "import os\n\n\n"
    assert request.text == TEXT[TEXT.index("def") :].rstrip("\n")


def test_of_a_long_function_the_part_around_the_line_is_read() -> None:
    body = "".join(f"    name_{i} = call_{i}(a, b)\n" for i in range(400))
    text = f"def f(a, b):\n{body}    return a < b\n"
    engine = ScriptedEngine(score=likelier_by(8.0))
    (proof,) = proofs(engine, task_of(text), [report(200, "name_198 = call_198(b, a)")], 1, lambda: 60.0)
    (request,) = engine.requests
    assert isinstance(request, ScoreRequest)
    (edit,) = request.edits
    assert len(request.text) < 5000
    assert request.text.startswith("    name_")
    changed = request.text[: edit.start] + edit.replacement + request.text[edit.end :]
    assert "    name_198 = call_198(b, a)\n" in changed
    assert edited(proof, text) == text.replace("call_198(a, b)", "call_198(b, a)")


def refuses(_: ScoreRequest) -> list[EditScore]:
    raise RequestRefused("too long")


def scores_nothing(_: ScoreRequest) -> list[EditScore]:
    return []


@pytest.mark.parametrize("score", [refuses, scores_nothing])
def test_what_the_model_cannot_read_or_does_not_score_has_no_evidence(
    score: Callable[[ScoreRequest], list[EditScore]],
) -> None:
    assert proofs(ScriptedEngine(score=score), task_of(TEXT), [report(5, "if a > b:")], 1, lambda: 60.0) == []


def test_nothing_is_asked_when_the_time_is_up() -> None:
    with pytest.raises(DeadlineExceeded):
        found(report(5, "if a > b:"), left=lambda: 0.0)


def test_a_finding_says_what_the_model_says_and_stops_nothing() -> None:
    task = task_of(TEXT)
    (proof,) = found(report(5, "if a > b:"), task=task)
    finding = finding_of(task, proof)
    assert (finding.path, finding.line, finding.column, finding.end_column) == ("a.py", 5, 5, 14)
    assert (finding.code, finding.severity, finding.message) == ("DSA301", "info", "the condition is wrong")
    assert (finding.function, finding.source_line, finding.evidence_nats) == ("f", "    if a < b:", 8.0)
    (part,) = finding.fix
    assert (part.line, part.column, part.end_line, part.end_column, part.text) == (5, 10, 5, 11, ">")
