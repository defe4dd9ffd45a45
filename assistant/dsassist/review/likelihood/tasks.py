"""What is asked about a changed file: its functions with their alternatives, found one after another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.functions import Function, changed_functions, file_head
from dsassist.review.grammars import GRAMMARS
from dsassist.review.likelihood.candidates import find_candidates
from dsassist.review.likelihood.evidence import LEAST_EVIDENCE, MEASURED
from dsassist.review.likelihood.site import Candidate
from dsassist.review.source import Source
from dsassist.syntax.languages import grammar, language_of

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
        """The alternatives of the measured families; finding them takes time."""
        return tuple(find_candidates(self.function, self.lines, MEASURED))

    @cached_property
    def further_candidates(self) -> tuple[Candidate, ...]:
        """Those of the other families, for a question of their own.

        Of one question only the best few alternatives are evaluated whole: in the same one they would displace what was
        measured.
        """
        return tuple(find_candidates(self.function, self.lines, LEAST_EVIDENCE.keys() - MEASURED))


def tasks_of(file: ChangedFile) -> Iterator[Task | Skipped]:
    """The functions of a file that changed, and what of it cannot be reviewed."""
    source = _source_of(file)
    if source is None:
        yield Skipped(file.path, "no language that is reviewed")
        return
    head = file_head(source)
    functions = changed_functions(source, file.lines)
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


def _source_of(file: ChangedFile) -> Source | None:
    """The text as its language is read; None where the language is not reviewed, or its grammar not installed."""
    language = file.language or language_of(file.path)
    if language is None or language not in GRAMMARS or grammar(language) is None:
        return None
    return file.source if file.source.language == language else Source(file.source.text, language)
