"""The signatures of what a function calls and of what calls it, found in the files that are reviewed.

By name, and in the same language: without types `close()` may be another's, so the function's own file and class go
first, and a name that too many bear says nothing.

A signature that the change wrote is not told: what somebody writes into one function must not reach the question about
another.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from dsassist.review.changes import ChangedFile
from dsassist.review.functions import Function, changed_functions
from dsassist.review.grammars import GRAMMARS
from dsassist.review.likelihood.tasks import Task
from dsassist.review.source import Source, walk
from dsassist.syntax.languages import grammar
from dsassist.syntax.symbols import Symbol, symbols

__all__ = ["Signatures"]

_CALLABLE = ("function", "method", "class", "macro")
_LAST_NAME = re.compile(r"[^\W\d]\w*\Z")
_MOST_SIGNATURES, _MOST_CHARACTERS = 8, 160
_MOST_OF_NAME = 2
_END_CHARACTERS = 20


class _Defined(NamedTuple):
    """A definition; the change wrote its signature if it `is_written`."""

    path: str
    symbol: Symbol
    is_written: bool


class _Caller(NamedTuple):
    """A function that calls another, with its signature."""

    path: str
    line: int
    signature: str


class Signatures:
    """What the functions of some files are called with; the files are looked at when first asked."""

    def __init__(self, files: Sequence[ChangedFile]) -> None:
        self._files = [file for file in files if _is_read(file.language)]

    def callees(self, task: Task) -> list[str]:
        """The signatures of what a function calls."""
        language, names = task.function.source.language, called_names(task.function)
        found = [text for name in names for text in self._of_name(task, language, name)]
        return list(dict.fromkeys(found))[:_MOST_SIGNATURES]

    def callers(self, task: Task) -> list[str]:
        """The signatures of the functions that call a function."""
        key = task.function.source.language, _short(task.function.name)
        found = [each for each in self._callers.get(key, ()) if (each.path, each.line) != _place(task)]
        found.sort(key=lambda each: (each.path != task.path, each.path, each.line))
        return list(dict.fromkeys(each.signature for each in found))[:_MOST_SIGNATURES]

    def _of_name(self, task: Task, language: str, name: str) -> list[str]:
        """Those of one name; none where it is the function's own, or too many are called so."""
        around, _, own = task.function.name.rpartition(".")
        found = [each for each in self._defined.get((language, name), ()) if name != own]
        inside = [each for each in found if each.path == task.path]
        nearest = [each for each in inside if each.symbol.container == around]
        chosen = nearest or inside or found
        told = chosen if len(chosen) <= _MOST_OF_NAME else []
        return [_told(each.symbol) for each in told if not each.is_written]

    @cached_property
    def _defined(self) -> dict[tuple[str, str], list[_Defined]]:
        """By language and name."""
        found: dict[tuple[str, str], list[_Defined]] = {}
        for file in self._files:
            for each in self._definitions[file.path]:
                found.setdefault((file.language or "", each.symbol.name), []).append(each)
        return found

    @cached_property
    def _definitions(self) -> dict[str, list[_Defined]]:
        """By path."""
        return {
            file.path: [
                _Defined(file.path, symbol, _is_written(file, symbol))
                for symbol in symbols(file.language or "", file.source.text)
                if symbol.kind in _CALLABLE
            ]
            for file in self._files
        }

    @cached_property
    def _callers(self) -> dict[tuple[str, str], list[_Caller]]:
        """By the language and name of what is called."""
        found: dict[tuple[str, str], list[_Caller]] = {}
        for file in self._files:
            untouched = [each.symbol for each in self._definitions[file.path] if not each.is_written]
            signatures = {(each.start_line, each.name): _told(each) for each in untouched}
            for function in _functions(file):
                if signature := signatures.get((function.line, _short(function.name))):
                    for name in called_names(function):
                        caller = _Caller(file.path, function.line, signature)
                        found.setdefault((file.language or "", name), []).append(caller)
        return found


def called_names(function: Function) -> list[str]:
    """The last names of what a function calls, each once and in the order of the text."""
    return list(dict.fromkeys(_called(function)))


def _called(function: Function) -> Iterator[str]:
    calls = function.source.grammar.calls
    for node in walk(function.node):
        called = node.child_by_field_name(calls[node.type]) if node.type in calls else None
        if called is not None and (name := _LAST_NAME.search(function.source.node_text(called))):
            yield name.group()


def _is_read(language: str | None) -> bool:
    return language is not None and language in GRAMMARS and grammar(language) is not None


def _functions(file: ChangedFile) -> list[Function]:
    language = file.language or ""
    source = file.source if file.source.language == language else Source(file.source.text, language)
    return changed_functions(source, frozenset(range(1, source.text.count("\n") + 2)))


def _is_written(file: ChangedFile, symbol: Symbol) -> bool:
    """Did the change write a line of a definition, down to where its signature ends?"""
    end, seen = "".join(symbol.signature.split())[-_END_CHARACTERS:], ""
    for line in range(symbol.start_line, symbol.end_line + 1):
        if line in file.lines:
            return True
        seen += "".join(file.source.line_text(line).split())
        if end in seen.replace(",)", ")"):  # as in a signature
            return False
    return False


def _told(symbol: Symbol) -> str:
    text = f"{symbol.container}: {symbol.signature}" if symbol.container else symbol.signature
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _place(task: Task) -> tuple[str, int]:
    return task.path, task.function.line


def _short(name: str) -> str:
    return name.rpartition(".")[2]
