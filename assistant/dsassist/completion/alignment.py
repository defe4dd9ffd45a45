"""A model's text beside what stands right of the cursor: what of it is typed anew, and what of the line it replaces.

Editors close brackets and quotes as soon as they are opened. A text that closes them itself takes their place (its
range covers them), one that does not goes before them, and none leaves a bracket twice. Where code stands right of the
cursor the text ends where that code begins again.
"""

from __future__ import annotations

from typing import NamedTuple

from dsassist.completion.brackets import CLOSERS, Brackets
from dsassist.completion.indentation import blanks_of

__all__ = ["Beside", "Fit"]

_BEHIND = 24  # characters of what stands right of the cursor that are enough to know it again
_SEPARATORS = ":;,>"
_PUNCTUATION = ")]}.,:;"  # of prose, that an editor or a person put there


class Fit(NamedTuple):
    """A text for the cursor, and how many code points right of it that takes the place of."""

    text: str
    replaced: int = 0


class Beside:
    """Fits texts in between what stands left and right of the cursor in its line."""

    def __init__(self, line_before: str, line_after: str, language: str | None, *, is_prose: bool) -> None:
        self._before = line_before
        self._after = line_after
        self._is_prose = is_prose
        self._opened = Brackets(language)
        if not is_prose:
            self._opened.feed(line_before)
        self._is_code = bool(line_after.strip(CLOSERS + " \t" + _SEPARATORS + "\"'`"))

    def begins_again(self, line: str) -> int | None:
        """Where in `line`, the first of a text, what stands right of the cursor begins again, or None."""
        behind = self._after.strip()[:_BEHIND]
        if not behind or not (self._is_code or self._is_prose):
            return None
        brackets = self._opened.copy()
        base, fed = len(brackets.open), 0
        at = line.find(behind)
        while at >= 0:
            brackets.feed(line[fed:at])
            fed = at
            if len(brackets.open) <= base and _is_boundary(line, at):
                return at
            at = line.find(behind, at + 1)
        return None

    def fits(self, text: str) -> list[Fit]:
        """The ways to put `text` at the cursor, best first; an empty list where nothing of it is new."""
        if not self._after.strip():
            found = [Fit(text, len(self._after)), *self._without_surplus(text, len(self._after))]
        elif self._is_code or self._is_prose:
            found = self._before_code(text)
        else:
            found = self._with_closers(text)
        return [fit for fit in dict.fromkeys(found) if fit.text.strip()]

    def _without_surplus(self, text: str, replaced: int = 0) -> list[Fit]:
        """The text up to where it closes what is not open, if it does."""
        brackets = self._opened.copy()
        for at, character in enumerate(text):
            if brackets.step(character) in ("surplus", "wrong"):
                return [Fit(text[:at], replaced)]
        return []

    def _before_code(self, text: str) -> list[Fit]:
        line = text.partition("\n")[0]
        after = self._after.rstrip()
        if self._is_prose and not after.strip(_PUNCTUATION) and after in line:
            return [Fit(text, len(self._after))]
        cuts = []
        if (at := self.begins_again(line)) is not None:
            cuts.append(line[:at])
        if n_same := self._overlap(line):
            cuts.append(line[: len(line) - n_same])
        if not self._is_prose and not self._leaves_all_open(line) and (at := self._closes_twice(line)) is not None:
            cuts.append(line[:at])
        cuts.append(line)
        blank_behind = self._after[0] in " \t"
        return [Fit(cut.rstrip() if blank_behind else cut) for cut in cuts]

    def _overlap(self, line: str) -> int:
        """Characters at the end of `line` that are the beginning of what stands right of the cursor."""
        after = self._after.strip()
        for length in range(min(len(line), len(after), _BEHIND), 0, -1):
            start = len(line) - length
            if line.endswith(after[:length]) and _is_boundary(line, start) and _is_boundary(after, length):
                return length
        return 0

    def _closes_twice(self, line: str) -> int | None:
        """Where `line` closes a bracket that is closed right of the cursor."""
        behind = self._opened.copy()
        base = lowest = len(behind.open)
        for character in self._after:
            behind.step(character)
            lowest = min(lowest, len(behind.open))
        if lowest == base:
            return None
        brackets = self._opened.copy()
        for at, character in enumerate(line):
            brackets.step(character)
            if len(brackets.open) < base:
                return at
        return None

    def _with_closers(self, text: str) -> list[Fit]:
        """Only closing brackets, quotes and separators stand right of the cursor: the text's own take their place."""
        after = self._after.rstrip()
        if self._closes_twice(text) is not None and self._leaves_all_open(text) and not text.startswith("\n"):
            return [Fit(text)]
        matched, cut = self._match(text, after)
        if cut is not None:
            text = text[:cut]
        whole = text.rstrip() if matched and cut is None else text
        rest = after[matched:]
        if "\n" in text and rest.strip() and not matched and text.startswith("\n"):
            # The bracket that stood on the cursor's line gets one of its own.
            whole = text.rstrip() + "\n" + blanks_of(self._before)
        return [Fit(whole, len(self._after) if not rest.strip() else matched), *self._plain(text, matched)]

    def _leaves_all_open(self, text: str) -> bool:
        """Is just the same open behind the text as before it? What stands right of the cursor then closes it."""
        brackets = self._opened.copy()
        brackets.feed(text)
        return brackets.open == self._opened.open

    def _plain(self, text: str, matched: int) -> list[Fit]:
        """As the other one does not parse: only what goes before the first closing bracket."""
        if not matched:
            return []
        at = self._closes_twice(text)
        return [Fit(text[:at])] if at is not None else []

    def _match(self, text: str, after: str) -> tuple[int, int | None]:
        """How much of `after` the text closes itself, and where it closes more, if it does."""
        brackets = self._opened.copy()
        lowest, matched = len(brackets.open), 0
        follows = False  # the last character was one of `after`
        for at, character in enumerate(text):
            in_string = brackets.in_string
            event = brackets.step(character)
            closes = event in ("surplus", "wrong") or len(brackets.open) < lowest
            lowest = min(lowest, len(brackets.open))
            rest = after[matched:]
            n_blanks = len(rest) - len(rest.lstrip())
            is_next = rest[n_blanks : n_blanks + 1] == character
            ends_line = text[at + 1 : at + 2] in ("", "\n")
            closes = closes or (in_string and is_next and character in CLOSERS)  # `"list[|]"`
            if closes and not is_next and (rest.strip() or event == "surplus"):
                return matched, at
            separates = character in _SEPARATORS and len(brackets.open) == lowest and (follows or ends_line)
            if is_next and (closes or separates):
                matched += n_blanks + 1
                follows = True
            else:
                follows = False
        return matched, None


def _is_boundary(text: str, at: int) -> bool:
    """Does a word not go through this place?"""
    if at <= 0 or at >= len(text):
        return True
    return not (_is_word(text[at - 1]) and _is_word(text[at]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
