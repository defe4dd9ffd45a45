"""From tokens to text that may be shown: whole UTF-8 sequences only, and nothing of a stop string."""

from __future__ import annotations

import codecs

__all__ = ["TextAssembler"]


class TextAssembler:
    """Takes the bytes of token after token and gives out the text that is certain.

    `min_indent`: the text ends before a line that is indented by fewer blanks; an empty line is no such line.
    """

    def __init__(self, stop: tuple[str, ...] = (), min_indent: int = 0) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._stop = tuple(text for text in stop if text)
        self._min_indent = min_indent
        self._held = ""
        self._line_begun = True  # the first line goes on where the prompt ended
        self.stopped = False
        self.stop_text = ""

    def push(self, piece: bytes) -> str:
        """The text that can be shown now; `stopped` is set once a stop string was met (it is not shown)."""
        self._held += self._decoder.decode(piece)
        ends = [(at, text) for text in self._stop if (at := self._held.find(text)) >= 0]
        if ends:
            self.stopped = True
            at, self.stop_text = min(ends)
            shown, self._held = self._held[:at], ""
            return self._indented(shown)
        keep = max((_overlap(self._held, text) for text in self._stop), default=0)
        return self._indented(self._held[: len(self._held) - keep])

    def finish(self) -> str:
        """What was held back because it might have become a stop string; a cut UTF-8 sequence is dropped."""
        shown, self._held = self._held, ""
        return shown

    def _indented(self, certain: str) -> str:
        """As much of `certain`, the beginning of what is held, as is known to be indented enough; the rest is held."""
        shown = len(certain) if not self._min_indent else self._end_of_indented(certain)
        self._held = "" if self.stopped else self._held[shown:]
        return certain[:shown]

    def _end_of_indented(self, text: str) -> int:
        start = 0
        while True:
            if not self._line_begun:
                blanks = len(text) - start - len(text[start:].lstrip(" \t"))
                if start + blanks == len(text):
                    return start  # it may become any line
                if text[start + blanks] not in "\r\n" and blanks < self._min_indent:
                    self.stopped = True
                    return start
                self._line_begun = True
            end = text.find("\n", start)
            if end < 0:
                return len(text)
            start, self._line_begun = end + 1, False


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of `text` are a beginning of `stop`."""
    return next((n for n in range(min(len(text), len(stop) - 1), 0, -1) if stop.startswith(text[-n:])), 0)
