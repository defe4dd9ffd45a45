"""An engine that is opened when it is first asked: where every score is known, nobody is."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dsassist_runtime.api import EditScore, Engine, InfillRequest, ModelFacts, ScoreRequest, TextStream

__all__ = ["LateEngine"]


class LateEngine:
    """Implements `Engine`; a question raises what opening the engine raises."""

    def __init__(self, open_engine: Callable[[], Engine]) -> None:
        self._open = open_engine

    @cached_property
    def _engine(self) -> Engine:
        return self._open()

    def facts(self) -> ModelFacts:
        """The engine's."""
        return self._engine.facts()

    def infill(self, request: InfillRequest) -> TextStream:
        """The engine's."""
        return self._engine.infill(request)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """The engine's."""
        return self._engine.score(request, timeout_s)

    def close(self) -> None:
        """Close the engine, if it was opened."""
        if "_engine" in vars(self):
            self._engine.close()
