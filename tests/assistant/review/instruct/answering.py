"""A model that answers each question about a function as a test says, and finds likely what a test says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.source import Source
from dsassist_runtime.api import ChatRequest, EditScore, ScoreRequest, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream

__all__ = ["Answering", "anchors_of", "answer", "file_of", "likelier_by", "nothing", "report", "task_of"]

Score = Callable[[ScoreRequest], Sequence[EditScore]]


class Answering(ScriptedEngine):
    """Answers with what the function makes of a question; an exception in its place is raised. `asked` keeps them."""

    def __init__(self, answer_to: Callable[[ChatRequest], str | Exception], score: Score = lambda _: ()) -> None:
        super().__init__(score=score)
        self._answer_to = answer_to
        self.asked: list[ChatRequest] = []

    def chat(self, request: ChatRequest) -> TextStream:
        self.asked.append(request)
        found = self._answer_to(request)
        if isinstance(found, Exception):
            raise found
        return ScriptedStream(found, 0.0)


def likelier_by(nats: float) -> Score:
    """Every edit is likelier than what is written, by so much."""

    def score(request: ScoreRequest) -> list[EditScore]:
        return [EditScore(edit, (-1.0,), (-1.0,), (-50.0 - nats,), (-50.0,)) for edit in request.edits]

    return score


def anchors_of(request: ChatRequest) -> list[str]:
    """The lines that an answer may name."""
    properties = request.sampling.json_schema["properties"]["findings"]["items"]["properties"]
    return list(properties["anchor"]["enum"])


def report(anchor: str, fix: str, code: str = "condition", message: str = "the bound is wrong") -> dict[str, str]:
    """A report in the form that is asked for."""
    return {"reasoning": "some input fails", "anchor": anchor, "code": code, "message": message, "fix": fix}


def answer(reports: Iterable[dict[str, str]]) -> str:
    """The whole answer."""
    return json.dumps({"findings": list(reports)}, ensure_ascii=False)


def nothing(_request: ChatRequest) -> str:
    """Of a model that finds no bug."""
    return answer(())


def file_of(text: str, path: str = "a.py", lines: Iterable[int] | None = None) -> ChangedFile:
    """A Python file of which some lines changed, or all."""
    changed = frozenset(range(1, text.count("\n") + 2) if lines is None else lines)
    return ChangedFile(path, Source(text), changed, language="python")


def task_of(text: str, name: str = "", lines: Iterable[int] | None = None) -> Task:
    """A function of a text by its name, or the first."""
    tasks = [task for task in tasks_of(file_of(text, lines=lines)) if not isinstance(task, Skipped)]
    return next(task for task in tasks if name in ("", task.function.name))
