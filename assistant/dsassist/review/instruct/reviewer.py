"""The instruct reviewer of one review: first the model's trial, where that is not decided, then the changed functions.

The trial reads unchanged functions only: what a change says cannot decide about its reviewer.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from dsassist.review.calibration.record import function_key
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding
from dsassist.review.instruct.asking import Model, proven_reports
from dsassist.review.instruct.finding import finding_of
from dsassist.review.instruct.related import Signatures
from dsassist.review.instruct.trial import LEAST_FUNCTIONS, Trial, Verdict
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist_runtime.errors import DeadlineExceeded, NotDone, RequestRefused

__all__ = ["InstructReviewer"]

_WHO = "by the instruct model"
_LEAST_CHARACTERS = 150
"""Shorter functions have nothing to report, and would make alarms look rare."""


@dataclass(frozen=True)
class InstructReviewer:
    """Implements what `reviewer.review` takes as `find_last`.

    `open_model` is called when there is a function to ask about, and raises `NotDone` for a model that is not fit.
    `drawn_tasks` are functions of the repository to try it on, and may raise `NotDone`; `say` tells a person.
    """

    open_model: Callable[[], Model]
    drawn_tasks: Callable[[], Iterable[Task]]
    say: Callable[[str], object]

    def __call__(self, files: Sequence[ChangedFile], remaining_s: Callable[[], float]) -> Iterator[Finding | Skipped]:
        """What the model finds in the files, what it was not asked about, and why it does not review at all."""
        try:
            tasks = [task for file in files for task in _tasks_in(file)]
            if tasks:
                model = self.open_model()
                self._check_admitted(model, {task.function.text for task in tasks}, remaining_s)
                yield from _findings(model, tasks, Signatures(files), remaining_s)
        except NotDone as error:
            yield Skipped(_WHO, str(error))

    def _check_admitted(self, model: Model, changed: Collection[str], remaining_s: Callable[[], float]) -> None:
        """Go on with the model's trial if it is not decided; `NotDone` with the reason where it is not let in."""
        verdict = model.trial.verdict(model.threshold_nats)
        if verdict.state == "open":
            self.say(f"{model.name} is tried on unchanged functions before it may review in words")
            verdict = self._tried(model, changed, remaining_s)
        if verdict.state == "refused":
            raise NotDone(f"{model.name} is no reviewer: {verdict.text}, and 1 of 100 is the most; try a larger model")
        self.say(f"{model.name} reviews in words: {verdict.text}")

    def _tried(self, model: Model, changed: Collection[str], remaining_s: Callable[[], float]) -> Verdict:
        """The verdict, once it is reached; `NotDone` where the time or the functions are not enough for one."""
        for task in self.drawn_tasks():
            if len(task.function.text) < _LEAST_CHARACTERS or task.function.text in changed:
                continue
            try:
                _try_out(model, task, remaining_s)
            except (RequestRefused, RecursionError):
                continue
            except DeadlineExceeded as error:
                hint = "the next run goes on, and --deadline gives it more time"
                raise NotDone(f"{_progress(model)}: {hint}") from error
            verdict = model.trial.verdict(model.threshold_nats)
            if verdict.state != "open":
                return verdict
        raise NotDone(f"{_progress(model)}: the repository has no more functions to try it on")


def _tasks_in(file: ChangedFile) -> list[Task]:
    """The functions of a file; what cannot be reviewed of it is listed by the likelihood reviewer."""
    try:
        return [task for task in tasks_of(file) if not isinstance(task, Skipped)]
    except RecursionError:
        return []


def _try_out(model: Model, task: Task, remaining_s: Callable[[], float]) -> None:
    """Keep the strongest finding in an unchanged function; nothing is asked about one that is known."""
    trial: Trial = model.trial
    if (key := function_key(task)) not in trial.strengths:
        source = task.function.source
        alone = Signatures([ChangedFile(task.path, source, task.lines, language=source.language)])
        found = proven_reports(model, task, alone, remaining_s)
        trial.add(key, max((proof.strength for proof in found), default=None))


def _findings(
    model: Model, tasks: Sequence[Task], signatures: Signatures, remaining_s: Callable[[], float]
) -> Iterator[Finding | Skipped]:
    for task in tasks:
        try:
            found = proven_reports(model, task, signatures, remaining_s)
        except DeadlineExceeded:
            yield Skipped(task.name, "in words: deadline")
        except RequestRefused as error:
            yield Skipped(task.name, f"in words: {error}")
        except RecursionError:
            yield Skipped(task.name, "in words: too deeply nested")
        else:
            yield from (finding_of(task, proof) for proof in found if proof.strength >= model.threshold_nats)


def _progress(model: Model) -> str:
    verdict = model.trial.verdict(model.threshold_nats)
    seen = f"{verdict.functions} unchanged functions, {verdict.alarms} with a finding"
    return f"{model.name} was tried on {seen}, which decides nothing yet (it takes {LEAST_FUNCTIONS} or more)"
