"""Mend what a diagnostic complains of: the enclosing function or statement is written anew, and only what differs
goes into the file.
"""

from __future__ import annotations

import difflib
import re
import textwrap

from dsassist.chat_actions.answer import code_in
from dsassist.chat_actions.code import Code, Definition, adds_errors, newline_of
from dsassist.chat_actions.outcome import (
    CHARACTERS_PER_TOKEN,
    Asking,
    FileChange,
    NothingToInsert,
    Subject,
    TextChange,
    chat_request,
    clipped,
)
from dsassist.secrets import has_secret, without_secrets

__all__ = ["ask_for_fix"]

_INSTRUCTION = (
    "You mend {title} code. You change as little as possible, keep names, comments and formatting, "
    "and answer with the corrected lines alone, in one fenced block."
)
_QUESTION = """```
{context}
```
There is an error in this part of it:
```
{code}
```
The error: {message}
Write this part again, so that the error is gone. Write nothing else."""
_EXAMPLE = (
    _QUESTION.format(
        context="def cost(price, count):\n    check(count)\n    return prise * count",
        code="return prise * count",
        message='"prise" is not defined',
    ),
    "```\nreturn price * count\n```",
)
_LONGEST_LINES = 12  # of a statement; a longer one is a block, of which the lines with the error are meant
_MOST_CHANGED = 0.5  # of the lines: more is other code, not mended code


def ask_for_fix(subject: Subject, code: Code, budget: int, message: str) -> Asking:
    """The question for a replacement of the statement around `subject`, the diagnostic's range.

    A small model that is to write a whole function again copies it, error and all; shown the function, and asked for
    the statement alone, it mends more of them, and in a fraction of the time.
    """
    start, end = _statement(code, subject)
    old = code.text[start:end]
    if len(old) > budget * CHARACTERS_PER_TOKEN:
        raise NothingToInsert("the statement with the error is too long for the model; mend it by hand")
    if has_secret(old):
        raise NothingToInsert("the statement with the error holds a secret, which the model must not see")
    definition = code.definition_at(subject.start, subject.end)
    around = (definition.outer_start, definition.end) if definition else _lines_around(code.text, start, end)
    context = code.indentation_at(around[0]) + code.text[slice(*around)]
    question = _QUESTION.format(
        context=clipped(textwrap.dedent(context), budget),
        code=textwrap.dedent(old),
        message=_told(message, old, code.text),
    )
    request = chat_request(
        _INSTRUCTION.format(title=code.form.title),
        question,
        max_tokens=len(old) // CHARACTERS_PER_TOKEN + 80,
        example=_EXAMPLE,
    )
    return Asking(request, lambda answer: _replace(code, definition, start, end, answer))


def _told(message: str, statement: str, text: str) -> str:
    """The diagnostic on one line; of a name that it complains of, with the name that was probably meant."""
    told = without_secrets(" ".join(message.split()))  # checkers repeat literals
    for name in re.findall(r"[`'\"‘“]([^\W\d]\w+)[`'\"’”]", told):
        if re.search(rf"\b{name}\b", statement) and not re.search(r"\b(?:mean|similar)\b", told):
            others = sorted(set(re.findall(r"\b[^\W\d]\w+\b", text)) - {name})
            if close := difflib.get_close_matches(name, others, n=1, cutoff=0.8):
                return f'{told}; did you mean "{close[0]}"?'
    return told


def _statement(code: Code, subject: Subject) -> tuple[int, int]:
    """The lines that are to be mended: those of the diagnostic, or of the short statement that they are part of."""
    start, end = _line_range(code.text, subject.start, subject.end)
    found = code.statement_at(subject.start, subject.end)
    if found is not None and code.text.count("\n", *found) < _LONGEST_LINES:
        first, last = _line_range(code.text, *found)
        start, end = min(start, first), max(end, last)
    return start, end


def _replace(code: Code, definition: Definition | None, start: int, end: int, answer: str) -> FileChange:
    old = code.text[start:end]
    new = code_in(answer, code.language, is_part=True)
    if definition is not None and (whole := _definition_in(new, definition, code.language)):
        # The whole function in place of the part: good, too.
        start, end, new = definition.start - len(code.indentation_at(definition.start)), definition.end, whole
        old = code.text[start:end]
    if not new.strip():
        raise NothingToInsert("the model wrote no code for this diagnostic, so nothing was changed")
    new = _indented_as(old, new).replace("\n", newline_of(code.text))
    if new == old or (code.language != "python" and new.split() == old.split()):
        raise NothingToInsert("the model found nothing to change for this diagnostic")
    if definition is not None and len(Code(new, code.language).definitions) > len(Code(old, code.language).definitions):
        raise NothingToInsert("the model wrote other code instead of mending this, so nothing was changed")
    changes, share = _differences(old, new, start, code.language == "python")
    if share > _MOST_CHANGED and old.count("\n") > 5:
        raise NothingToInsert("the model wrote other code instead of mending this, so nothing was changed")
    if new.count("\n") < old.count("\n") - 1:
        raise NothingToInsert("the model left lines out instead of mending them, so nothing was changed")
    result = FileChange(None, code.text, changes)
    if adds_errors(code.language, code.text, result.after):
        raise NothingToInsert("the model's correction does not parse, so nothing was changed")
    if _repeats_neighbours(code.text, start, end, new):
        raise NothingToInsert("the model repeated the lines around the error, so nothing was changed")
    return result


def _repeats_neighbours(text: str, start: int, end: int, new: str) -> bool:
    """Whether the new lines begin or end with the line that stands above or below already."""
    lines = [line.strip() for line in new.splitlines() if line.strip()]
    above = next((line.strip() for line in reversed(text[:start].splitlines()) if line.strip()), "")
    below = next((line.strip() for line in text[end:].splitlines() if line.strip()), "")
    return len(lines) > 1 and ((len(above) > 3 and lines[0] == above) or (len(below) > 3 and lines[-1] == below))


def _definition_in(answer: str, definition: Definition, language: str) -> str:
    """The function of the same name in the answer, without what else the model wrote around it; else empty."""
    code = Code(answer, language)
    found = next((each for each in code.definitions if each.name == definition.name and not each.is_class), None)
    if found is None:
        return ""
    return textwrap.dedent(code.indentation_at(found.start) + code.text[found.start : found.end])


def _indented_as(old: str, new: str) -> str:
    """`new` with the indentation of `old`: its first line's, and its unit, be that tabs or some number of blanks."""
    blanks = old[: len(old) - len(old.lstrip(" \t"))]
    ours, theirs = _unit(textwrap.dedent(old)), _unit(textwrap.dedent(new))
    lines = []
    for line in textwrap.dedent(new).strip("\n").split("\n"):
        depth = 0
        while theirs and line.startswith(theirs):
            line, depth = line.removeprefix(theirs), depth + 1
        lines.append(f"{blanks}{(ours or theirs) * depth}{line}" if line.strip() else "")
    return "\n".join(lines)


def _unit(text: str) -> str:
    """The shortest indentation of a text without a common one."""
    found = (line[: len(line) - len(line.lstrip(" \t"))] for line in text.splitlines() if line.strip())
    return min((each for each in found if each), key=len, default="")


def _differences(old: str, new: str, start: int, blanks_count: bool) -> tuple[tuple[TextChange, ...], float]:
    """What differs as changes of whole lines, and which share of the old lines they touch."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    places = [start]
    for line in before:
        places.append(places[-1] + len(line))
    # Where blanks mean nothing, a line that only got others is the same line.
    a, b = ([line if blanks_count else "".join(line.split()) for line in lines] for lines in (before, after))
    matcher = difflib.SequenceMatcher(None, a, b, autojunk=False)
    hunks = [each for each in matcher.get_opcodes() if each[0] != "equal"]
    changes = tuple(TextChange(places[i1], places[i2], "".join(after[j1:j2])) for _, i1, i2, j1, j2 in hunks)
    touched = sum(max(i2 - i1, j2 - j1) for _, i1, i2, j1, j2 in hunks)
    return changes, touched / max(1, len(before))


def _lines_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Some lines above the statement, and it: outside of functions the meaning of names stands above."""
    first = start
    for _ in range(8):
        first = text.rfind("\n", 0, max(0, first - 1)) + 1
    return first, end


def _line_range(text: str, start: int, end: int) -> tuple[int, int]:
    stop = text.find("\n", end)
    return text.rfind("\n", 0, start) + 1, len(text) if stop < 0 else stop - text.startswith("\r\n", stop - 1)
