"""How much of an accepted text still stands in its document, after 30 seconds, after 5 minutes, and line by line.

Pure logic: documents are names and texts, the clock is passed in.

What is kept is counted in words and signs, not in single characters: of "return value" replaced by "raise ValueError"
half the letters could be found again, and nothing was kept. Blanks do not count: to indent a text anew is to keep it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from dsassist.ledger.edits import moved
from dsassist.ledger.entries import KeptCheck

__all__ = ["CHECK_AFTER_S", "Kept", "KeptWatch", "LineMark", "WatchedText", "counted_characters", "kept_share"]

CHECK_AFTER_S: dict[KeptCheck, float] = {"30s": 30.0, "5min": 300.0}

_WATCHED_LIMIT = 500
_TOKEN = re.compile(r"\w+|[^\w\s]")
_LOOKED_AT_MORE = 4000  # characters


@dataclass(frozen=True)
class Kept:
    """The share of an accepted text's characters that still stand, from 0 to 1."""

    offer: int
    check: KeptCheck
    share: float


@dataclass(frozen=True)
class LineMark:
    """A line that holds accepted text: the whole line without blanks at its ends, and the characters kept in it."""

    line: str
    characters: int


@dataclass(frozen=True)
class WatchedText:
    """An accepted text in its document; `characters` are those that count."""

    document: str
    characters: int
    marks: tuple[LineMark, ...]


@dataclass
class _Watched:
    offer: int
    inserted: str
    start: int
    end: int
    since_s: float
    awaits_commit: bool
    checks_left: list[KeptCheck] = field(default_factory=lambda: list(CHECK_AFTER_S))

    @property
    def due_s(self) -> float | None:
        return self.since_s + CHECK_AFTER_S[self.checks_left[0]] if self.checks_left else None

    @property
    def looked_at_end(self) -> int:
        """The range's end, unless an edit that could not be split made the range a large part of its document."""
        return min(self.end, self.start + 4 * len(self.inserted) + _LOOKED_AT_MORE)


class KeptWatch:
    """Accepted texts in open documents; the 500 newest are followed until they are in a commit."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock` gives seconds that only grow, as `time.monotonic`."""
        self._clock = clock
        self._texts: dict[str, str] = {}
        self._watched: dict[str, list[_Watched]] = {}

    def watch(
        self, offer: int, document: str, text: str, start: int, length: int, *, awaits_commit: bool = True
    ) -> None:
        """Follow `text[start : start + length]`, which was accepted just now; offsets count code points.

        An offer that is followed already, because it is accepted word by word, is followed from here on as a whole.
        """
        self.changed(document, text)
        self._texts[document] = text
        several = self._watched.setdefault(document, [])
        several[:] = [watched for watched in several if watched.offer != offer]
        end = start + length
        several.append(_Watched(offer, text[start:end], start, end, self._clock(), awaits_commit))
        self._forget_oldest()

    def changed(self, document: str, text: str) -> None:
        """Take the document's new text."""
        if (before := self._texts.get(document)) is None or before == text:
            return
        self._texts[document] = text
        several = self._watched[document]
        places = moved([(watched.start, watched.end) for watched in several], before, text)
        for watched, (start, end) in zip(several, places, strict=True):
            watched.start, watched.end = start, end

    def next_due_s(self) -> float | None:
        """When, by the clock, `due` will have something."""
        return min((due for watched in self._all() if (due := watched.due_s) is not None), default=None)

    def due(self) -> list[Kept]:
        """The checks whose time has come."""
        now = self._clock()
        found = []
        for document, watched in self._pairs():
            while (due := watched.due_s) is not None and due <= now:
                share = kept_share(watched.inserted, self._texts[document][watched.start : watched.looked_at_end])
                found.append(Kept(watched.offer, watched.checks_left.pop(0), share))
        self._drop_finished()
        return found

    def awaiting_commit(self) -> list[int]:
        """The offers that no commit was seen of."""
        return [watched.offer for watched in self._all() if watched.awaits_commit]

    def text_of(self, offer: int) -> WatchedText | None:
        """Where an offer stands now; None if it is not followed any more."""
        for document, watched in self._pairs():
            if watched.offer == offer:
                marks = tuple(_line_marks(self._texts[document], watched))
                return WatchedText(document, counted_characters(watched.inserted), marks)
        return None

    def committed(self, offers: Iterable[int]) -> None:
        """These need not be followed for a commit's sake any more."""
        gone = set(offers)
        for watched in self._all():
            watched.awaits_commit = watched.awaits_commit and watched.offer not in gone
        self._drop_finished()

    def _pairs(self) -> Iterator[tuple[str, _Watched]]:
        for document, several in self._watched.items():
            for watched in several:
                yield document, watched

    def _all(self) -> Iterator[_Watched]:
        return (watched for _, watched in self._pairs())

    def _forget_oldest(self) -> None:
        several = sorted(self._all(), key=lambda watched: watched.since_s)
        for watched in several[:-_WATCHED_LIMIT]:
            watched.checks_left, watched.awaits_commit = [], False
        self._drop_finished()

    def _drop_finished(self) -> None:
        for document, several in list(self._watched.items()):
            several[:] = [watched for watched in several if watched.checks_left or watched.awaits_commit]
            if not several:
                del self._watched[document], self._texts[document]


def kept_share(inserted: str, now: str) -> float:
    """The share of the characters of `inserted`, blanks aside, whose words still stand in `now` in their order."""
    words = _TOKEN.findall(inserted)
    total = sum(map(len, words))
    return sum(map(len, _common(words, _TOKEN.findall(now)))) / total if total else 1.0


def counted_characters(text: str) -> int:
    """The characters that a share is a share of: all but blanks."""
    return sum(map(len, _TOKEN.findall(text)))


def _common(first: list[str], second: list[str]) -> list[str]:
    from rapidfuzz.distance import LCSseq

    same = (step for step in LCSseq.opcodes(first, second) if step.tag == "equal")
    return [word for step in same for word in first[step.src_start : step.src_end]]


def _line_marks(text: str, watched: _Watched) -> Iterator[LineMark]:
    kept = Counter(
        _common(_TOKEN.findall(watched.inserted), _TOKEN.findall(text[watched.start : watched.looked_at_end]))
    )
    start = text.rfind("\n", 0, watched.start) + 1
    while start < watched.looked_at_end:
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        characters = 0
        for word in _TOKEN.findall(text[max(start, watched.start) : min(end, watched.looked_at_end)]):
            if kept[word] > 0:
                kept[word] -= 1
                characters += len(word)
        if characters:
            yield LineMark(text[start:end].strip(), characters)
        start = end + 1
