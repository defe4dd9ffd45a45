"""Where a completion ends, and what of it may be shown while it is still being written.

Small models do not stop by themselves: of 30 completions by Qwen2.5-Coder-0.5B none did within 64 tokens, and 18 went
on to repeat the code below the cursor. So the text around the cursor decides:

- code stands right of the cursor: to the end of this line, and only up to where that code begins again;
- a statement is under way: to the end of this line, further only while a bracket is open or the line opened a block;
- a block is due: until the text leaves the block;
- nowhere a line that stands below the cursor already, nor the same long line twice, nor one bit of text over and over,
  nor a bracket that closes another kind than the one that is open.

What is shown never has to be taken back: a line is held as long as it may still turn out to be one of those.
"""

from __future__ import annotations

import re

from dsassist.completion.surroundings import Surroundings, bracket_depth, indent_of, wrong_closer

__all__ = ["Ending"]

# One bit of text over and over: a short one five times, a longer one three times.
_REPEATED = re.compile(r"(\S.{0,11}?)\1{4,}$|(\S.{12,39}?)\2{2,}$")
_RUNAWAY = 20  # characters of it at least
_REPEATED_WITHIN = 200  # characters at the end of a line
_BEHIND = 24  # characters of what stands right of the cursor that are enough to know it again
_LONG_LINE = 10  # characters; shorter lines (`else:`, `]`) may well stand twice


class Ending:
    """Takes the model's text piece by piece and gives out what is to be shown; `done` once nothing more will be."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._block_indent = around.block_indent
        self._accepted = around.line_before  # the cursor's line and the accepted ones, without the current one
        self._line = ""  # the current line, as far as it was written
        self._n_shown = 0  # characters of `_line` that are shown
        self._line_ends = ""  # before the current line: shown with its first character, or never
        self._seen = {around.above} if len(around.above) >= _LONG_LINE else set()
        self.done = False

    def push(self, text: str) -> str:
        """The text that can be shown after the model wrote `text`."""
        shown = ""
        for part in text.splitlines(keepends=True):
            if self.done:
                break
            self._line += part.rstrip("\r\n")
            if self._runs_away():
                self.done = True
                break
            shown += self._end_line() if part.endswith("\n") else self._show_part()
        return shown

    def finish(self) -> str:
        """The rest that can be shown when the model ends by itself."""
        if self.done:
            return ""
        shown = self._show_whole() if self._line.strip() else ""
        self.done = True
        return shown

    def _is_first(self) -> bool:
        return not self._line_ends

    def _runs_away(self) -> bool:
        """Does the line end in one bit of text over and over? Rules of punctuation (`# ------`) are meant so."""
        found = _REPEATED.search(self._line[-_REPEATED_WITHIN:])
        if found is None or len(found.group()) < _RUNAWAY:
            return False
        return any(character.isalnum() or character in "()[]{}" for character in found.group())

    def _end_line(self) -> str:
        if self._line.strip():
            shown = self._show_whole()
            if not self.done:
                self._next_line()
            return shown
        if self._is_first():
            self._next_line()
        else:
            self._line, self._line_ends = "", self._line_ends + "\n"
            # A blank line may stand inside a block; two mean that it is over.
            if self._around.paragraph or len(self._line_ends) > 2:
                self.done = True
        return ""

    def _next_line(self) -> None:
        """Book a finished line, and decide whether another may follow."""
        whole = self._around.line_before + self._line if self._is_first() else self._line
        self._accepted += self._line + "\n"
        self._line, self._n_shown, self._line_ends = "", 0, "\n"
        if len(whole.strip()) >= _LONG_LINE:
            self._seen.add(whole.strip())
        if self._around.mid_line:
            self.done = True
        elif self._depth() <= 0 and self._block_indent is None:
            opens = whole.rstrip().endswith((":", "{"))
            has_block = self._around.below_indent > indent_of(whole)
            if opens and not has_block:
                self._block_indent = indent_of(whole)
            else:
                self.done = True

    def _show_whole(self) -> str:
        """Show the rest of a finished line, or find that it does not belong here."""
        line = self._cut(self._line) if self._is_first() else self._line
        if line != self._line:
            self.done = True
        if not self._accepts(line):
            self.done = True
            return ""
        return self._show(line)

    def _show_part(self) -> str:
        """Show what of an unfinished line is certain."""
        line = self._line
        if not line.strip():
            return ""
        if not self._is_first():
            if not self._inside(line):
                self.done = True
                return ""
            return "" if self._may_be_known(line.strip()) else self._show(line)
        if self._cut(line) != line:
            return self._show_whole()
        if self._may_be_known((self._around.line_before + line).strip()):
            return ""
        return self._show(line[: len(line) - self._overlap_with_code_behind(line)])

    def _show(self, line: str) -> str:
        """The part of `line` that was not shown before, after the line ends that were held."""
        shown = line[self._n_shown :]
        if self._n_shown == 0:
            shown = self._line_ends + shown
        self._n_shown = max(self._n_shown, len(line))
        return shown

    def _accepts(self, line: str) -> bool:
        """May this finished line be shown?"""
        stripped = (self._around.line_before + line).strip() if self._is_first() else line.strip()
        if stripped in self._around.below[:1] or stripped in self._seen:
            return False
        if len(stripped) >= _LONG_LINE and stripped in self._around.below:
            return False
        return self._is_first() or self._inside(line)

    def _inside(self, line: str) -> bool:
        """Does a line after the first belong to what is being written?"""
        if self._depth() > 0:
            return True
        return self._block_indent is not None and indent_of(line) > self._block_indent

    def _may_be_known(self, stripped: str) -> bool:
        """Could this beginning of a line become one that stands below or was there already?"""
        below = self._around.below
        known = [*below[:1], *(line for line in below[1:] if len(line) >= _LONG_LINE), *self._seen]
        return any(line.startswith(stripped) for line in known)

    def _depth(self) -> int:
        """Brackets that the cursor's line and the accepted ones leave open, less those that close behind the cursor."""
        return bracket_depth(self._accepted) + min(0, bracket_depth(self._around.line_after))

    def _cut(self, line: str) -> str:
        """The cursor's line up to where it repeats what stands right of the cursor, or closes a wrong bracket."""
        before = self._around.line_before
        wrong = wrong_closer(before + line)
        if wrong is not None and wrong >= len(before):
            line = line[: wrong - len(before)]
        behind = self._around.line_after.strip()[:_BEHIND]
        at = line.find(behind) if behind else -1
        while at >= 0:
            if bracket_depth(line[:at]) <= 0:
                return line[:at].rstrip() if self._around.line_after[0] == " " else line[:at]
            at = line.find(behind, at + 1)
        return line

    def _overlap_with_code_behind(self, line: str) -> int:
        """Characters at the end of `line` that may be the beginning of what stands right of the cursor."""
        behind = self._around.line_after.rstrip()[:_BEHIND]
        starts = (behind, behind.lstrip())
        longest = min(len(line), len(behind))
        return next((n for n in range(longest, 0, -1) if any(text.startswith(line[-n:]) for text in starts)), 0)
