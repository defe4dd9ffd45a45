"""Explain the selection, or the function at the cursor, in a few sentences."""

from __future__ import annotations

import textwrap
from pathlib import PurePath

from dsassist.chat_actions.answer import prose_in
from dsassist.chat_actions.code import Code
from dsassist.chat_actions.outcome import Asking, Explanation, NothingToInsert, Subject, chat_request, clipped

__all__ = ["ask_for_explanation"]

_INSTRUCTION = (
    "You explain code to a programmer who is new to it: what it takes, what it does step by step, what it returns. "
    "One paragraph of three to five short sentences, without lists, headings, examples and code."
)
_MAX_TOKENS = 240
_LINES_AROUND = 20


def ask_for_explanation(subject: Subject, code: Code | None, budget: int) -> Asking:
    """The question; `code` None is a text in a language that we know nothing of."""
    name, shown = _shown(subject, code)
    if not shown.strip():
        raise NothingToInsert("there is no code at the cursor to explain")
    title = code.form.title + " " if code else ""
    question = f"```\n{clipped(shown, budget)}\n```\nExplain this {title}code in one short paragraph."
    file = PurePath(subject.path).name
    heading = f"{name} in {file}" if name and file else name or file or "Explanation"

    def finish(answer: str) -> Explanation:
        if not (text := prose_in(answer)):
            raise NothingToInsert("the model had nothing to say of this code")
        return Explanation(name or "explanation", f"# {heading}\n\n{text}\n")

    return Asking(chat_request(_INSTRUCTION, question, _MAX_TOKENS), finish)


def _shown(subject: Subject, code: Code | None) -> tuple[str, str]:
    """The name of what is explained, and its text."""
    text, start, end = subject.text, subject.start, subject.end
    definition = code.definition_at(start, end) if code else None
    name = definition.name if definition else ""
    if text[start:end].strip():
        first = text.rfind("\n", 0, start) + 1
        return name, textwrap.dedent(text[first:end] if not text[first:start].strip() else text[start:end])
    if code is not None and definition is not None:
        whole = code.text[definition.outer_start : definition.end]
        return name, textwrap.dedent(code.indentation_at(definition.outer_start) + whole)
    lines = text.splitlines()
    line = text.count("\n", 0, start)
    return "", "\n".join(lines[max(0, line - _LINES_AROUND) : line + _LINES_AROUND])
