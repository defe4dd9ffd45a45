"""A model whose texts and opinions are made up, and tasks out of a text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from dsassist.review.changes import ChangedFile
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.source import Source
from dsassist_runtime.api import (
    EditScore,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    ModelFacts,
    ScoreRequest,
    TextPiece,
    TextStream,
)
from dsassist_runtime.engine.local import LocalEngine
from scripted_writer import ScriptedWriter

ALL = frozenset(range(1, 2000))


@pytest.fixture
def scripted() -> type[ScriptedWriter]:
    return ScriptedWriter


@pytest.fixture
def task_of() -> Callable[..., Task]:
    """The first function of a text, of which some lines, or all, have changed."""

    def make(text: str, lines: frozenset[int] = ALL, path: str = "f.py") -> Task:
        task = next(iter(tasks_of(ChangedFile(path, Source(textwrap.dedent(text)), lines))))
        assert isinstance(task, Task)
        return task

    return make


class InProcess:
    """The builtin model, as `api.Engine`, in this process."""

    def __init__(self, local: LocalEngine) -> None:
        self.local = local

    def facts(self) -> ModelFacts:
        return self.local.facts()

    def infill(self, request: InfillRequest) -> TextStream:
        return _EventStream(self.local.events(request))

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        (scores,) = self.local.events(request)
        assert isinstance(scores, tuple)
        return scores

    def close(self) -> None:
        self.local.close()


class _EventStream:
    def __init__(self, events: Iterator[Any]) -> None:
        self._events = events
        self.end: GenerationEnd | None = None

    def __iter__(self) -> Iterator[str]:
        return (piece.text for piece in self.pieces())

    def pieces(self) -> Iterator[TextPiece]:
        for event in self._events:
            if isinstance(event, TextPiece):
                yield event
            elif isinstance(event, GenerationEnd):
                self.end = event

    def close(self) -> None:
        self._events.close()  # type: ignore[attr-defined]

    def __enter__(self) -> _EventStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture(scope="module")
def in_process(builtin_model: Path) -> Iterator[InProcess]:
    with closing(LocalEngine(EngineSettings(builtin_model, n_threads=1))) as local:
        yield InProcess(local)
