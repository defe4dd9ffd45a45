"""What was seen of a model on unchanged functions, and whether that is enough to let it review.

Every finding in an unchanged function counts as an alarm, and at most one of a hundred functions may have one. A few
dozen functions cannot prove so little: none in 60 still means up to 4.9 of 100. So a model is let in when its share is
within the budget in as many functions as that takes, and the bound is told; it is refused when its share is above the
budget beyond doubt, which for one that reports a bug in everything is soon.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import comb
from pathlib import Path
from typing import Literal, NamedTuple

from dsassist.review.calibration.record import record_path
from dsassist.review.instruct.question import QUESTION_DIGEST
from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_private

__all__ = ["LEAST_FUNCTIONS", "Trial", "Verdict", "least_share", "most_share", "read_trial"]

LEAST_FUNCTIONS = 60
"""Before a model is let in: one that raises an alarm in 1 of 20 functions is let in by chance in 1 of 20 trials."""

_MOST_FUNCTIONS = 300
_LEAST_TO_REFUSE = 10
_BUDGET = 0.01
_DOUBT = 0.05


class Verdict(NamedTuple):
    """`open` is a trial that goes on; of `functions`, `alarms` had a finding."""

    state: Literal["open", "admitted", "refused"]
    functions: int
    alarms: int

    @property
    def text(self) -> str:
        """The share that was seen, and what it may be in truth."""
        most = 100 * most_share(self.alarms, self.functions)
        seen = f"{self.alarms} of {self.functions} unchanged functions had a finding"
        return f"{seen}, which means up to {most:.1f} of 100 with 95 % confidence"


@dataclass
class Trial:
    """The functions that a model was tried on, each with its strongest finding's strength, and where this is kept."""

    path: Path
    strengths: dict[str, float | None] = field(default_factory=dict)

    def verdict(self, threshold_nats: float) -> Verdict:
        """What follows from it at a threshold."""
        functions = len(self.strengths)
        alarms = sum(each is not None and each >= threshold_nats for each in self.strengths.values())
        if functions >= LEAST_FUNCTIONS and alarms / functions <= _BUDGET:
            return Verdict("admitted", functions, alarms)
        is_beyond_doubt = functions >= _LEAST_TO_REFUSE and least_share(alarms, functions) > _BUDGET
        is_over = is_beyond_doubt or functions >= _MOST_FUNCTIONS
        return Verdict("refused" if is_over else "open", functions, alarms)

    def add(self, key: str, strength: float | None) -> None:
        """Add a function and write the file, so that nothing is lost when the work is interrupted.

        `NotDone` where it cannot be written.
        """
        self.strengths[key] = strength
        make_private(self.path.parent)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps({"question": QUESTION_DIGEST, "strengths": self.strengths}), encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise NotDone(f"cannot write {self.path}: {(error.strerror or str(error)).lower()}") from error


def read_trial(model: Path, lora: Path | None = None) -> Trial:
    """What is known of a model file; nothing where it was never tried, or was asked otherwise then."""
    trial = Trial(record_path(model, lora).with_suffix(".instruct.json"))
    try:
        read = json.loads(trial.path.read_bytes())
        if read["question"] == QUESTION_DIGEST:
            known = {str(key): value for key, value in read["strengths"].items() if _is_strength(value)}
            trial.strengths.update(known)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        trial.strengths.clear()
    return trial


def most_share(alarms: int, functions: int) -> float:
    """The upper bound of a share, one-sided and 95 % (Clopper and Pearson, 1934)."""
    if alarms >= functions:
        return 1.0
    return _bisected(lambda share: _at_most(alarms, functions, share) > _DOUBT)


def least_share(alarms: int, functions: int) -> float:
    """The lower bound of a share, one-sided and 95 %."""
    if alarms == 0:
        return 0.0
    return _bisected(lambda share: 1.0 - _at_most(alarms - 1, functions, share) < _DOUBT)


def _is_strength(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _at_most(alarms: int, functions: int, share: float) -> float:
    """The probability of so many alarms or fewer."""
    return sum(comb(functions, k) * share**k * (1.0 - share) ** (functions - k) for k in range(alarms + 1))


def _bisected(is_below: Callable[[float], bool]) -> float:
    """The share at which `is_below` ends to hold."""
    low, high = 0.0, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if is_below(middle) else (low, middle)
    return (low + high) / 2
