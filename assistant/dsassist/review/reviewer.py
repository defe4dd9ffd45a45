"""A review: what is found without a model in all files, then what the model finds in their functions.

The passes always run to their end, with no model and no time left, too. The likelihood reviewer asks the engine for
scores and judges them; it never asks for text. It is anytime: the riskiest function comes first, it stops at the
deadline, also within a function, and each function that was not reached is listed.

What looks through a file is imported where it is first needed: of files that the memory knows, nothing does.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.findings import SEVERITIES, Finding, Review, Severity
from dsassist.review.masking import masked_file
from dsassist.review.memory import Memory, Outcome
from dsassist.review.plan import DEADLINE, Cut, Plan
from dsassist.review.screening import Screening, Text
from dsassist_runtime.api import EditScore, Engine, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, NotDone, RequestRefused

if TYPE_CHECKING:
    from dsassist.review.likelihood.tasks import Task
    from dsassist.secrets import SecretSpan

__all__ = ["Judge", "review"]

_KEPT_BACK_SHARE = 0.1
"""Of the deadline at most: what is found must still be screened and written down, which takes no longer than to read
the files did."""

_GOES_ON = f"{DEADLINE}, goes on in the background"
_TOO_DEEP = "too deeply nested"
_ENGINE_FAILED = "engine failed"


@dataclass(frozen=True)
class Judge:
    """The engine that gives scores, the evidence that a finding needs, and the severity of what is found by it.

    `name` stands for all that the scores depend on, so that findings can be kept by it; empty where nothing does.
    """

    engine: Engine
    thresholds: Thresholds
    severity: Severity = "warning"
    name: str = ""


def review(
    changes: Changes,
    open_judge: Callable[[], Judge],
    *,
    deadline_s: float,
    max_findings: int,
    started_s: float | None = None,
    clock: Callable[[], float] = time.monotonic,
    find_more: Callable[[Sequence[ChangedFile]], Iterable[Finding]] | None = None,
    text_of: Callable[[str], str | None] = lambda _path: None,
    path_from_root: Callable[[str], str] = lambda path: path,
    baseline: Collection[str] = (),
    go_on: Callable[[Sequence[Cut]], bool] = lambda _cut: False,
    find_last: Callable[[Sequence[ChangedFile], Callable[[], float]], Iterable[Finding | Skipped]] | None = None,
    unusual: Callable[[Sequence[Finding], Sequence[ChangedFile]], Sequence[Finding]] | None = None,
    memory: Memory | None = None,
) -> Review:
    """Review all files; raises what the engine raised when no function was reviewed and nothing was found.

    `open_judge` is called for the first question that there is, and what it raises ends the review. `deadline_s` counts
    from `started_s` on `clock`, which is now when not given. `find_more` looks at all files at once, those that are
    gone among them, and may find something in others, whose texts `text_of` gives. Findings whose fingerprints are in
    `baseline` are not reported; fingerprints are made of paths from the repository's root. `go_on` gets what the
    deadline cut, in its order, and tells whether somebody else goes on with it. `find_last` looks at all files when all
    else is done, in the seconds that are left. `unusual` leaves out what the model doubts although the
    files around it do the same. `memory` has what earlier reviews found, and gets what this one finds.
    """
    entered = clock()
    start = entered if started_s is None else started_s
    end = start + deadline_s
    run = _Run(open_judge, deadline_s, lambda: end - clock(), memory)
    run.read_files(changes.pending)
    run.look_at_all(find_more, changes.deleted)
    end -= min(clock() - entered, _KEPT_BACK_SHARE * deadline_s)
    run.recall()
    run.review_functions()
    run.remember()
    run.end(go_on)
    if find_last is not None and run.failure is None:
        run.look_last(find_last(run.files, run.remaining_s))
    if unusual is not None:
        run.drop_usual(unusual)
    screening = Screening(run.texts, text_of, path_from_root, frozenset(baseline))
    findings = screening.kept(run.findings)
    return Review(
        findings=_reported(findings, max_findings),
        found=len(findings),
        functions=sum(run.done.values()),
        files=sum(count > 0 for count in run.done.values()),
        files_read=len(run.files),
        skipped=(*changes.skipped, *run.skipped, *run.plan.not_done()),
        failure="" if run.failure is None else str(run.failure),
        seconds=clock() - start,
        suppressed=screening.suppressed,
        baselined=screening.baselined,
        unknown_codes=tuple(screening.unknown_codes),
        complete=run.plan.complete(),
        thresholds=None if run.judge is None else run.judge.thresholds,
        within=changes.within,
    )


@dataclass
class _Run:
    """A review under way: what has been done so far. `files`, `gone` and `texts` hold no secrets.

    By the numbers of files: `known` is what earlier reviews found, `done` how many functions are reviewed, `found_in`
    what this review found by the model.
    """

    open_judge: Callable[[], Judge]
    deadline_s: float
    remaining_s: Callable[[], float]
    memory: Memory | None = None
    judge: Judge | None = None
    files: list[ChangedFile] = field(default_factory=list)
    gone: list[ChangedFile] = field(default_factory=list)
    texts: dict[str, Text] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    plan: Plan = field(init=False)
    known: dict[int, Outcome] = field(default_factory=dict)
    done: Counter[int] = field(default_factory=Counter)
    found_in: defaultdict[int, list[Finding]] = field(default_factory=lambda: defaultdict(list))
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
                masked, secrets, found = self._passed(file)
                self.findings += found
            except RecursionError:
                self.skipped.append(Skipped(each.path, _TOO_DEEP))
                continue
            self.files.append(masked)
            self.texts[file.path] = Text(masked, tuple(secrets))

    def _passed(self, file: ChangedFile) -> tuple[ChangedFile, list[SecretSpan], list[Finding]]:
        """A file without its secrets, where they stood, and what the passes find in it."""
        if self.memory is not None and self.memory.is_clean(file):
            return file, [], []
        from dsassist.review.passes import run_passes

        masked, secrets = masked_file(file)
        found = run_passes(file, masked, secrets)
        if self.memory is not None and masked is file and not found:
            self.memory.note_clean(file)
        return masked, secrets, found

    def look_at_all(
        self, find_more: Callable[[Sequence[ChangedFile]], Iterable[Finding]] | None, deleted: Sequence[PendingFile]
    ) -> None:
        """Add what is found in all files together; a failure there ends nothing else."""
        try:
            self.gone += [masked_file(file)[0] for each in deleted if isinstance(file := each.read(), ChangedFile)]
            if find_more is not None:
                self.findings += find_more([*self.files, *self.gone])
        except NotDone as error:
            self.skipped.append(Skipped("what the change left undone", str(error)))
        except RecursionError:
            self.skipped.append(Skipped("what the change left undone", _TOO_DEEP))

    def recall(self) -> None:
        """Take from the memory what is known of whole files."""
        try:
            for number, file in enumerate(self.files if self.memory is not None else ()):
                if self.remaining_s() > 0 and (outcome := self._recalled(file)) is not None:
                    self.known[number] = outcome
                    self.done[number] = outcome.functions
                    self.findings += outcome.findings
        except NotDone:  # there is no judge; the first function that needs one tells
            return

    def _recalled(self, file: ChangedFile) -> Outcome | None:
        assert self.memory is not None, "it is asked only where there is one"
        listing = self.memory.listing(file)
        if listing is None or not listing.is_asked:
            return listing
        self.judge = self.judge or self.open_judge()
        found = self.memory.findings(file, self.judge)
        return None if found is None else replace(listing, findings=found)

    def remember(self) -> None:
        """Note what was found in files that are wholly reviewed and have no secrets."""
        if self.memory is None:
            return
        for number, entries in self.plan.done().items():
            if number not in self.known and not self.texts[self.files[number].path].secrets:
                tasks = [each for each in entries if not isinstance(each, Skipped)]
                skipped = tuple(each for each in entries if isinstance(each, Skipped))
                is_asked = any(task.candidates for task in tasks)
                outcome = Outcome(len(tasks), skipped, is_asked, tuple(self.found_in[number]))
                self.memory.note_outcome(self.files[number], outcome, self.judge)
        self.memory.save()

    def review_functions(self) -> None:
        """Review all functions, the riskiest first."""
        self.plan = Plan(self.files, self.remaining_s, {number: each.skipped for number, each in self.known.items()})
        self.plan.put_in_order(self.gone, self.deadline_s)
        for number in self.plan.order:
            self.review_function(number)

    def review_function(self, number: int) -> None:
        """Review a function of the plan, unless the review has come to its end."""
        if reason := self._reason_to_stop():
            self.plan.leave_out(number, reason)
            return
        is_asked = self.plan.has_candidates(number)
        if self.plan.is_left_out(number):
            return
        task = self.plan.tasks[number]
        try:
            if is_asked and self.judge is None:
                self.judge = self.open_judge()
            found = list(self._findings_in(task))
        except DeadlineExceeded:
            self.is_late = True
            self.plan.leave_out(number, DEADLINE)
        except RequestRefused as error:
            self.plan.leave_out(number, str(error))
        except NotDone as error:
            if self.remaining_s() <= 0:  # a server that had no time left to start has not failed
                self.is_late = True
                self.plan.leave_out(number, DEADLINE)
            else:
                self.failure = error
                self.plan.leave_out(number, _ENGINE_FAILED)
        else:
            file = self.plan.file_of(number)
            self.done[file] += 1
            self.found_in[file] += found
            self.findings += found

    def end(self, go_on: Callable[[Sequence[Cut]], bool]) -> None:
        """Hand on what is left. Raise `NotDone` when no function was reviewed that could be, and nothing was found."""
        reasons, cut = self.plan.reasons, self.plan.cut()
        if goes_on := bool(cut) and go_on(cut):
            self.plan.explain_cut(_GOES_ON)
        if any(self.done.values()) or not reasons:
            return
        if self.failure is None:
            hint = "; give it more time with --deadline" if cut else ""
            hint += ", or try again soon: it goes on in the background" if goes_on else ""
            self.failure = NotDone(f"no function was reviewed: {', '.join(reasons)}{hint}")
        if not self.findings:
            raise self.failure

    def look_last(self, found: Iterable[Finding | Skipped]) -> None:
        """Add what is found last, but for lines of which something is said already."""
        told = {(finding.path, finding.line) for finding in self.findings}
        for each in found:
            if isinstance(each, Skipped):
                self.skipped.append(each)
            elif (each.path, each.line) not in told:
                told.add((each.path, each.line))
                self.findings.append(each)

    def drop_usual(self, unusual: Callable[[Sequence[Finding], Sequence[ChangedFile]], Sequence[Finding]]) -> None:
        """Leave out what the model doubts though it is done elsewhere; all stays where that cannot be told in time."""
        if self.remaining_s() > 0 and any(finding.evidence_nats is not None for finding in self.findings):
            with suppress(NotDone):
                self.findings = list(unusual(self.findings, self.files))

    def _reason_to_stop(self) -> str:
        if self.failure is not None:
            return _ENGINE_FAILED
        return DEADLINE if self.is_late or self.remaining_s() <= 0 else ""

    def _findings_in(self, task: Task) -> Iterator[Finding]:
        if not task.candidates:
            return  # no judge is needed, and there may be none
        from dsassist.review.likelihood.wording import finding_of
        from dsassist.review.suspects import suspects_of

        for candidate, nats in suspects_of(task, self._ask, self._judge.thresholds):
            yield finding_of(task, candidate, nats, self._judge.severity)

    @property
    def _judge(self) -> Judge:
        assert self.judge is not None, "it is opened before the first question"
        return self.judge

    def _ask(self, request: ScoreRequest) -> tuple[EditScore, ...]:
        if (remaining_s := self.remaining_s()) <= 0:
            raise DeadlineExceeded("the time is up")
        return self._judge.engine.score(request, remaining_s)


def _reported(findings: list[Finding], limit: int) -> tuple[Finding, ...]:
    """The most severe and strongest findings, in the order of their places."""
    return tuple(sorted(sorted(findings, key=_rank)[:limit], key=_place))


def _rank(finding: Finding) -> tuple[int, float, tuple[str, int, int, str, str]]:
    """What is true without a model goes before what is likely."""
    nats = float("inf") if finding.evidence_nats is None else finding.evidence_nats
    return -SEVERITIES.index(finding.severity), -nats, _place(finding)


def _place(finding: Finding) -> tuple[str, int, int, str, str]:
    return finding.path, finding.line, finding.column, finding.code, finding.message
