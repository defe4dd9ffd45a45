"""Where a completion ends, and what of it may be shown while it is still being written.

Small models do not stop by themselves: of 30 completions by Qwen2.5-Coder-0.5B none did within 64 tokens, and 18 went
on to repeat the code below the cursor. So the text around the cursor decides:

- code stands right of the cursor: to the end of this line, and only up to where that code begins again;
- a statement is under way: to the end of this line, further only while a bracket is open or the line opened a block;
- a block is due: until the text leaves the block;
- nowhere a line that stands below the cursor already, nor the same long line twice.

What is shown never has to be taken back: a line is held as long as it may still turn out to be one of those.
"""

from __future__ import annotations

from dsassist.completion.surroundings import Surroundings, bracket_depth, indent_of

__all__ = ["Ending"]

_LONG_LINE = 10  # characters; shorter lines (`else:`, `]`) may well stand twice


class Ending:
    """Takes the model's text piece by piece and gives out what is to be shown; `done` once nothing more will be."""

    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._block_indent = around.block_indent
        self._written = ""  # accepted lines before the current one, each with its line end
        self._line = ""  # the current line, as far as it was written
        self._shown = 0  # characters of `_line` that are shown
        self._blank = ""  # blank lines that are only shown when more follows
        self._first = True
        self._seen = {line for line in (around.above,) if len(line) >= _LONG_LINE}
        self.done = False

    def push(self, text: str) -> str:
        """The text that can be shown after the model wrote `text`."""
        out: list[str] = []
        for part in text.splitlines(keepends=True):
            if self.done:
                break
            self._line += part
            if part.endswith("\n"):
                out.append(self._end_line())
            else:
                out.append(self._show_part())
        return "".join(out)

    def finish(self) -> str:
        """The rest that can be shown when the model ends by itself."""
        if self.done:
            return ""
        self.done = True
        return self._show(self._line) if self._accepts(self._line.strip()) and self._line.strip() else ""

    def _end_line(self) -> str:
        line = self._line.rstrip("\r\n")
        if self._first:
            return self._end_first_line(line)
        if not line.strip():
            self._blank += self._line
            self._line = ""
            if self._around.paragraph or self._blank.count("\n") > 1:
                self.done = True
            return ""
        if not self._accepts(line.strip()):
            self.done = True
            return ""
        shown = self._show(self._line)
        self._next_line(line)
        return shown.rstrip("\r\n") if self.done else shown

    def _end_first_line(self, line: str) -> str:
        if not line.strip() and self._block_indent is None and not self._around.line_before.strip():
            # An empty answer at an empty line: the model sees nothing to add here.
            self.done = True
            return ""
        if line.strip() and not self._accepts((self._around.line_before + line).strip()):
            self.done = True
            return ""
        cut = self._cut_at_code_behind(line)
        if self._around.mid_line or len(cut) < len(line):
            self.done = True
            return self._show(cut)
        shown = self._show(self._line)
        self._next_line(self._around.line_before + line)
        return shown.rstrip("\r\n") if self.done else shown

    def _next_line(self, line: str) -> None:
        """Book a finished line, and decide whether another may follow."""
        self._written += self._line
        self._line, self._shown, self._first = "", 0, False
        stripped = line.strip()
        if len(stripped) >= _LONG_LINE:
            self._seen.add(stripped)
        if self._depth() > 0:
            return
        if self._block_indent is None:
            if not stripped.endswith((":", "{")) or self._around.mid_line:
                self.done = True
            else:
                self._block_indent = indent_of(line)

    def _show_part(self) -> str:
        """Show what of an unfinished line is certain."""
        line = self._line
        if self._first:
            if (cut := self._cut_at_code_behind(line)) != line:
                self.done = True
                return self._show(cut) if self._accepts((self._around.line_before + cut).strip()) else ""
            full = (self._around.line_before + line).strip()
            if not line.strip() or self._may_be_known(full):
                return ""
            return self._show(line[: len(line) - self._overlap_with_code_behind(line)])
        stripped = line.strip()
        if not stripped or self._may_be_known(stripped):
            return ""
        if not self._inside(line):
            self.done = True
            return ""
        return self._show(line)

    def _show(self, line: str) -> str:
        """The part of `line` that was not shown before, after the blank lines that were held."""
        shown, self._shown = line[self._shown :], max(self._shown, len(line))
        blank, self._blank = self._blank, ""
        return blank + shown

    def _accepts(self, stripped: str) -> bool:
        """May this finished line be shown?"""
        if stripped in self._around.below[:1] or stripped in self._seen:
            return False
        if len(stripped) >= _LONG_LINE and stripped in self._around.below:
            return False
        return self._first or self._inside(self._line)

    def _inside(self, line: str) -> bool:
        """Does a line after the first belong to what is being written?"""
        if self._depth() > 0:
            return True
        return self._block_indent is not None and indent_of(line) > self._block_indent

    def _may_be_known(self, stripped: str) -> bool:
        """Could this beginning of a line become one that stands below or was there already?"""
        known = [*self._around.below[:1], *self._seen]
        known += [line for line in self._around.below[1:] if len(line) >= _LONG_LINE]
        return any(line.startswith(stripped) for line in known)

    def _depth(self) -> int:
        """Brackets open after what was accepted, those of the cursor's own line among them."""
        behind = bracket_depth(self._around.line_after)
        return bracket_depth(self._around.line_before + self._written) + min(0, behind)

    def _cut_at_code_behind(self, line: str) -> str:
        """`line` up to where it begins to repeat what stands right of the cursor."""
        behind = self._around.line_after.strip()
        if not behind:
            return line
        at = line.find(behind)
        while at >= 0:
            if bracket_depth(line[:at]) <= 0:
                return line[:at]
            at = line.find(behind, at + 1)
        return line

    def _overlap_with_code_behind(self, line: str) -> int:
        """Characters at the end of `line` that may be the beginning of what stands right of the cursor."""
        behind = self._around.line_after.strip()
        return next((n for n in range(min(len(line), len(behind) - 1), 0, -1) if behind.startswith(line[-n:])), 0)
