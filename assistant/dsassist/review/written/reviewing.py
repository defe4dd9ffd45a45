"""The written alternatives of one review: each changed function in turn, in the time that is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.findings import Finding
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.written.writing import Written
from dsassist_runtime.errors import DeadlineExceeded, NotDone, RequestRefused

if TYPE_CHECKING:
    from dsassist.review.reviewer import Judge

__all__ = ["WrittenReviewer"]

_WHO = "alternatives written by the model"


@dataclass(frozen=True)
class WrittenReviewer:
    """Implements what `reviewer.review` takes as `find_last`; `open_judge` is called when there is a function."""

    open_judge: Callable[[], Judge]

    def __call__(self, files: Sequence[ChangedFile], remaining_s: Callable[[], float]) -> Iterator[Finding | Skipped]:
        """What is found in the files; why nothing more is, once for all functions."""
        tasks = [task for file in files for task in _tasks_in(file)]
        if not tasks:
            return
        n_done = 0
        told: list[str] = []
        try:
            judge = self.open_judge()
            written = Written(judge.engine, tell=told.append)
            for task in tasks:
                yield from _found(written, task, judge, remaining_s)
                n_done += 1
        except DeadlineExceeded:
            told.append(f"deadline, {n_done} of {len(tasks)} functions done")
        except NotDone as error:
            told.append(str(error))
        yield from (Skipped(_WHO, reason) for reason in told)


def _found(written: Written, task: Task, judge: Judge, remaining_s: Callable[[], float]) -> Iterator[Finding | Skipped]:
    try:
        yield from written.findings(task, judge.thresholds.threshold_nats, judge.severity, remaining_s)
    except RequestRefused as error:
        yield Skipped(task.name, f"{_WHO}: {error}")
    except RecursionError:
        yield Skipped(task.name, f"{_WHO}: too deeply nested")


def _tasks_in(file: ChangedFile) -> list[Task]:
    """The functions of a file; what cannot be reviewed of it is listed by the likelihood reviewer."""
    try:
        return [task for task in tasks_of(file) if not isinstance(task, Skipped)]
    except RecursionError:
        return []
