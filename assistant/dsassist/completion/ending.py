"""Where a completion ends, found out while it is being written, so that no token is decoded that cannot be shown.

Small models do not stop by themselves: of 30 completions by Qwen2.5-Coder-0.5B none did within 64 tokens, and 18 went
on to repeat the code below the cursor. So the text around the cursor decides:

- code stands right of the cursor: to the end of this line, and only up to where that code begins again;
- a statement is under way: to the end of this line, further only while a bracket is open or the line opened a block;
- a block is due: until the text leaves the block;
- in a comment or a string to the end of the line, in a docstring to the end of the paragraph;
- nowhere a line that stands there already, nor one bit of text over and over, nor talk, fences or marks.

The text is read character by character: where it ends does not depend on how it came in pieces.
"""

from __future__ import annotations

from typing import NamedTuple

from dsassist.completion.alignment import Beside
from dsassist.completion.blocks import (
    LONGEST_CLOSER,
    closes_block,
    goes_on_with_block,
    is_decorator,
    may_close,
    opens_block,
)
from dsassist.completion.brackets import OPENERS, Brackets
from dsassist.completion.indentation import columns_of
from dsassist.completion.prose import (
    find_mark,
    is_fence,
    is_opening_of_answer,
    is_placeholder,
    is_prose,
    is_statement,
)
from dsassist.completion.repetition import Repetition, runs_away
from dsassist.completion.surroundings import Surroundings

__all__ = ["Ending", "WrittenLine"]

_LEADING_BREAKS = 2  # before the text at an empty line, at most
_LINE_LIMIT = 1_000  # characters of a line that anybody would want to read
_LONGEST_REMARK = 200  # characters of a comment behind code, which is not shown but read to its end
_MOST_BLANKS = 24  # by which a line begins deeper than those around it; some models write on and on of them
_TALKED_IN = frozenset(("yaml", "html", "toml", "css"))  # languages in which text may stand as it is


class WrittenLine(NamedTuple):
    """A line of the text, and which characters of what the model wrote it is made of, its line break before it."""

    text: str
    start: int
    end: int


class Ending:
    """Takes the model's text; `lines` are those that belong here, `done` says that no more will.

    `reason` tells why the text ended, as a person may read it. Whether a line that `closes_surplus` spoils the text is
    for who knows the whole document to say, by `give_up`.
    """

    def __init__(self, around: Surroundings, *, max_lines: int = 0) -> None:
        self._around = around
        self._max_lines = max_lines
        self._block_indent = around.block_indent
        self._brackets = Brackets(around.language)
        if not around.in_prose:
            self._brackets.feed(around.line_before)
        self._n_typed_open = len(self._brackets.open)
        self._closed_behind = self._count_closed_behind()
        self._beside = Beside(around.line_before, around.line_after, around.language, is_prose=around.in_prose)
        self._repetition = Repetition(around)
        self._line = ""  # the current line, as far as it was written
        self._line_start = 0
        self._read = 0  # characters of the text
        self._depth_before_line = self._depth
        self._lowest = len(self._brackets.open)  # brackets open at the least within the current line
        self._opened_before_line = len(self._brackets.open)
        self._n_skipped_breaks = 0
        self._stripped = False
        self._unfit = False  # the current line is not to be shown
        self._code_end: int | None = None  # of the last line, where a remark stands behind it
        self._surplus = False  # the current line closes what is not open since the cursor's line began
        self.closes_surplus = False  # the last of `lines` does
        self.lines: list[WrittenLine] = []
        self.done = False
        self.reason = ""

    def push(self, text: str) -> None:
        """Read on."""
        for character in text:
            if self.done:
                return
            self._read += 1
            if self._code_end is not None:
                self._read_remark(character)
            elif character == "\n":
                self._end_line()
            elif character != "\r":
                self._read_character(character)

    def finish(self, *, cut_short: bool = False) -> None:
        """No more comes. With `cut_short` the last line is unfinished, and is left out unless it is the only one."""
        if not self.done and self._line.strip() and not (cut_short and self.lines):
            self._read += 1
            self._end_line()
        self.done = True

    def give_up(self, reason: str) -> None:
        """Neither the current line nor what follows is to be shown."""
        self._stop(reason, keep=False)

    @property
    def line_start(self) -> int:
        """Where the current line begins in the text; the first one with it."""
        return self._line_start if any(line.text.strip() for line in self.lines) else 0

    @property
    def first_line(self) -> WrittenLine | None:
        """The first line as far as it was written; None when there is none."""
        if self.lines:
            return self.lines[0]
        if self._unfit or not self._line.strip():
            return None
        return WrittenLine(self._line, self._line_start, self._read)

    @property
    def _depth(self) -> int:
        """Brackets that the text leaves open, less those that close behind the cursor."""
        return self._brackets.depth - self._closed_behind

    def _count_closed_behind(self) -> int:
        behind = self._brackets.copy()
        lowest = depth = behind.depth
        for character in self._around.line_after:
            behind.step(character)
            lowest = min(lowest, behind.depth)
        return depth - lowest

    def _read_character(self, character: str) -> None:
        first = not self.lines
        if first and not self._stripped and not self._place_first(character):
            return
        self._line += character
        if character in " \t" and not self._line.strip():
            self._stop_at_blanks()
        was_in_comment = self._brackets.in_comment
        event = "" if self._around.in_prose else self._brackets.step(character)
        self._surplus = self._surplus or event in ("surplus", "wrong")
        if self._brackets.in_comment and not was_in_comment and self._begins_remark():
            return
        self._lowest = min(self._lowest, len(self._brackets.open))
        if not first and 0 < len(self._line.strip()) <= LONGEST_CLOSER and not self._may_go_on(self._line):
            self._stop("it leaves its block", keep=False)
        elif character in "|>]｜" and (at := find_mark(self._line)) is not None:
            self._line = self._line[:at]
            self._stop("it writes a mark of the model's template", keep=bool(self._line.strip()))
        elif len(self._line) % 8 == 0 and runs_away(self._line):
            self._stop("it runs on in a loop", keep=False)
        elif len(self._line) > _LINE_LIMIT:
            self._stop("its line is too long", keep=False)
        elif (reason := self._talk()) or (not first and self._begins_below()):
            self._stop(reason or "it repeats the line below", keep=False)
        elif first and (cut := self._cut_of_first(event)) is not None:
            self._line = self._line[:cut]
            self._stop("it repeats what stands right of the cursor", keep=bool(self._line.strip()))

    def _begins_remark(self) -> bool:
        """Does a comment begin behind code? What small models remark there is seldom true; the line ends before it."""
        mark = "//" if self._line.endswith("//") else self._line[-1:]
        code = self._line.removesuffix(mark).rstrip()
        if not code.strip() or (not self.lines and self._around.role != "code"):
            return False
        self._code_end = self._read - len(self._line) + len(code)
        self._line = code
        self._end_line()
        return True

    def _read_remark(self, character: str) -> None:
        assert self._code_end is not None, "it begins behind code"
        if character == "\n":
            self._code_end, self._line_start = None, self._read - 1
        elif self._read - self._code_end > _LONGEST_REMARK:
            self.done = True

    @property
    def in_remark(self) -> bool:
        """Is what is written now a comment behind code, which is not shown?"""
        return self._code_end is not None

    def _begins_below(self) -> bool:
        return not self._around.in_prose and self._repetition.begins_below(self._line)

    def _cut_of_first(self, event: str) -> int | None:
        if event == "wrong" and self._around.language is None:
            return len(self._line) - 1
        return self._beside.begins_again(self._line) if self._around.mid_line else None

    def _place_first(self, character: str) -> bool:
        """Leave out blanks that were typed already and that the model writes again; False while it writes them."""
        if character in " \t":
            self._line += character
            self._stop_at_blanks()
            return False
        written, self._line, self._stripped = self._line, "", True
        around = self._around
        self._line_start = self._read - 1 - len(written)
        if not around.at_empty_line:
            if around.line_before[-1:] in (" ", "\t") and around.role != "string":
                written = ""
        elif self._n_skipped_breaks:
            if columns_of(written) < columns_of(around.line_before):
                self._line = character
                self._stop("it leaves its block", keep=False)
                return False
            written = written[len(around.line_before) :]
        elif around.line_before and written and columns_of(around.line_before) >= self._expected():
            written = ""
        self._line = written
        whole = around.line_before + written
        is_left = around.at_empty_line and around.language is not None and not self._may_go_on(whole + character)
        if is_left:
            self._stop("it leaves its block", keep=False)
            return False
        for blank in written:
            self._brackets.step(blank)
        return True

    def _stop_at_blanks(self) -> None:
        """Blanks alone, and more of them than any line here begins with: no text follows."""
        around = self._around
        near = max(map(columns_of, (around.line_before, *around.above, *around.below)))
        if columns_of(self._line) > near + _MOST_BLANKS:
            self._stop("it writes blanks alone", keep=False)

    def _expected(self) -> int:
        """The column where the cursor's line should begin."""
        if self._block_indent is not None:
            return self._block_indent + 1
        above = self._around.above[-1] if self._around.above else ""
        # Below a block's head a person may still be typing the blanks.
        return columns_of(above) + opens_block(above, self._around.language)

    def _may_go_on(self, line: str) -> bool:
        """Does a line, of which the first characters were written, belong to what is being written?"""
        if self._depth_before_line > 0 or self._around.in_prose:
            return True
        first = not self.lines
        if self._block_indent is None:
            return first or is_decorator(self._around.line_before + self.lines[0].text, self._around.language)
        columns = columns_of(line)
        if columns > self._block_indent:
            return True
        return not first and columns == self._block_indent and may_close(line.strip())

    def _talk(self) -> str:
        """Why the current line, as far as it was written, is no code, or nothing."""
        around = self._around
        if around.language is None:
            return "it talks" if self._line[-1] in " :,!." and self._opens_answer() else ""
        if around.role != "code" or (not self.lines and not around.at_empty_line):
            return ""
        if self._line[-1] == "`" and self._line.strip() == "```":
            return "it writes a fence"
        if self._line[-1] in " :,!." and around.language not in _TALKED_IN and is_prose(self._line):
            return "it talks"
        return ""

    def _opens_answer(self) -> bool:
        """Is this an assistant's answer, in a file where prose may well stand?"""
        around = self._around
        return not (self.lines or around.language or around.quotes_answers) and is_opening_of_answer(self._line)

    def _end_line(self) -> None:
        if not self.lines and not self._stripped and not self._line.strip():
            self._line = ""
            self._begin_behind_break()
            return
        if not self._line.strip():
            self._end_blank_line()
            return
        first = not self.lines
        whole = self._around.line_before + self._line if first else self._line
        if runs_away(self._line):
            self._stop("it runs on in a loop", keep=False)
        elif reason := self._unfit_reason(whole):
            self._stop(reason, keep=False)
        elif not first and self._block_indent is not None and self._is_outside(whole):
            if self._ends_block(whole):
                self._stop("", keep=True)
            elif goes_on_with_block(whole) and opens_block(whole, self._around.language):
                self._keep_line()
            else:
                self._stop("it leaves its block", keep=False)
        else:
            self._keep_line()
            self._decide(whole)

    def _unfit_reason(self, whole: str) -> str:
        """Why a finished line is not to be shown, or nothing."""
        around = self._around
        if self._opens_answer():
            return "it talks"
        if around.role == "docstring" and around.at_empty_line and is_statement(self._line):
            return "it writes code in a docstring"
        if around.in_prose:
            return self._repetition.of(whole, closes_own=False)
        if is_placeholder(self._line) or (is_fence(self._line) and around.language and not self.lines):
            return "it leaves the code out"
        closes_own = self._lowest >= self._n_typed_open and self._opened_before_line > self._lowest
        return self._repetition.of(whole, closes_own=closes_own)

    def _is_outside(self, line: str) -> bool:
        assert self._block_indent is not None
        return self._depth_before_line <= 0 and columns_of(line) <= self._block_indent

    def _ends_block(self, line: str) -> bool:
        """Is this the line that closes the block? Whether the file lacks it is told by its syntax, if that is known."""
        return closes_block(line) and columns_of(line) == self._block_indent and self._around.language is not None

    def _begin_behind_break(self) -> None:
        """The text begins with a line break."""
        around = self._around
        if around.at_empty_line:
            self._n_skipped_breaks += 1
            if self._n_skipped_breaks > _LEADING_BREAKS:
                self._stop("it leaves its block", keep=False)
            return
        self._stripped = True
        if around.mid_line or around.role in ("comment", "string") or self._max_lines == 1:
            self._stop("it goes on in another line", keep=False)
            return
        if around.line_before.rstrip().endswith(tuple(OPENERS)) and self._block_indent is None:
            self._block_indent = columns_of(around.line_before)
        self._keep_line()
        self._decide(around.line_before)
        if self.done:
            self.lines.clear()
            self.reason = "it begins another statement"

    def _end_blank_line(self) -> None:
        around = self._around
        two = bool(self.lines) and not self.lines[-1].text.strip()
        in_block = self._block_indent is not None or self._depth > 0
        if around.paragraph or (two and not (self._depth > 0)) or not in_block:
            self._stop("", keep=False)
        else:
            self._line = ""
            self._keep_line()

    def _keep_line(self) -> None:
        end = self._read - 1 if self._code_end is None else self._code_end
        self.lines.append(WrittenLine(self._line, self._line_start, end))
        self._line, self._line_start = "", self._read - 1
        self._brackets.step("\n")
        self._depth_before_line = self._depth
        self._opened_before_line = self._lowest = len(self._brackets.open)
        self.closes_surplus, self._surplus = self._surplus, False

    def _decide(self, whole: str) -> None:
        """Book a finished line, and decide whether another may follow."""
        around = self._around
        if around.mid_line or around.role in ("comment", "string") or self._has_all_lines():
            self.done = True
        elif around.role == "docstring":
            return
        elif (
            opens_block(whole, around.language)
            and len(self.lines) == 1
            and self.lines[0].text.strip()
            and around.has_block(whole)
        ):
            self.done = True
        elif self._depth <= 0 and self._block_indent is None and not is_decorator(whole, around.language):
            # One statement so far, so that it is indented as its first line is.
            if opens_block(whole, around.language):
                self._block_indent = columns_of(around.line_before + self.lines[0].text)
            else:
                self.done = True
        elif self._depth <= 0 and self._block_indent is not None and closes_block(whole) and len(self.lines) > 1:
            self.done = columns_of(whole) <= self._block_indent

    def _has_all_lines(self) -> bool:
        n_lines = len(self.lines) - (not self.lines[0].text.strip())
        return 0 < self._max_lines <= n_lines

    def _stop(self, reason: str, *, keep: bool) -> None:
        if keep:
            self.lines.append(WrittenLine(self._line, self._line_start, self._read))
        self._unfit = True
        self.done = True
        self.reason = self.reason or reason
