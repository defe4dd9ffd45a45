"""A hidden part of a line, and what of a model's text fills it: the text up to where it meets what stands behind.

Small models do not stop by themselves: behind the hole they go on with the rest of the line, and with the lines below.
A text is worth something only where it meets what follows; of others nothing is taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from dsassist.completion.brackets import Brackets

__all__ = ["Cut", "Hole"]

_KNOWN_AGAIN = 24  # characters of what stands behind a hole that are enough to know it again


class Cut(NamedTuple):
    """What fills a hole, None where nothing does, and whether more of the text could change that."""

    filling: str | None
    is_final: bool = True


_NOT_YET = Cut(None, is_final=False)
_NOTHING = Cut(None)


@dataclass(frozen=True)
class Hole:
    """A hidden text: what stands before it in its line, and behind it in its last one."""

    before: str
    hidden: str
    behind: str
    language: str

    def cut(self, text: str, *, is_ended: bool = False) -> Cut:
        """What of a model's text, as far as it is written, fills the hole.

        It meets what stands behind where that begins again with no bracket of its own open, where it closes the bracket
        that is closed there, at the end of a line behind which nothing stands, or where the model ended it.
        """
        rest = self._rest
        brackets = self._at_hole.copy()
        base, breaks = len(brackets.open), self._n_breaks
        for at, character in enumerate(text):
            is_whole = len(brackets.open) == base
            if is_whole and rest and text.startswith(rest, at) and _is_boundary(text, at):
                return self._filled(text[:at])
            if character == "\n":
                if is_whole and (base == 0 or not breaks):
                    return _NOTHING if rest else self._filled(text[:at])
                breaks -= 1
                if breaks < 0:
                    return _NOTHING
            event = brackets.step(character)
            if event in ("surplus", "wrong") or len(brackets.open) < base:
                return self._filled(text[:at]) if rest[:1] == character and event != "wrong" else _NOTHING
            if brackets.in_comment:
                return _NOTHING if rest else self._filled(_before_comment(text[: at + 1]))
        return self._filled(text) if is_ended and len(brackets.open) == base else _NOT_YET

    @property
    def _n_breaks(self) -> int:
        return self.hidden.count("\n")

    @cached_property
    def _rest(self) -> str:
        """The beginning of what stands behind in the line, but for a comment."""
        brackets = self._at_hole.copy()
        brackets.feed(self.hidden)
        for at, character in enumerate(self.behind):
            brackets.step(character)
            if brackets.in_comment:
                return _before_comment(self.behind[: at + 1]).strip()[:_KNOWN_AGAIN]
        return self.behind.strip()[:_KNOWN_AGAIN]

    @cached_property
    def _at_hole(self) -> Brackets:
        brackets = Brackets(self.language)
        brackets.feed(self.before)
        return brackets

    def _filled(self, text: str) -> Cut:
        """Without blanks on either side; nothing where that has more lines than what is hidden."""
        text = text.strip()
        return Cut(text) if text.count("\n") <= self._n_breaks else _NOTHING


def _before_comment(text: str) -> str:
    """What stands before a comment of which `text` ends with the mark."""
    return text[:-1] if text.endswith("#") else text[:-2]


def _is_boundary(text: str, at: int) -> bool:
    """Does no word go through this place?"""
    return at == 0 or not (_is_word(text[at - 1]) and _is_word(text[at]))


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
