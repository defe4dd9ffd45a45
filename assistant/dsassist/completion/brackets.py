"""Brackets and quotes, read character by character: what is open at a place, and what a text closes.

This is no lexer: it knows a language's comment marks, quotes and interpolations, and no more. It serves where a
decision is due with each character, or where no grammar is at hand; what is shown is checked by `syntax.validity`.
"""

from __future__ import annotations

from typing import Literal

__all__ = ["CLOSERS", "OPENERS", "Brackets", "Event", "bracket_depth"]

# What a character does: "close" takes away what was opened last, "surplus" closes what was never opened here, "wrong"
# closes another kind of bracket than the one opened last.
Event = Literal["", "open", "close", "surplus", "wrong"]

OPENERS, CLOSERS = "([{", ")]}"

_CURLY = ("javascript", "typescript", "tsx", "go", "rust", "java", "c", "cpp", "php", "c_sharp", "kotlin", "swift")
_SLASHES = frozenset((*_CURLY, "scala", "zig", "css", "json"))
_NO_HASH = _SLASHES - {"php"} | {"lua", "html"}
_BACKTICKS = frozenset(("javascript", "typescript", "tsx", "go", "bash"))
_NO_SINGLE_QUOTES = frozenset(("rust", "html", "json"))  # a lifetime, text
# What begins code within a string of double quotes.
_INTERPOLATIONS = {
    "ruby": "#{",
    "kotlin": "${",
    "scala": "${",
    "php": "{",
    "bash": "${ $(",
    "hcl": "${",
    "c_sharp": "{",
}
_CASE_PATTERNS = "bash"  # `a)` closes nothing


class Brackets:
    """What is open behind the text that was fed. A string ends with its line, but for those that span lines."""

    def __init__(self, language: str | None) -> None:
        self.open: list[str] = []  # brackets; quotes, with what opens code within them
        self._language = language or ""
        self._quotes = '"' if self._language in _NO_SINGLE_QUOTES else "\"'"
        if self._language in _BACKTICKS:
            self._quotes += "`"
        self._comment = False
        self._escaped = False
        self._last = ""  # the last characters, three at most

    def copy(self) -> Brackets:
        """A reader that goes on from here by itself."""
        other = Brackets(self._language)
        other.open = list(self.open)
        other._comment, other._escaped, other._last = self._comment, self._escaped, self._last
        return other

    @property
    def depth(self) -> int:
        """How many brackets are open."""
        return sum(opened in OPENERS for opened in self.open)

    @property
    def in_string(self) -> bool:
        """Does the text end within a string?"""
        return bool(self.open) and self.open[-1] not in OPENERS

    @property
    def in_comment(self) -> bool:
        """Does the text end within a comment that lasts to the end of the line?"""
        return self._comment

    def feed(self, text: str) -> None:
        """Read on."""
        for character in text:
            self.step(character)

    def step(self, character: str) -> Event:
        """Read one character."""
        last, self._last = self._last, (self._last + character)[-3:]
        if character == "\n":
            self._end_line()
            return ""
        if self._escaped:
            self._escaped = False
            return ""
        if self._comment:
            return ""
        if self.in_string:
            return self._step_in_string(character)
        if character in self._quotes:
            return self._open_string(character, last)
        if self._starts_comment(character, last):
            self._comment = True
            return ""
        if last.endswith("'") and self._language == "rust":
            return ""  # a character: behind a lifetime there is a name
        if character in OPENERS:
            self.open.append(character)
            return "open"
        return self._close(character) if character in CLOSERS else ""

    def _step_in_string(self, character: str) -> Event:
        quote, *interpolations = self.open[-1].split()
        if character == "\\":
            self._escaped = True
        elif self._last.endswith(quote):
            self.open.pop()
            return "close"
        elif any(self._last.endswith(interpolation) for interpolation in interpolations):
            self.open.append(character)
            return "open"
        return ""

    def _open_string(self, character: str, last: str) -> Event:
        triple = self._language == "python" and last[-2:] == character * 2
        self.open.append((character * 3 if triple else character) + " " + self._interpolation(character, last))
        return "open"

    def _interpolation(self, quote: str, last: str) -> str:
        if self._language == "python":
            return "{" if last.rstrip(quote)[-1:] in tuple("fF") or last[-2:].lower() in ("fr", "rf") else ""
        if quote == "`":
            return "${" if self._language != "go" else ""
        if self._language == "c_sharp" and "$" not in last[-2:]:
            return ""
        return _INTERPOLATIONS.get(self._language, "") if quote == '"' else ""

    def _close(self, character: str) -> Event:
        if not self.open:
            return "" if self._language == _CASE_PATTERNS and character == ")" else "surplus"
        if self.open[-1] != OPENERS[CLOSERS.index(character)]:
            return "wrong"
        self.open.pop()
        return "close"

    def _starts_comment(self, character: str, last: str) -> bool:
        if character == "#":
            return self._language not in _NO_HASH and (not last or last[-1].isspace() or self._language == "python")
        if character == "/":
            return self._language in _SLASHES and last.endswith("/")
        return character == "-" and self._language == "lua" and last.endswith("-")

    def _end_line(self) -> None:
        self._comment = self._escaped = False
        while self.in_string and self.open[-1][0] != "`" and not self.open[-1].startswith(('"""', "'''")):
            self.open.pop()


def bracket_depth(text: str, language: str | None) -> int:
    """Brackets that `text` opens minus those that it closes, outside strings and comments."""
    brackets = Brackets(language)
    surplus = sum(brackets.step(character) == "surplus" for character in text)
    return brackets.depth - surplus
