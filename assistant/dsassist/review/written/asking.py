"""Questions to an engine, one after another within a time: none is put when that is up, and each gets what is left."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from dsassist_runtime.api import EditScore, Engine, InfillRequest, ScoreRequest, TextStream
from dsassist_runtime.errors import DeadlineExceeded

__all__ = ["Asker"]


@dataclass(frozen=True)
class Asker:
    """Asks `engine`, whose model has `n_vocab` tokens, 0 where that is unknown.

    All methods raise `DeadlineExceeded` when `remaining_s` says so, and what the engine raises.
    """

    engine: Engine
    remaining_s: Callable[[], float] = lambda: math.inf
    n_vocab: int = 0

    def score(self, request: ScoreRequest) -> tuple[EditScore, ...]:
        """The scores of edits."""
        left_s = self._left_s()
        return self.engine.score(request, None if math.isinf(left_s) else left_s)

    @contextmanager
    def infill(self, request: InfillRequest) -> Iterator[TextStream]:
        """A text, which is stopped at the end of the block."""
        left_s = self._left_s()
        deadline_ms = 0.0 if math.isinf(left_s) else 1000 * left_s
        with self.engine.infill(replace(request, deadline_ms=deadline_ms)) as stream:
            yield stream
        if stream.end is not None and stream.end.finish_reason == "deadline":
            raise DeadlineExceeded("the time is up")

    def _left_s(self) -> float:
        if (left_s := self.remaining_s()) <= 0:
            raise DeadlineExceeded("the time is up")
        return left_s
