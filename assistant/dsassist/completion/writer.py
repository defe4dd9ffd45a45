"""What is shown of a model's text: takes the text as it comes, says when to stop, and offers what fits.

    pieces -> Ending (which lines belong here) -> Beside (what stands right of the cursor) -> Validity -> Offer

An offer is the longest cut at line ends that adds no syntax error to the document.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING

from dsassist.completion.alignment import Beside, Fit
from dsassist.completion.blocks import is_decorator, opens_block
from dsassist.completion.brackets import OPENERS, Brackets
from dsassist.completion.confidence import Confidence
from dsassist.completion.ending import Ending, WrittenLine
from dsassist.completion.indentation import Indentation, indentation_of, reindented
from dsassist.completion.role import role_at
from dsassist.completion.surroundings import Surroundings, closes_unopened, look_around
from dsassist.syntax.languages import grammar
from dsassist.syntax.validity import Validity, Verdict

if TYPE_CHECKING:
    from dsassist.completion.place import Place
    from dsassist_runtime.api import TextPiece

__all__ = ["Offer", "Writer"]

_MOST_JUDGED = 8  # cuts of one text; half a millisecond each
_LINES = re.compile(r"[^\n]*\n|[^\n]+")


@dataclass(frozen=True)
class Offer:
    """Replace the document's code points from `start`, the cursor, to `end`, in the same line, by `text`.

    `probability` is that of its first line, 1 when the engine told none.
    """

    text: str
    start: int
    end: int
    probability: float = 1.0


class Writer:
    """Takes the pieces of one completion at `place`. For one thread; the first piece has the document parsed.

    `done` says that nothing more of the text can be shown, so that the decode should be stopped; `reason` why the last
    `offer` was none. Without `multiline` an offer is one line; `max_lines` limits it, 0 does not. A line that has
    become less likely than `min_probability` ends the text: it would not be shown.
    """

    def __init__(
        self, place: Place, *, multiline: bool = True, max_lines: int = 0, min_probability: float = 0.0
    ) -> None:
        self._place = place
        self._multiline = multiline
        self._max_lines = max_lines if multiline else 1
        self._least = min_probability
        self._text: list[str] = []
        self._confidence = Confidence()
        self.reason = ""

    @property
    def done(self) -> bool:
        """Can nothing more be shown of what the model goes on to write?"""
        return self._ending.done

    @property
    def n_lines(self) -> int:
        """Finished lines that belong here: an offer changes with it, and with `done`."""
        return len(self._ending.lines)

    def push(self, piece: TextPiece) -> None:
        """Take a piece of the model's text."""
        self._confidence.push(piece.logprobs)
        if not self._ending.done:
            self._text.append(piece.text)
            for part in _LINES.findall(piece.text):
                n_lines = self.n_lines
                self._ending.push(part)
                if self.n_lines > n_lines and self._ending.closes_surplus and self._is_spoilt():
                    self._ending.give_up("it closes more than is open")
            if self._least and piece.logprobs and not (self._ending.done or self._ending.in_remark):
                self._give_up_unlikely()

    def _give_up_unlikely(self) -> None:
        """End the text where its current line cannot become likely enough any more."""
        text = "".join(self._text)
        probability = self._confidence.probability(text, self._ending.line_start, len(text))
        if probability < self._least:
            self._ending.give_up(f"low confidence {probability:.2f}")

    def _is_spoilt(self) -> bool:
        """Does the last line close what nothing opened, so that nothing behind that can be shown?

        It is certain where the text parses up to the closing bracket, does not with it, and none is open above either,
        which what follows might open again for one that stands below.
        """
        lines = self._ending.lines
        if not self._is_checked or self._ending.done or self._wants_body(self._whole_line(lines)):
            return False
        text = "\n".join(reindented([line.text for line in lines], self._around.line_before, self._indentation))
        fits = [(fit, fit.text.startswith(text.rstrip())) for fit in self._beside.fits(text)]
        return (
            not any(self._fits(fit, len(lines)) for fit, is_whole in fits if is_whole)
            and any(self._fits(fit, len(lines)) for fit, is_whole in fits if not is_whole)
            and closes_unopened(self._place, text)
        )

    def finish(self, *, cut_short: bool = False) -> None:
        """The model has ended; with `cut_short` by no will of its own (the most tokens, the time), so in mid-line.

        Before this an unfinished line is only offered where it is the first.
        """
        self._ending.finish(cut_short=cut_short)

    def offer(self, min_probability: float = 0.0) -> Offer | None:
        """What to show of the text so far, or None; `reason` then tells why.

        Nothing where the first line is less likely than `min_probability`, and later lines only up to one that is.
        """
        lines = self._written()
        if not any(line.text.strip() for line in lines):
            self.reason = self._ending.reason or "the model wrote nothing"
            return None
        likely = self._likely(lines, min_probability)
        if not likely:
            self.reason = f"low confidence {self._probability(lines):.2f}"
            return None
        fit = self._best(likely)
        if fit is None:
            return None
        self.reason = ""
        start = self._place.offset
        text = fit.text.replace("\n", self._place.line_break)
        return Offer(text, start, start + fit.replaced, self._probability(lines))

    @cached_property
    def _validity(self) -> Validity:
        return Validity(self._place.language, self._place.text, self._place.offset, self._place.path)

    @cached_property
    def _around(self) -> Surroundings:
        return look_around(self._place, role_at(self._place, self._validity.tree), multiline=self._multiline)

    @cached_property
    def _ending(self) -> Ending:
        self._validity.prepare()
        return Ending(self._around, max_lines=self._max_lines)

    @cached_property
    def _beside(self) -> Beside:
        place = self._place
        return Beside(self._around.line_before, place.line_after, place.language, is_prose=self._around.in_prose)

    @cached_property
    def _indentation(self) -> Indentation:
        return indentation_of(self._place.text, self._place.offset)

    @cached_property
    def _is_checked(self) -> bool:
        return self._place.language is not None and grammar(self._place.language) is not None

    def _written(self) -> list[WrittenLine]:
        if self._ending.lines:
            return self._ending.lines
        first = self._ending.first_line
        return [first] if first is not None else []

    def _probability(self, lines: list[WrittenLine]) -> float:
        """That of the first line that is shown; an empty one, where the text begins with a line break, counts to it."""
        first = next(line for line in lines if line.text.strip())
        return self._confidence.probability("".join(self._text), 0, first.end)

    def _likely(self, lines: list[WrittenLine], least: float) -> list[WrittenLine]:
        """The lines before the first that is too unlikely."""
        if self._probability(lines) < least:
            return []
        text = "".join(self._text)
        first = next(i for i, line in enumerate(lines) if line.text.strip())
        for i, line in enumerate(lines[first + 1 :], first + 1):
            if line.text.strip() and self._confidence.probability(text, line.start, line.end) < least:
                return lines[:i]
        return lines

    def _best(self, lines: list[WrittenLine]) -> Fit | None:
        """The longest cut that fits."""
        cuts = list(islice(self._cuts(lines), _MOST_JUDGED))
        self.reason = "it does not parse" if cuts else self.reason
        return next((fit for n_lines, fit in cuts if self._fits(fit, n_lines)), None)

    def _cuts(self, lines: list[WrittenLine]) -> Iterator[tuple[int, Fit]]:
        """What may be shown, the longest first, with the number of its lines."""
        around, self.reason = self._around, "nothing of it is new"
        for n_lines in range(len(lines), 0, -1):
            if not lines[n_lines - 1].text.strip():
                continue
            texts = [line.text for line in lines[:n_lines]]
            if (n_lines > 1 or around.at_empty_line) and self._wants_body(self._whole_line(lines[:n_lines])):
                self.reason = "its block has no body"
                continue
            text = "\n".join(reindented(texts, around.line_before, self._indentation))
            for fit in self._beside.fits(text):
                yield from ((n_lines, shown) for shown in self._shaped(fit))

    def _whole_line(self, lines: list[WrittenLine]) -> str:
        """The last of the lines as it will stand in the document."""
        return (self._around.line_before if len(lines) == 1 else "") + lines[-1].text

    def _wants_body(self, line: str) -> bool:
        """Is this the head of a block that has no body, neither in the text nor below the cursor?"""
        around = self._around
        if around.role != "code" or not opens_block(line, around.language):
            return False
        return not around.has_block(line) and not (line.rstrip().endswith("{") and self._closes_below())

    def _closes_below(self) -> bool:
        return bool(self._around.below) and self._around.below[0].lstrip().startswith("}")

    def _shaped(self, fit: Fit) -> Iterator[Fit]:
        """Without blanks at the ends of lines, and only where something changes."""
        lines = fit.text.split("\n")
        rest = self._place.line_after[fit.replaced :]
        ends = [line.rstrip() for line in lines[:-1]]
        last = lines[-1] if rest.strip() else lines[-1].rstrip()
        text = "\n".join([*ends, last])
        if text.strip() and text != self._place.line_after[: fit.replaced]:
            yield Fit(text, fit.replaced)

    def _fits(self, fit: Fit, n_lines: int) -> bool:
        # What closes it may stand below, where the text is the beginning of lines that stand there.
        if self._leaves_open(fit.text) and not fit.text.endswith((*OPENERS, ",")):
            return False
        if not self._is_checked:
            return not self._leaves_open(fit.text) or opens_block(fit.text, self._place.language)
        verdict = self._validity.judge(
            self._place.offset + fit.replaced, fit.text.replace("\n", self._place.line_break)
        )
        if verdict is not Verdict.NO_WORSE:
            return verdict is Verdict.CLEAN
        # The head of a block, whose body is written next, cannot parse by itself.
        whole, language = (self._place.line_before + fit.text).rpartition("\n")[2], self._place.language
        is_head = opens_block(whole, language) or is_decorator(whole, language)
        return n_lines == 1 and not self._around.at_empty_line and is_head

    def _leaves_open(self, text: str) -> bool:
        """Does the text open a bracket that it does not close?"""
        if self._around.in_prose:
            return False
        brackets = Brackets(self._place.language)
        brackets.feed(self._around.line_before)
        lowest = len(brackets.open)
        for character in text:
            brackets.step(character)
            lowest = min(lowest, len(brackets.open))
        return brackets.depth > sum(opened in OPENERS for opened in brackets.open[:lowest])
