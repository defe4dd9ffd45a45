"""A review: what is found without a model in all files, then what the model finds in their functions.

The passes always run to their end, with no model and no time left, too. The likelihood reviewer asks the engine for
scores and judges them; it never asks for text. It is anytime: alternatives are sought in one function after another, it
stops at the deadline, and what was not reached is listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dsassist.review.changes import ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.findings import SEVERITIES, Finding, Review, Severity
from dsassist.review.likelihood.evidence import evidence_nats, needed_nats
from dsassist.review.likelihood.site import Candidate
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.likelihood.wording import finding_of
from dsassist.review.masking import masked_file
from dsassist.review.passes import run_passes
from dsassist.review.screening import Screening, Text
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
    find_more: Callable[[Sequence[ChangedFile]], Iterable[Finding]] | None = None,
    text_of: Callable[[str], str | None] = lambda _path: None,
    path_from_root: Callable[[str], str] = lambda path: path,
    baseline: Collection[str] = (),
) -> Review:
    """Review all files; raises what the engine raised when no function was reviewed and nothing was found.

    `open_judge` is called for the first question that there is, and what it raises ends the review. `deadline_s` counts
    from `started_s` on `clock`, which is now when not given. `find_more` looks at all files at once, those that are
    gone among them, and may find something in others, whose texts `text_of` gives. Findings whose fingerprints are in
    `baseline` are not reported; fingerprints are made of paths from the repository's root.
    """
    start = clock() if started_s is None else started_s
    run = _Run(open_judge, threshold_nats, lambda: start + deadline_s - clock())
    run.read_files(changes.pending)
    if find_more is not None:
        run.look_at_all(find_more, changes.deleted)
    for file in run.files:
        run.review_file(file)
    run.end()
    screening = Screening(run.texts, text_of, path_from_root, frozenset(baseline))
    findings = screening.kept(run.findings)
    return Review(
        findings=_reported(findings, max_findings),
        found=len(findings),
        functions=len(run.done),
        files=len({task.path for task in run.done}),
        files_read=len(run.files),
        skipped=(*changes.skipped, *run.skipped),
        failure="" if run.failure is None else str(run.failure),
        seconds=clock() - start,
        suppressed=screening.suppressed,
        baselined=screening.baselined,
        unknown_codes=tuple(screening.unknown_codes),
        complete=frozenset(run.complete),
    )


@dataclass
class _Run:
    """A review under way: what has been done so far. `files` and `texts` hold no secrets."""

    open_judge: Callable[[], Judge]
    threshold_nats: float
    remaining_s: Callable[[], float]
    judge: Judge | None = None
    files: list[ChangedFile] = field(default_factory=list)
    texts: dict[str, Text] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    done: list[Task] = field(default_factory=list)
    complete: list[str] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    reasons_not_done: set[str] = field(default_factory=set)
    failure: NotDone | None = None
    is_late: bool = False

    def read_files(self, pending: Sequence[PendingFile]) -> None:
        """Read each file, run the passes over it and keep it without its secrets."""
        for each in pending:
            try:
                file = each.read()
                if isinstance(file, Skipped):
                    self.skipped.append(file)
                    continue
                masked, secrets = masked_file(file)
                self.findings += run_passes(file, masked, secrets)
            except RecursionError:
                self.skipped.append(Skipped(each.path, "too deeply nested"))
                continue
            self.files.append(masked)
            self.texts[file.path] = Text(masked, tuple(secrets))

    def look_at_all(
        self, find_more: Callable[[Sequence[ChangedFile]], Iterable[Finding]], deleted: Sequence[PendingFile]
    ) -> None:
        """Add what is found in all files together; a failure there ends nothing else."""
        try:
            gone = [masked_file(file)[0] for each in deleted if isinstance(file := each.read(), ChangedFile)]
            self.findings += find_more([*self.files, *gone])
        except NotDone as error:
            self.skipped.append(Skipped("what the change left undone", str(error)))
        except RecursionError:
            self.skipped.append(Skipped("what the change left undone", "too deeply nested"))

    def review_file(self, file: ChangedFile) -> None:
        """Review the functions of a file, unless the review has come to its end."""
        if reason := self._reason_to_stop():
            self._not_done(file.path, reason)
            return
        skipped_before = len(self.skipped)
        try:
            for task in tasks_of(file):
                if isinstance(task, Skipped):
                    self.skipped.append(task)
                else:
                    self._review(task)
        except RecursionError:
            self.skipped.append(Skipped(file.path, "too deeply nested"))
        is_whole = file.old is None and len(file.lines) >= file.source.text.count("\n")
        if is_whole and len(self.skipped) == skipped_before:
            self.complete.append(file.path)

    def end(self) -> None:
        """Raise `NotDone` when there was something to review, no function of it was, and nothing was found either."""
        if self.done or not self.reasons_not_done:
            return
        if self.failure is None:
            hint = "; give it more time with --deadline" if "deadline" in self.reasons_not_done else ""
            self.failure = NotDone(f"no function was reviewed: {', '.join(sorted(self.reasons_not_done))}{hint}")
        if not self.findings:
            raise self.failure

    def _review(self, task: Task) -> None:
        if reason := self._reason_to_stop():
            self._not_done(task.name, reason)
            return
        try:
            candidates = task.candidates
        except RecursionError:
            self.skipped.append(Skipped(task.name, "too deeply nested"))
            return
        try:
            if candidates and self.judge is None:
                self.judge = self.open_judge()
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
    """The most severe and strongest findings, in the order of their places."""
    return tuple(sorted(sorted(findings, key=_rank)[:limit], key=_place))


def _rank(finding: Finding) -> tuple[int, float, tuple[str, int, int, str, str]]:
    """What is true without a model goes before what is likely."""
    nats = float("inf") if finding.evidence_nats is None else finding.evidence_nats
    return -SEVERITIES.index(finding.severity), -nats, _place(finding)


def _place(finding: Finding) -> tuple[str, int, int, str, str]:
    return finding.path, finding.line, finding.column, finding.code, finding.message
