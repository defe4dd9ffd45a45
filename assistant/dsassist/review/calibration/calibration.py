"""A calibration under way: one unchanged function after another, each kept as soon as it is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dsassist.review.agreement import agreed_nats
from dsassist.review.calibration.drawing import drawn_tasks
from dsassist.review.calibration.fit import LEAST_NATS, Reached
from dsassist.review.calibration.record import Record, function_key, read_record
from dsassist.review.calibration.thresholds import Thresholds
from dsassist.review.likelihood.evidence import needed_nats
from dsassist.review.likelihood.site import Candidate, Family
from dsassist.review.likelihood.tasks import Task
from dsassist.review.scoring import Ask, nats_of, scores_of
from dsassist.review.suspects import MOST_TRIES, Scored, by_strength
from dsassist_runtime.api import EditScore, Engine, Priority, ScoreRequest
from dsassist_runtime.errors import RequestRefused

__all__ = ["DEFAULT_FUNCTIONS", "Calibration", "Step", "calibration_of", "reached_by"]

DEFAULT_FUNCTIONS = 430
"""Enough for 2 alarms to be allowed, and for a family of its own to be told from the others."""


_LEAST = Thresholds(LEAST_NATS)


@dataclass(frozen=True)
class Step:
    """How far a calibration is: `done` of `wanted` functions, those that were known already among them."""

    done: int
    wanted: int


class Calibration:
    """Measures functions until as many as are wanted are in the record. One that was interrupted goes on."""

    def __init__(self, tasks: Iterable[Task], record: Record, ask: Ask, wanted: int = DEFAULT_FUNCTIONS) -> None:
        self._tasks = iter(tasks)
        self._record = record
        self._ask = ask
        self._wanted = wanted
        self._done = 0

    def next_step(self) -> Step | None:
        """Measure one more function and keep what it reached; None where there is nothing left to do.

        Takes as long as the review of one function, so that it fits between two things that somebody waits for. What
        the engine raises goes through, and the next call goes on with the next function.
        """
        while self._done < self._wanted and (task := next(self._tasks, None)) is not None:
            key = function_key(task)
            if key in self._record.functions:
                self._done += 1
                continue
            try:
                if not task.candidates:
                    continue  # it can raise no alarm, and would make all others look rarer
                reached = reached_by(task, self._ask)
            except (RequestRefused, RecursionError):  # a review leaves it out, too
                continue
            self._record.add(key, reached)
            self._done += 1
            return Step(self._done, self._wanted)
        return None

    @property
    def step(self) -> Step:
        """How far it is."""
        return Step(self._done, self._wanted)


def calibration_of(
    root: Path,
    model: Path,
    engine: Engine,
    *,
    lora: Path | None = None,
    exclude: Sequence[str] = (),
    wanted: int = DEFAULT_FUNCTIONS,
    priority: Priority = "idle",
) -> Calibration:
    """The calibration of a model file on the functions of a repository's HEAD."""

    def ask(request: ScoreRequest) -> tuple[EditScore, ...]:
        return engine.score(replace(request, priority=priority))

    return Calibration(drawn_tasks(root, exclude), read_record(model, lora), ask, wanted)


def reached_by(task: Task, ask: Ask) -> Reached:
    """The most evidence of each family against a function, less what it would need for the number of its lines.

    What no threshold that is fitted lets pass is taken as it is; of the rest what both measures give.
    Each family is taken by itself, since which one of a line is told depends on the thresholds.
    """
    n_lines = len({candidate.line for candidate in task.candidates})
    reached: dict[Family, float | None] = dict.fromkeys(candidate.family for candidate in task.candidates)
    enough: dict[tuple[int, Family], list[Scored]] = {}

    def add(candidate: Candidate, nats: float) -> None:
        beyond = round(nats - needed_nats(candidate.family, 0.0, n_lines), 4)
        before = reached[candidate.family]
        reached[candidate.family] = beyond if before is None else max(before, beyond)

    for candidate, score in scores_of(task, task.candidates, ask):
        nats = nats_of(score)
        if nats < _LEAST.needed_nats(candidate.family, n_lines):
            add(candidate, nats)
        else:
            enough.setdefault((candidate.line, candidate.family), []).append((candidate, nats))
    for _, found in sorted(enough.items()):
        for candidate, nats in by_strength(found, _LEAST, n_lines)[:MOST_TRIES]:
            agreed = agreed_nats(task, candidate, nats, ask)
            add(candidate, agreed)
            if agreed == nats:  # what follows has less by the first measure
                break
    return reached
