"""The likelihood reviewer: does the model find a minimal alternative far likelier than what is written?

It asks the engine for scores and judges them; it never asks for text. The work is anytime: it stops at the deadline,
and what it did not reach is listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dsassist.review.candidates import CODES, find_candidates
from dsassist.review.changes import Changes, Skipped
from dsassist.review.evidence import evidence_nats, needed_nats
from dsassist.review.findings import Finding, Review, Severity
from dsassist.review.functions import Function, changed_functions, file_head
from dsassist.review.site import Candidate
from dsassist_runtime.api import Edit, EditScore, Engine, ScoreRequest
from dsassist_runtime.errors import NotDone, RequestRefused

__all__ = ["Task", "Tasks", "plan", "review"]

_LIMIT_CHARACTERS = 4000
"""Longer functions are read in pieces: on two cores 4,000 characters may take a large model half a minute."""

_LEAST_CHARACTERS = 500
"""Less than this is no context to judge by."""


@dataclass(frozen=True)
class Task:
    """A function of a file with its alternatives; `context` stands before it."""

    path: str
    function: Function
    context: str
    candidates: tuple[Candidate, ...]

    @property
    def name(self) -> str:
        """The function's name to a reader."""
        return f"{self.path}: {self.function.name}"


@dataclass(frozen=True)
class Tasks:
    """All that is to be done, and what is left out from the start."""

    tasks: tuple[Task, ...]
    skipped: tuple[Skipped, ...]

    @property
    def has_questions(self) -> bool:
        """Whether a model is needed at all."""
        return any(task.candidates for task in self.tasks)


@dataclass
class _Progress:
    """What has been done so far."""

    findings: list[Finding] = field(default_factory=list)
    done: list[Task] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)


def plan(changes: Changes) -> Tasks:
    """The functions to review in changed files, without asking any model."""
    tasks: list[Task] = []
    skipped = list(changes.skipped)
    for file in changes.files:
        head = file_head(file.source)
        functions = changed_functions(file.source, file.lines)
        if file.lines and not functions:
            skipped.append(Skipped(file.path, "no function to review"))
        for function in functions:
            if function.is_broken:
                skipped.append(Skipped(f"{file.path}: {function.name or 'a function'}", "syntax error"))
                continue
            found = tuple(find_candidates(function, file.lines))
            tasks.append(Task(file.path, function, head + function.class_header, found))
    return Tasks(tuple(tasks), tuple(skipped))


def review(
    tasks: Tasks,
    engine: Engine | None,
    *,
    threshold_nats: float,
    deadline_s: float,
    max_findings: int,
    severity: Severity = "warning",
    started_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Review:
    """Review functions one after another; raises what the engine raised when nothing at all was reviewed.

    `engine` may be None when there are no questions (`Tasks.has_questions`). Findings get `severity`. `deadline_s`
    counts from `started_s` on `clock`, which is now when not given.
    """
    start = clock() if started_s is None else started_s
    progress = _Progress()
    failure: NotDone | None = None
    for task in tasks.tasks:
        if failure is not None:
            progress.skipped.append(Skipped(task.name, "engine failed"))
        elif clock() - start >= deadline_s:
            progress.skipped.append(Skipped(task.name, "deadline"))
        else:
            failure = _review_one(task, engine, threshold_nats, severity, progress)
    if failure is not None and not progress.done:
        raise failure
    if tasks.tasks and not progress.done:
        reasons = sorted({skipped.reason for skipped in progress.skipped})
        hint = "; give it more time with --deadline" if "deadline" in reasons else ""
        raise NotDone(f"no function was reviewed: {', '.join(reasons)}{hint}")
    return Review(
        findings=_reported(progress.findings, max_findings),
        found=len(progress.findings),
        functions=len(progress.done),
        files=len({task.path for task in progress.done}),
        skipped=(*tasks.skipped, *progress.skipped),
        failure="" if failure is None else str(failure),
        seconds=clock() - start,
    )


def _review_one(
    task: Task, engine: Engine | None, threshold_nats: float, severity: Severity, progress: _Progress
) -> NotDone | None:
    """Review a function into `progress`; the error that ends the whole review, if there is one."""
    try:
        found = list(_findings(task, engine, threshold_nats, severity))
    except RequestRefused as error:
        progress.skipped.append(Skipped(task.name, str(error)))
        return None
    except NotDone as error:
        progress.skipped.append(Skipped(task.name, "engine failed"))
        return error
    progress.done.append(task)
    progress.findings += found
    return None


def _findings(task: Task, engine: Engine | None, threshold_nats: float, severity: Severity) -> Iterator[Finding]:
    """The best alternative of each line that has enough evidence.

    One bug has several cures: in `width * width` either operand may be replaced. A reader needs one of them.
    """
    best: dict[int, tuple[float, Candidate]] = {}
    lines = len({candidate.line for candidate in task.candidates})
    for candidate, score in _scores(task, engine, task.candidates):
        nats = evidence_nats(score)
        enough = nats >= needed_nats(candidate.family, threshold_nats, lines)
        if enough and (candidate.line not in best or nats > best[candidate.line][0]):
            best[candidate.line] = (nats, candidate)
    for nats, candidate in best.values():
        yield _finding(task, candidate, nats, severity)


def _scores(
    task: Task, engine: Engine | None, candidates: tuple[Candidate, ...], limit: int = _LIMIT_CHARACTERS
) -> Iterator[tuple[Candidate, EditScore]]:
    """Ask the engine; what is too long for the model's context is asked in smaller pieces."""
    for start, end, inside in _pieces(task.function.text, candidates, limit):
        edits = {_moved(candidate.edit, -start): candidate for candidate in inside}
        assert engine is not None, task.name
        try:
            scores = engine.score(ScoreRequest(task.context, task.function.text[start:end], tuple(edits)))
        except RequestRefused:
            if limit <= _LEAST_CHARACTERS:
                raise
            yield from _scores(task, engine, inside, limit // 2)
            continue
        for score in scores:
            yield edits[score.edit], score


def _pieces(
    text: str, candidates: tuple[Candidate, ...], limit: int
) -> Iterator[tuple[int, int, tuple[Candidate, ...]]]:
    """Ranges of the function's text that are read at once, each with the candidates that it is read for.

    A long function is cut at line ends; each piece but the first begins with some lines that are only read.
    """
    lead = limit // 4
    while candidates:
        first, start = candidates[0].edit, 0
        if len(text) > limit and first.end > limit - lead:
            start = text.rfind("\n", 0, max(first.start - lead, 0)) + 1
        end = len(text) if len(text) - start <= limit else text.rfind("\n", start, start + limit) + 1
        if end <= first.end:  # a line that is longer than a piece
            end = max(start + limit, first.end)
        yield start, end, tuple(candidate for candidate in candidates if candidate.edit.end <= end)
        candidates = tuple(candidate for candidate in candidates if candidate.edit.end > end)


def _moved(edit: Edit, by: int) -> Edit:
    return Edit(edit.start + by, edit.end + by, edit.replacement)


def _finding(task: Task, candidate: Candidate, nats: float, severity: Severity) -> Finding:
    return Finding(
        path=task.path,
        line=candidate.line,
        column=candidate.column,
        end_line=candidate.end_line,
        end_column=candidate.end_column,
        code=CODES[candidate.family],
        severity=severity,
        family=candidate.family,
        function=task.function.name,
        original=candidate.original,
        alternative=candidate.alternative,
        evidence_nats=round(nats, 1),
        source_line=task.function.source.line_text(candidate.line),
    )


def _reported(findings: list[Finding], limit: int) -> tuple[Finding, ...]:
    """The strongest findings, in the order of their places."""
    strongest = sorted(findings, key=lambda finding: -finding.evidence_nats)[:limit]
    return tuple(sorted(strongest, key=lambda finding: (finding.path, finding.line, finding.column)))
