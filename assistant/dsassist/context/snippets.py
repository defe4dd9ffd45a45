"""A snippet: a piece of another place in the workspace that goes into a prompt."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Literal, get_args

from dsassist.index.words import words_of
from dsassist_runtime.api import ContextFile

__all__ = ["ALL", "HELPFUL", "PromptSnippet", "Snippet", "SnippetSource", "View", "similarity"]

SnippetSource = Literal["recent", "similar", "imports", "names"]
ALL: tuple[SnippetSource, ...] = get_args(SnippetSource)
HELPFUL: tuple[SnippetSource, ...] = ("recent", "similar", "imports")
"""Those that make what a person writes likelier to the model, as measured; `names` made it less likely
(docs/benchmarks.md, fim)."""

_CHARACTERS_PER_TOKEN = 3.3
_HEADING_TOKENS = 3  # marks around the path
_WINDOW_LINES, _STEP_LINES = 24, 8


@dataclass(frozen=True)
class Snippet:
    """Text from `path` (relative to the workspace) whose first line is `line` (from 1); chosen by `source`."""

    source: SnippetSource
    path: str
    text: str
    line: int

    @property
    def tokens(self) -> int:
        """An estimate of what it costs in a prompt, its path included."""
        return math.ceil((len(self.text) + len(self.path)) / _CHARACTERS_PER_TOKEN) + _HEADING_TOKENS


@dataclass(frozen=True)
class PromptSnippet(ContextFile):
    """A part of another file, with what chose it and its first line there (from 1).

    Two with the same text are equal: to the model they are.
    """

    source: SnippetSource = field(compare=False)
    line: int = field(compare=False)


class View:
    """The text that a prompt holds already, and what is taken into it: what adds nothing to that is told.

    A model that sees much the same text twice repeats it. llama.vim's measure is used, on words: the share of them that
    two pieces of about the same length have in common.
    """

    def __init__(self, text: str) -> None:
        lines = text.split("\n")
        self._lines = {stripped for line in lines if (stripped := line.strip())}
        starts = range(0, max(1, len(lines) - _WINDOW_LINES + _STEP_LINES), _STEP_LINES)
        self._windows = [frozenset(words_of("\n".join(lines[start : start + _WINDOW_LINES]))) for start in starts]
        self._taken: list[frozenset[str]] = []

    def shows(self, text: str) -> bool:
        """Do all lines of the text stand in the view?"""
        return all(stripped in self._lines for line in text.split("\n") if (stripped := line.strip()))

    def is_near(self, text: str, like_view: float = 0.5, like_taken: float = 0.9) -> bool:
        """Is the text more alike to a part of the view, or to something that was taken, than these shares of words?"""
        words = frozenset(words_of(text))
        return _nearest(words, self._windows) > like_view or _nearest(words, self._taken) > like_taken

    def take(self, text: str) -> None:
        """Count the text as part of the prompt from now on."""
        self._lines.update(stripped for line in text.split("\n") if (stripped := line.strip()))
        self._taken.append(frozenset(words_of(text)))


def similarity(left: Collection[str], right: Collection[str]) -> float:
    """The share of words that two sets have in common, 0 to 1; two without words are alike."""
    both = len(left) + len(right)
    return 2 * len(set(left).intersection(right)) / both if both else 1.0


def _nearest(words: frozenset[str], others: Iterable[frozenset[str]]) -> float:
    return max((similarity(words, other) for other in others if other), default=0.0)
