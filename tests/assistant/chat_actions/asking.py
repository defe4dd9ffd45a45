"""Documents with a cursor mark, and what an answer makes of them."""

from __future__ import annotations

from pathlib import Path

from dsassist.chat_actions.code import Code
from dsassist.chat_actions.outcome import Subject

__all__ = ["at_mark"]


def at_mark(marked: str, path: str | Path, root: Path | None = None) -> tuple[Subject, Code]:
    """The subject at `|`, or between two of them."""
    start = marked.index("|")
    text = marked[:start] + marked[start + 1 :]
    end = text.find("|", start)
    if end >= 0:
        text = text[:end] + text[end + 1 :]
    subject = Subject(text, start, max(start, end), str(path), "", root)
    code = Code.of(text, str(path), "")
    assert code is not None
    return subject, code
