"""DSA002: the marks of a merge conflict that was left as git wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dsassist.review.findings import Finding
from dsassist.review.passes.subject import Subject

__all__ = ["find_merge_markers"]

# At the line's very start, seven of them: a heading's underline is longer or indented, or has no partners.
_MARK = re.compile(r"^(?:(<{7}|>{7}|\|{7})(?: [^\n]*)?|(={7}))\r?$", re.MULTILINE)


def find_merge_markers(subject: Subject) -> Iterator[Finding]:
    """Conflicts of which a changed line is a mark: `<<<<<<<`, `=======` and `>>>>>>>` in that order."""
    source = subject.file.source
    if "<<<<<<<" not in source.text:
        return
    opened: list[re.Match[str]] = []
    for mark in _MARK.finditer(source.text):
        kind = (mark.group(1) or mark.group(2))[0]
        if kind == "<":
            opened = [mark]
        elif kind == "=":
            opened = [*opened, mark] if _kinds(opened) in ("<", "<|") else []
        elif kind == "|":
            opened = [*opened, mark] if _kinds(opened) == "<" else []
        elif _kinds(opened) in ("<=", "<|="):
            yield from _finding(subject, [*opened, mark])
            opened = []


def _kinds(marks: list[re.Match[str]]) -> str:
    return "".join(mark.group()[0] for mark in marks)


def _finding(subject: Subject, marks: list[re.Match[str]]) -> Iterator[Finding]:
    """One finding for a conflict, at the first of its marks that changed."""
    for mark in marks:
        if subject.file.source.position(mark.start())[0] in subject.file.lines:
            place = (mark.start(), mark.end() - mark.group().endswith("\r"))
            yield subject.finding("merge-marker", "error", place, "a merge conflict is not resolved")
            return
