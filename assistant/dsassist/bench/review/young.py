"""Functions that a model cannot have seen: those of a repository's newest commit that were not there before a day.

A function counts as young if its text was nowhere in the repository then, and most of its lines were not either: one
that was only moved, renamed or touched up may well be known.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from random import Random

from dsassist.bench.handwritten import is_generated, is_named_like_code, parses
from dsassist.bench.history import History
from dsassist.review.changes import ChangedFile, Skipped
from dsassist.review.functions import Function, changed_functions
from dsassist.review.likelihood.tasks import Task, tasks_of
from dsassist.review.passes.paths import is_test_path
from dsassist.review.source import Source

__all__ = ["LEAST_CHARACTERS", "MOST_CHARACTERS", "MOST_OF_FILE", "YoungFunction", "young_functions"]

LEAST_CHARACTERS, MOST_CHARACTERS = 150, 1800
"""Of a function."""

MOST_OF_FILE = 4
"""Functions, at most."""

_SPEAKING = 10  # characters of a line that says something about where it comes from
_MOST_OLD_LINES = 0.5


@dataclass(frozen=True)
class YoungFunction:
    """A function, every line of it counting as changed; `path` as of the repository's newest commit."""

    repository: str
    path: str
    task: Task

    @property
    def function(self) -> Function:
        """The function itself."""
        return self.task.function


def young_functions(history: History, repository: str, since: date, draw: Random) -> Iterator[YoungFunction]:
    """Python functions of 150 to 1,800 characters outside of tests: one of each file, then a second, up to four."""
    files = _sources(history, "HEAD")
    before = history.last_before(since)
    old = _Seen(_sources(history, before)) if before is not None else _Seen({})
    paths = sorted(path for path in files if not is_test_path(path))
    draw.shuffle(paths)
    pending = [(path, _young_of(files[path], old, draw)) for path in paths]
    for turn in range(MOST_OF_FILE):
        for path, functions in pending:
            if turn < len(functions):
                function = functions[turn]
                lines = frozenset(range(function.line, function.line + function.text.count("\n") + 1))
                for task in tasks_of(ChangedFile(path, function.source, lines, language="python")):
                    if not isinstance(task, Skipped):
                        yield YoungFunction(repository, path, task)


def _young_of(source: Source, old: _Seen, draw: Random) -> list[Function]:
    """A few young functions of a file, in any order."""
    if is_generated(source.text) or not parses("python", source.text):
        return []
    young = [function for function in _functions(source) if _is_fit(function) and not old.has(function.text)]
    draw.shuffle(young)
    return young[:MOST_OF_FILE]


def _is_fit(function: Function) -> bool:
    return LEAST_CHARACTERS <= len(function.text) <= MOST_CHARACTERS and not function.is_broken


def _functions(source: Source) -> list[Function]:
    return changed_functions(source, frozenset(range(1, source.text.count("\n") + 2)))


def _sources(history: History, commit: str) -> dict[str, Source]:
    """The Python files of a commit that a person wrote."""
    blobs = {
        path: blob for path, blob in history.tree(commit).items() if path.endswith(".py") and is_named_like_code(path)
    }
    contents = history.contents(set(blobs.values()))
    found = {}
    for path, blob in blobs.items():
        content = contents.get(blob, b"")
        if content and b"\0" not in content and b"\r" not in content:
            try:
                found[path] = Source(content.decode("utf-8"))
            except UnicodeDecodeError:
                continue
    return found


class _Seen:
    """The functions and lines of the older files."""

    def __init__(self, files: dict[str, Source]) -> None:
        self._lines = {line for source in files.values() for line in _speaking_lines(source.text)}
        self._texts = {_normal(function.text) for source in files.values() for function in _functions(source)}

    def has(self, text: str) -> bool:
        lines = _speaking_lines(text)
        n_old = sum(line in self._lines for line in lines)
        return _normal(text) in self._texts or n_old > _MOST_OLD_LINES * len(lines)


def _normal(text: str) -> str:
    return "\n".join(line.strip() for line in text.split("\n") if line.strip())


def _speaking_lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if len(line.strip()) >= _SPEAKING]
