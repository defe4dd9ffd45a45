"""The likelihood reviewer: does the model find a minimal alternative far likelier than what is written?

It asks the engine for scores and judges them; it never asks for text. The work is anytime: files are read and
alternatives sought one after another, all of it stops at the deadline, and what was not reached is listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from dsassist.review.changes import Changes, PendingFile, Skipped
from dsassist.review.findings import Finding, Review, Severity
from dsassist.review.likelihood.evidence import evidence_nats, needed_nats
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.likelihood.wording import finding_of
from dsassist_runtime.api import Edit, EditScore, Engine, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, NotDone, RequestRefused

__all__ = ["Judge", "review"]

_LIMIT_CHARACTERS = 4000
"""Longer functions are read in pieces: on two cores 4,000 characters may take a large model half a minute."""

_LEAST_CHARACTERS = 500
"""Less than this is no context to judge by."""


@dataclass(frozen=True)
class Judge:
    """The engine that gives scores, and the severity of what is found by it."""

    engine: Engine
    severity: Severity = "warning"


def review(
    changes: Changes,
    open_judge: Callable[[], Judge],
    *,
    threshold_nats: float,
    deadline_s: float,
    max_findings: int,
    started_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Review:
    """Review changed functions one after another; raises what the engine raised when nothing at all was reviewed.

    `open_judge` is called for the first question that there is, and what it raises ends the review. `deadline_s` counts
    from `started_s` on `clock`, which is now when not given.
    """
    start = clock() if started_s is None else started_s
    run = _Run(open_judge, threshold_nats, lambda: start + deadline_s - clock())
    for file in changes.pending:
        run.review_file(file)
    run.refuse_if_nothing_was_done()
    return Review(
        findings=_reported(run.findings, max_findings),
        found=len(run.findings),
        functions=len(run.done),
        files=len({task.path for task in run.done}),
        files_read=run.files_read,
        skipped=(*changes.skipped, *run.skipped),
        failure="" if run.failure is None else str(run.failure),
        seconds=clock() - start,
    )


@dataclass
class _Run:
    """A review under way: what has been done so far."""

    open_judge: Callable[[], Judge]
    threshold_nats: float
    remaining_s: Callable[[], float]
    judge: Judge | None = None
    findings: list[Finding] = field(default_factory=list)
    done: list[Task] = field(default_factory=list)
    files_read: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    reasons_not_done: set[str] = field(default_factory=set)
    failure: NotDone | None = None
    is_late: bool = False

    def review_file(self, file: PendingFile) -> None:
        """Review the functions of a file, unless the review has come to its end."""
        if reason := self._reason_to_stop():
            self._not_done(file.path, reason)
            return
        try:
            read = file.read()
            if isinstance(read, Skipped):
                self.skipped.append(read)
                return
            self.files_read += 1
            for task in tasks_of(read):
                if isinstance(task, Skipped):
                    self.skipped.append(task)
                else:
                    self._review(task)
        except RecursionError:
            self.skipped.append(Skipped(file.path, "too deeply nested"))

    def refuse_if_nothing_was_done(self) -> None:
        """Raise `NotDone` when there was something to review, and no function of it was."""
        if self.done or not self.reasons_not_done:
            return
        if self.failure is not None:
            raise self.failure
        hint = "; give it more time with --deadline" if "deadline" in self.reasons_not_done else ""
        raise NotDone(f"no function was reviewed: {', '.join(sorted(self.reasons_not_done))}{hint}")

    def _review(self, task: Task) -> None:
        if reason := self._reason_to_stop():
            self._not_done(task.name, reason)
            return
        try:
            candidates = task.candidates
        except RecursionError:
            self.skipped.append(Skipped(task.name, "too deeply nested"))
            return
        if candidates and self.judge is None:
            self.judge = self.open_judge()
        try:
            found = list(self._findings_in(task))
        except DeadlineExceeded:
            self.is_late = True
            self._not_done(task.name, "deadline")
        except RequestRefused as error:
            self._not_done(task.name, str(error))
        except NotDone as error:
            self.failure = error
            self._not_done(task.name, "engine failed")
        else:
            self.done.append(task)
            self.findings += found

    def _reason_to_stop(self) -> str:
        if self.failure is not None:
            return "engine failed"
        return "deadline" if self.is_late or self.remaining_s() <= 0 else ""

    def _not_done(self, what: str, reason: str) -> None:
        self.skipped.append(Skipped(what, reason))
        self.reasons_not_done.add(reason)

    def _findings_in(self, task: Task) -> Iterator[Finding]:
        """The best alternative of each line that has enough evidence.

        One bug has several cures: in `width * width` either operand may be replaced. A reader needs one of them.
        """
        best: dict[int, tuple[float, Candidate]] = {}
        lines = len({candidate.line for candidate in task.candidates})
        for candidate, score in self._scores(task, task.candidates):
            nats = evidence_nats(score)
            enough = nats >= needed_nats(candidate.family, self.threshold_nats, lines)
            if enough and (candidate.line not in best or nats > best[candidate.line][0]):
                best[candidate.line] = (nats, candidate)
        for nats, candidate in best.values():
            assert self.judge is not None, "a score came from somewhere"
            yield finding_of(task, candidate, nats, self.judge.severity)

    def _scores(
        self, task: Task, candidates: tuple[Candidate, ...], limit: int = _LIMIT_CHARACTERS
    ) -> Iterator[tuple[Candidate, EditScore]]:
        """Ask the engine; what is too long for the model's context is asked in smaller pieces."""
        for start, end, inside in _pieces(task.function.text, candidates, limit):
            edits = {_moved(candidate.edit, -start): candidate for candidate in inside}
            try:
                scores = self._ask(ScoreRequest(task.context, task.function.text[start:end], tuple(edits)))
            except RequestRefused:
                if limit <= _LEAST_CHARACTERS:
                    raise
                yield from self._scores(task, inside, limit // 2)
                continue
            for score in scores:
                yield edits[score.edit], score

    def _ask(self, request: ScoreRequest) -> tuple[EditScore, ...]:
        assert self.judge is not None, "it is opened before the first question"
        if (remaining_s := self.remaining_s()) <= 0:
            raise DeadlineExceeded("the time is up")
        return self.judge.engine.score(request, remaining_s)


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


def _reported(findings: list[Finding], limit: int) -> tuple[Finding, ...]:
    """The strongest findings, in the order of their places."""
    strongest = sorted(findings, key=lambda finding: -(finding.evidence_nats or 0.0))[:limit]
    return tuple(sorted(strongest, key=lambda finding: (finding.path, finding.line, finding.column)))
