"""What is asked about a changed file: its functions with their alternatives, found one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.functions import Function, changed_functions, file_head
from dsassist.review.likelihood.candidates import find_candidates
from dsassist.review.likelihood.site import Candidate

__all__ = ["Task", "tasks_of"]

_LIMIT_CHARACTERS = 100_000
"""A longer function is generated, and finding its alternatives alone would take seconds."""


@dataclass(frozen=True)
class Task:
    """A function of a file, with the lines that changed; `context` stands before it."""

    path: str
    function: Function
    context: str
    lines: frozenset[int]

    @property
    def name(self) -> str:
        """The function's name to a reader."""
        return f"{self.path}: {self.function.name or 'a function'}"

    @cached_property
    def candidates(self) -> tuple[Candidate, ...]:
        """The alternatives; finding them takes time."""
        return tuple(find_candidates(self.function, self.lines))


def tasks_of(file: ChangedFile) -> Iterator[Task | Skipped]:
    """The functions of a file that changed, and what of it cannot be reviewed."""
    head = file_head(file.source)
    functions = changed_functions(file.source, file.lines)
    if file.lines and not functions:
        yield Skipped(file.path, "no function to review")
    for function in functions:
        task = Task(file.path, function, head + function.class_header, file.lines)
        if function.is_broken:
            yield Skipped(task.name, "syntax error")
        elif len(function.text) > _LIMIT_CHARACTERS:
            yield Skipped(task.name, f"above {_LIMIT_CHARACTERS:,} characters")
        elif function.is_too_deep:
            yield Skipped(task.name, "too deeply nested")
        else:
            yield task
