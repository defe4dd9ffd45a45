"""A text that the model writes or wrote at one place, and what is left of it when a person typed some of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from dsassist.completion.plan import Prompt
from dsassist_runtime.api import GenerationEnd, TextPiece

__all__ = ["Draft", "Drafts"]

_MOST_DRAFTS = 12
_CHARACTERS_AROUND = 2000  # of a place, by which it is known again
_MOST_CLOSERS = 3  # that an editor puts behind the cursor while a text is typed
_CLOSERS = frozenset(")]}>\"'`")


@dataclass(eq=False)
class Draft:
    """What stands between `before` and `after` (line feeds alone), as far as it is written."""

    before: str
    after: str
    prompt: Prompt
    pieces: list[TextPiece] = field(default_factory=list)
    text: str = ""
    end: GenerationEnd | None = None
    shown_characters: int = 0  # of `text`, those that a person saw
    reason: str = ""  # why none of it was shown

    def __post_init__(self) -> None:
        self._starts_document = len(self.before) <= _CHARACTERS_AROUND
        self.before, self.after = self.before[-_CHARACTERS_AROUND:], self.after[:_CHARACTERS_AROUND]

    @property
    def is_running(self) -> bool:
        """Is the engine still writing?"""
        return self.end is None

    def push(self, piece: TextPiece) -> None:
        """The engine wrote some more."""
        self.pieces.append(piece)
        self.text += piece.text

    def typed(self, before: str, after: str) -> int | None:
        """How many characters of the text stand in the document by now; None if something else does."""
        typed = self._typed(before, after)
        return len(typed) if typed is not None and self.text.startswith(typed) else None

    def may_become(self, before: str, after: str) -> bool:
        """Was more typed than is written, so that the text may yet turn out to be that?"""
        typed = self._typed(before, after)
        return self.is_running and typed is not None and typed.startswith(self.text)

    def pieces_from(self, n_characters: int) -> Iterator[TextPiece]:
        """The text behind its first characters. A token across the seam counts as typed: it was chosen by then."""
        skip = n_characters
        for piece in self.pieces:
            if skip and skip >= len(piece.text):
                skip -= len(piece.text)
            else:
                yield _tail(piece, skip)
                skip = 0

    def _typed(self, before: str, after: str) -> str | None:
        """What stands behind `self.before` now."""
        if not self._has_behind(after):
            return None
        if self._starts_document:
            return before[len(self.before) :] if before.startswith(self.before) else None
        at = before.rfind(self.before, max(0, len(before) - len(self.before) - len(self.text) - _CHARACTERS_AROUND))
        return before[at + len(self.before) :] if at >= 0 else None

    def _has_behind(self, after: str) -> bool:
        """Does the same text follow, but for brackets that the editor closed by itself?"""
        if after[:_CHARACTERS_AROUND] == self.after:
            return True
        if after.startswith("\n") and (moved := after.lstrip("\n \t"))[:1] in _CLOSERS:
            after = moved  # Enter between brackets puts the closing one on a line of its own
            if after.startswith(self.after):
                return True
        closers = ""
        for character in after[:_MOST_CLOSERS]:
            if character not in _CLOSERS:
                return False
            closers += character
            if after[len(closers) : len(closers) + len(self.after)] == self.after:
                return True
        return False


class Drafts:
    """The latest drafts of one document, the newest first."""

    def __init__(self) -> None:
        self._kept: deque[Draft] = deque(maxlen=_MOST_DRAFTS)

    def add(self, draft: Draft) -> None:
        """A new text is begun; where there are many, the oldest is forgotten."""
        self._kept.appendleft(draft)

    def at(self, before: str, after: str, fits: Callable[[str], bool] = lambda _left: True) -> tuple[Draft, int] | None:
        """The draft of which most is left at a place, and how many of its characters are typed already.

        `fits` says whether what is left may be shown there.
        """
        found = [
            (draft, typed)
            for draft in self._kept
            if (typed := draft.typed(before, after)) is not None and fits(draft.text[typed:])
        ]
        return max(found, key=lambda pair: (len(pair[0].text) - pair[1], pair[0].is_running), default=None)


def _tail(piece: TextPiece, skip: int) -> TextPiece:
    """A piece without its first `skip` characters, nor the log-probabilities of the tokens that wrote those."""
    if not skip:
        return piece
    logprobs, left = list(piece.logprobs), skip
    while logprobs and left > 0:
        left -= len(logprobs.pop(0).text)
    return replace(piece, text=piece.text[skip:], logprobs=tuple(logprobs))
