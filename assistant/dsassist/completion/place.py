"""The place of a completion: a document and the cursor in it. What everything else in this package looks at."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from dsassist.syntax.languages import language_of

__all__ = ["Place"]


@dataclass(frozen=True)
class Place:
    """A cursor before code point `offset` of the document `text`; lines end at LF or CRLF.

    `path` and `language_id` (LSP's) say which language it is; a notebook's cell is a document of its own.
    """

    text: str
    offset: int
    path: str = ""
    language_id: str = ""

    @cached_property
    def language(self) -> str | None:
        """Our name of the document's language, as `syntax.languages` has it."""
        return language_of(self.path, self.language_id)

    @cached_property
    def around(self) -> tuple[str, str]:
        """The text before and after the cursor with line feeds alone, as models write them."""
        return self.text[: self.offset].replace("\r\n", "\n"), self.text[self.offset :].replace("\r\n", "\n")

    @cached_property
    def line_start(self) -> int:
        """Where the cursor's line begins."""
        return self.text.rfind("\n", 0, self.offset) + 1

    @cached_property
    def line_end(self) -> int:
        """Where the cursor's line ends, before its line break."""
        end = self.text.find("\n", self.offset)
        if end < 0:
            return len(self.text)
        return end - 1 if end > self.offset and self.text[end - 1] == "\r" else end

    @property
    def line_before(self) -> str:
        """The cursor's line up to the cursor."""
        return self.text[self.line_start : self.offset]

    @property
    def line_after(self) -> str:
        """The cursor's line from the cursor on, without its line break."""
        return self.text[self.offset : self.line_end]

    @cached_property
    def line_break(self) -> str:
        """How lines end here: as the nearest one does, CRLF or LF."""
        at = self.text.rfind("\n", 0, self.offset)
        if at < 0:
            at = self.text.find("\n", self.offset)
        return "\r\n" if at > 0 and self.text[at - 1] == "\r" else "\n"
