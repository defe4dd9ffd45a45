"""What of a file the model sees of a function: the same text for every question about it, as far as it fits.

Of a question with both sides in view that is a `Middle`: whole lines with the end of the last one, since where a middle
ends is what models are worst at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dsassist.review.functions import Function
from dsassist.review.likelihood.tasks import Task

__all__ = ["Middle", "Range", "View", "view_of", "views_of"]

_BEHIND_CHARACTERS = 300
# Of a part of a longer function so much, at least, stands before the first place in it and behind the last one.
_SHARE_BEFORE, _SHARE_BEHIND = 3, 8


class Range(Protocol):
    """Code points [start, end) of a function's text."""

    @property
    def start(self) -> int:
        """The first one."""

    @property
    def end(self) -> int:
        """The one behind the last."""


_Range = TypeVar("_Range", bound=Range)


@dataclass(frozen=True)
class View:
    """`context`, and behind it `text`, which begins at code point `start` of the function's text."""

    context: str
    text: str
    start: int = 0

    @property
    def whole(self) -> str:
        """All that is seen."""
        return self.context + self.text

    def place(self, at: int) -> int:
        """Where code point `at` of the function stands in `whole`."""
        return len(self.context) + at - self.start


@dataclass(frozen=True)
class Middle:
    """The lines that hold a range: `head` and `tail` are what of them stands beside it."""

    prefix: str
    head: str
    tail: str
    suffix: str

    @classmethod
    def around(cls, view: View, of: Range) -> Middle:
        """That of a range: from the line break before its first line to the one behind its last."""
        whole, start, end = view.whole, view.place(of.start), view.place(of.end)
        first = max(whole.rfind("\n", 0, start), 0)
        last = whole.find("\n", end) + 1 or len(whole)
        return cls(whole[:first], whole[first:start], whole[end:last], whole[last:])


def views_of(task: Task, spans: Sequence[_Range], limit: int) -> dict[_Range, View]:
    """What is seen of each span of a function, which are in the order of the text; as few views as will do."""
    found: dict[_Range, View] = {}
    view, end = None, 0
    for span in spans:
        if view is None or span.end > end:
            view = view_of(task, span.start, span.end, limit)
            end = view.start + len(view.text)
            if end < len(task.function.text):
                end -= len(view.text) // _SHARE_BEHIND
        found[span] = view
    return found


def view_of(task: Task, start: int, end: int, limit: int) -> View:
    """What is seen around code points [start, end) of a function: all of it and a little of what follows.

    Of one longer than `limit` characters it is a part, cut at line ends, with most of it behind the place: others
    follow.
    """
    text = task.function.text + _behind(task.function)
    if len(text) <= limit:
        return View(task.context, text)
    first = text.rfind("\n", 0, max(start - limit // _SHARE_BEFORE, 0)) + 1
    last = text.rfind("\n", end, max(first + limit, end)) + 1 or max(first + limit, end)
    return View(task.context, text[first:last], first)


def _behind(function: Function) -> str:
    """Some lines behind a function, so that its last line, too, has something that follows it."""
    start = function.start + len(function.text)
    text = function.source.text[start : start + _BEHIND_CHARACTERS]
    return text[: text.rfind("\n") + 1]
