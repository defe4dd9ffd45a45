"""Python functions of a corpus's files, of the sizes that the review's bench puts bugs into."""

from __future__ import annotations

from random import Random

from dsassist.bench.review.young import LEAST_CHARACTERS, MOST_CHARACTERS, MOST_OF_FILE, YoungFunction
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.likelihood.tasks import tasks_of
from dsassist.review.source import Source
from dsassist_train.packing.folder import Document

__all__ = ["functions_of"]


def functions_of(document: Document, text: str, draw: Random) -> list[YoungFunction]:
    """A few functions of a file of Python, drawn by chance; every line of them counts as changed."""
    lines = frozenset(range(1, text.count("\n") + 2))
    tasks = [
        task
        for task in tasks_of(ChangedFile(document.path, Source(text), lines, language="python"))
        if not isinstance(task, Skipped) and LEAST_CHARACTERS <= len(task.function.text) <= MOST_CHARACTERS
    ]
    draw.shuffle(tasks)
    return [YoungFunction(document.project, document.path, task) for task in tasks[:MOST_OF_FILE]]
