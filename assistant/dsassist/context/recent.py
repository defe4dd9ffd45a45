"""Where the user has worked lately: the places of open documents that were edited or looked at last."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from threading import Lock
from typing import NamedTuple

from dsassist.secrets import is_secret_path, without_secrets

__all__ = ["RecentEdits", "RecentPlace"]

_DOCUMENTS_LIMIT = 20
_PLACES_LIMIT = 4  # of one document
_LINES_AROUND = 6
_TOLD_LIMIT = 16
_LINES_LIMIT = 40  # of a place as it is told
_VIEWED_LINES = 30  # of a document that was opened and not edited
_APART_LINES = 12  # places nearer than that are one


class RecentPlace(NamedTuple):
    """Lines of a document without secrets, `line` (from 1) the first, and for how long nobody was there."""

    path: str
    line: int
    text: str
    age_s: float
    edited: bool


class _Range(NamedTuple):
    """Lines from 0, both inside."""

    first: int
    last: int
    at_s: float
    edited: bool


@dataclass
class _Document:
    path: str
    text: str
    ranges: list[_Range] = field(default_factory=list)  # the latest first
    clean: list[str] | None = None  # its lines without secrets, once somebody asked

    def lines(self) -> list[str]:
        if self.clean is None:
            self.clean = re.split(r"\r\n|\n|\r", without_secrets(self.text))
        return self.clean


class RecentEdits:
    """Remembers places of the documents that were worked on last. For any thread.

    Lines are LSP's: from 0. A closed document is remembered as it was; files that hold secrets are never.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._documents: dict[str, _Document] = {}  # the latest last

    def opened(self, uri: str, path: str, text: str) -> None:
        """A document was opened: its head counts as looked at."""
        if is_secret_path(path):
            return
        with self._lock:
            before = self._documents.pop(uri, None)
            document = _Document(path, text, before.ranges if before is not None and before.text == text else [])
            if not document.ranges:
                document.ranges.append(_Range(0, _VIEWED_LINES - _LINES_AROUND, self._clock(), edited=False))
            self._documents[uri] = document
            while len(self._documents) > _DOCUMENTS_LIMIT:
                del self._documents[next(iter(self._documents))]

    def changed(self, uri: str, text: str, first_line: int, last_line: int) -> None:
        """Lines `first_line` to `last_line` of the document, which is `text` now, were written."""
        with self._lock:
            document = self._documents.pop(uri, None)
            if document is None:
                return
            moved = text.count("\n") - document.text.count("\n")
            document.text, document.clean = text, None
            edited = _Range(first_line, max(first_line, last_line), self._clock(), edited=True)
            others = []
            for other in document.ranges:
                if other.first > first_line:
                    other = other._replace(
                        first=max(first_line, other.first + moved), last=max(first_line, other.last + moved)
                    )
                if not other.edited:
                    continue  # once edited, a document's head is of no interest by itself
                if _are_near(edited, other):
                    first, last = min(edited.first, other.first), max(edited.last, other.last)
                    if last - first < _LINES_LIMIT - 2 * _LINES_AROUND:
                        edited = edited._replace(first=first, last=last)
                    continue
                others.append(other)
            document.ranges = [edited, *others][:_PLACES_LIMIT]
            self._documents[uri] = document

    def closed(self, uri: str) -> None:
        """The document was closed; what was edited in it stays remembered, what was looked at does not."""
        with self._lock:
            document = self._documents.get(uri)
            if document is not None:
                document.ranges = [each for each in document.ranges if each.edited]
                if not document.ranges:
                    del self._documents[uri]

    def places(self, but_path: str = "") -> list[RecentPlace]:
        """The places of all documents but one: edited ones first, the latest first."""
        now = self._clock()
        with self._lock:
            found = [
                (each, document)
                for document in reversed(self._documents.values())
                if document.path != but_path
                for each in document.ranges
            ]
            found.sort(key=lambda one: (not one[0].edited, now - one[0].at_s))
            told = (_told(each, document.path, document.lines(), now) for each, document in found[:_TOLD_LIMIT])
            return [place for place in told if place is not None]


def _are_near(one: _Range, other: _Range) -> bool:
    return other.first - _APART_LINES <= one.last and one.first <= other.last + _APART_LINES


def _told(place: _Range, path: str, lines: list[str], now: float) -> RecentPlace | None:
    first = max(0, place.first - _LINES_AROUND)
    last = min(len(lines), place.last + _LINES_AROUND + 1, first + _LINES_LIMIT)
    while first < last and not lines[first].strip():
        first += 1
    while first < last and not lines[last - 1].strip():
        last -= 1
    if first >= last:
        return None
    return RecentPlace(path, first + 1, "\n".join(lines[first:last]), now - place.at_s, place.edited)
