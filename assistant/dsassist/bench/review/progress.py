"""A bench at work: which case of how many, how long the rest will take, and what could not be measured."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from dsassist_runtime.errors import NotDone, RequestRefused

__all__ = ["Progress"]

C = TypeVar("C")
R = TypeVar("R")


class Progress:
    """Tells `write` of each case as it begins; the time left is judged by those that are done."""

    def __init__(self, write: Callable[[str], None], what: str) -> None:
        self._write = write
        self._what = what
        self.n_failed = 0
        self.last_error = ""

    def each(
        self, cases: Sequence[C], name: Callable[[C], str], measure: Callable[[C], R]
    ) -> Iterator[tuple[C, R | None]]:
        """The cases with what is measured; None where the engine failed, and `last_error` then says how."""
        started = time.monotonic()
        for n_done, case in enumerate(cases):
            left_s = (time.monotonic() - started) / max(n_done, 1) * (len(cases) - n_done)
            left = f", {_shown(left_s)} left" if n_done else ""
            self._write(f"{self._what} {n_done + 1} of {len(cases)}{left}: {name(case)}")
            try:
                result = measure(case)
            except (NotDone, RequestRefused) as error:
                self.n_failed += 1
                self.last_error = str(error)
                yield case, None
            else:
                yield case, result


def _shown(seconds: float) -> str:
    minutes = round(seconds / 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min" if minutes else f"{seconds:.0f} s"
