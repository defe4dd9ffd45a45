"""A review: what is found without a model in all files, then what the model finds in their functions.

The passes always run to their end, with no model and no time left, too. The likelihood reviewer asks the engine for
scores and judges them; it never asks for text. It is anytime: the riskiest function comes first, it stops at the
deadline, also within a function, and each function that was not reached is listed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.changes import ChangedFile, Changes, PendingFile, Skipped
from dsassist.review.findings import SEVERITIES, Finding, Review, Severity
from dsassist.review.likelihood.tasks import Task
from dsassist.review.likelihood.wording import finding_of
from dsassist.review.masking import masked_file
from dsassist.review.passes import run_passes
from dsassist.review.plan import DEADLINE, Cut, Plan
from dsassist.review.screening import Screening, Text
from dsassist.review.suspects import suspects_of
from dsassist_runtime.api import EditScore, Engine, ScoreRequest
from dsassist_runtime.errors import DeadlineExceeded, NotDone, RequestRefused

__all__ = ["Judge", "review"]

_KEPT_BACK_SHARE = 0.1
"""Of the deadline at most: what is found must still be screened and written down, which takes no longer than to read
the files did."""

_GOES_ON = f"{DEADLINE}, goes on in the background"
_TOO_DEEP = "too deeply nested"
_ENGINE_FAILED = "engine failed"


@dataclass(frozen=True)
class Judge:
    """The engine that gives scores, the evidence that a finding needs, and the severity of what is found by it."""

    engine: Engine
    thresholds: Thresholds
    severity: Severity = "warning"


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
) -> Review:
    """Review all files; raises what the engine raised when no function was reviewed and nothing was found.

    `open_judge` is called for the first question that there is, and what it raises ends the review. `deadline_s` counts
    from `started_s` on `clock`, which is now when not given. `find_more` looks at all files at once, those that are
    gone among them, and may find something in others, whose texts `text_of` gives. Findings whose fingerprints are in
    `baseline` are not reported; fingerprints are made of paths from the repository's root. `go_on` gets what the
    deadline cut, in its order, and tells whether somebody else goes on with it. `find_last` looks at all files when all
    else is done, in the seconds that are left.
    """
    entered = clock()
    start = entered if started_s is None else started_s
    end = start + deadline_s
    run = _Run(open_judge, deadline_s, lambda: end - clock())
    run.read_files(changes.pending)
    run.look_at_all(find_more, changes.deleted)
    end -= min(clock() - entered, _KEPT_BACK_SHARE * deadline_s)
    run.review_functions()
    run.end(go_on)
    if find_last is not None and run.failure is None:
        run.look_last(find_last(run.files, run.remaining_s))
    screening = Screening(run.texts, text_of, path_from_root, frozenset(baseline))
    findings = screening.kept(run.findings)
    return Review(
        findings=_reported(findings, max_findings),
        found=len(findings),
        functions=len(run.done),
        files=len({task.path for task in run.done}),
        files_read=len(run.files),
        skipped=(*changes.skipped, *run.skipped, *run.plan.not_done()),
        failure="" if run.failure is None else str(run.failure),
        seconds=clock() - start,
        suppressed=screening.suppressed,
        baselined=screening.baselined,
        unknown_codes=tuple(screening.unknown_codes),
        complete=run.plan.complete(),
        thresholds=None if run.judge is None else run.judge.thresholds,
    )


@dataclass
class _Run:
    """A review under way: what has been done so far. `files`, `gone` and `texts` hold no secrets."""

    open_judge: Callable[[], Judge]
    deadline_s: float
    remaining_s: Callable[[], float]
    judge: Judge | None = None
    files: list[ChangedFile] = field(default_factory=list)
    gone: list[ChangedFile] = field(default_factory=list)
    texts: dict[str, Text] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    plan: Plan = field(init=False)
    done: list[Task] = field(default_factory=list)
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
                self.skipped.append(Skipped(each.path, _TOO_DEEP))
                continue
            self.files.append(masked)
            self.texts[file.path] = Text(masked, tuple(secrets))

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

    def review_functions(self) -> None:
        """Review all functions, the riskiest first."""
        self.plan = Plan(self.files, self.remaining_s)
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
            self.done.append(task)
            self.findings += found

    def end(self, go_on: Callable[[Sequence[Cut]], bool]) -> None:
        """Hand on what is left. Raise `NotDone` when no function was reviewed that could be, and nothing was found."""
        reasons, cut = self.plan.reasons, self.plan.cut()
        if goes_on := bool(cut) and go_on(cut):
            self.plan.explain_cut(_GOES_ON)
        if self.done or not reasons:
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

    def _reason_to_stop(self) -> str:
        if self.failure is not None:
            return _ENGINE_FAILED
        return DEADLINE if self.is_late or self.remaining_s() <= 0 else ""

    def _findings_in(self, task: Task) -> Iterator[Finding]:
        if not task.candidates:
            return  # no judge is needed, and there may be none
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
