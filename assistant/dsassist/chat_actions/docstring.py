"""Write a docstring: the model fills in sentences, the form is ours.

The answer is JSON of a schema made from the function (a summary, each parameter, the result), so that no code, fence or
prose can get into the file, and each language and each file's custom is met by formatting alone.
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Callable
from typing import Any

from dsassist.chat_actions.answer import prose_in
from dsassist.chat_actions.code import Code, Definition, adds_errors, newline_of
from dsassist.chat_actions.doc_forms import (
    Documentation,
    comment_lines,
    docstring_lines,
    file_width,
    python_style,
)
from dsassist.chat_actions.outcome import (
    Asking,
    FileChange,
    NothingToInsert,
    Subject,
    TextChange,
    chat_request,
    clipped,
)

__all__ = ["ask_for_docstring"]

_INSTRUCTION = (
    "You document {title} code. You tell a caller what it does and returns, in plain and exact words, "
    "and nothing that the code does not show."
)
_QUESTION = """```
{code}
```
Document `{name}`. Answer with JSON:
"summary": one sentence that begins with a verb ("Return", "Read", "Check") and tells what `{name}` does{rest}"""
_RETURNS = re.compile(r"\b(?:return|yield)\b[ \t]*[^\s;#}]|=>\s*[^\s{]")
_ORDER = re.compile(r"//(?:go:|nolint|line |export )|#!")
_WORD = re.compile(r"[^\W_]+")
_FILLERS = frozenset(
    ("a", "an", "the", "this", "that", "of", "to", "for", "from", "and", "it", "is", "its", "given", "function")
)
_MOST_PARAMETERS = 12


def ask_for_docstring(subject: Subject, code: Code, budget: int) -> Asking:
    """The question for the documentation of the definition at the cursor; `NothingToInsert` without one."""
    definition = code.definition_at(subject.start, subject.end)
    if definition is None:
        raise NothingToInsert("there is no function or class at the cursor to document")
    names, returns = _what_is_told(code, definition)
    rest = f'\n"parameters": what each of {", ".join(names)} means, in a few words' if names else ""
    rest += '\n"returns": what is returned, in a few words' if returns else ""
    shown = clipped(_without_docs(code, definition), budget)
    request = chat_request(
        _INSTRUCTION.format(title=code.form.title),
        _QUESTION.format(code=shown, name=definition.name, rest=rest),
        max_tokens=120 + 40 * len(names) + 40 * returns,
        json_schema=_schema(names, returns),
    )
    return Asking(request, lambda answer: _insert(code, definition, _documentation_in(answer, definition.name)))


def _what_is_told(code: Code, definition: Definition) -> tuple[list[str], bool]:
    """The parameters to be described, and whether the result is."""
    if definition.is_class or (code.form.doc != "docstring" and not code.form.tags):
        return [], False
    if code.form.doc == "docstring" and python_style(code) == "sentence":
        return [], False
    returns = bool(_RETURNS.search(code.text[definition.start : definition.end]))
    return code.parameters(definition)[:_MOST_PARAMETERS], returns


def _schema(names: list[str], returns: bool) -> dict[str, Any]:
    sentence = {"type": "string", "minLength": 8, "maxLength": 240}
    phrase = {"type": "string", "minLength": 1, "maxLength": 120}
    properties: dict[str, Any] = {"summary": sentence}
    if names:
        properties["parameters"] = {
            "type": "object",
            "properties": dict.fromkeys(names, phrase),
            "required": names,
            "additionalProperties": False,
        }
    if returns:
        properties["returns"] = phrase
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _documentation_in(answer: str, name: str) -> Documentation:
    try:
        found = json.loads(prose_in(answer))
        summary, parameters, returns = found["summary"], found.get("parameters", {}), found.get("returns", "")
        told = Documentation(
            _sentence(summary),
            tuple((each, words) for each, text in parameters.items() if (words := _phrase(text, each))),
            _phrase(returns, name),
        )
    except (ValueError, TypeError, AttributeError, KeyError):
        raise NothingToInsert(f"the model's answer broke off, so {name} was not documented; try again") from None
    if not _says_more(told.summary, name):
        raise NothingToInsert(f"the model had nothing to say of {name} but its name, so nothing was inserted")
    return told


def _sentence(text: str) -> str:
    text = " ".join(text.split()).strip("\"'`* ").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _phrase(text: str, name: str) -> str:
    text = " ".join(text.split()).strip("\"'`* ").rstrip(".")
    return f"{text[:1].upper()}{text[1:]}." if text and _says_more(text, name) else ""


def _says_more(text: str, name: str) -> bool:
    """Whether there is a word that neither stands in the name nor says nothing."""
    stems = {
        word.lower().rstrip("s")
        for part in _WORD.findall(name)
        for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+|\d+", part)
    }
    said = {word.lower() for word in _WORD.findall(text)} - _FILLERS
    return any(not any(word.startswith(stem) and len(word) <= len(stem) + 3 for stem in stems) for word in said)


def _insert(code: Code, definition: Definition, text: Documentation) -> FileChange:
    form = code.form
    if form.doc == "docstring":
        change = _python_change(code, definition, text)
    else:
        old = _old_comment(code, definition)
        indentation = code.indentation_at(definition.outer_start)
        lines = comment_lines(code, definition, text, file_width(code) - len(indentation))
        body = "".join(f"{indentation}{line}".rstrip() + newline_of(code.text) for line in lines)
        change = TextChange(*old, body)
    result = FileChange(None, code.text, (change,))
    if adds_errors(code.language, code.text, result.after):
        raise NothingToInsert(f"what the model wrote for {definition.name} does not parse, so nothing was inserted")
    return result


def _python_change(code: Code, definition: Definition, text: Documentation) -> TextChange:
    body = definition.node.child_by_field_name("body")
    colon = next((child for child in reversed(definition.node.children) if child.type == ":"), None)
    if body is None or colon is None or not body.named_children:
        raise NothingToInsert(f"{definition.name} has no body yet, so there is no place for a docstring")
    first = body.named_children[0]
    start = code.offset(first.start_byte)
    if first.start_point.row == colon.start_point.row:
        raise NothingToInsert(f"the body of {definition.name} stands on the line of its header; break the line first")
    indentation, newline = code.indentation_at(start), newline_of(code.text)
    quoted = newline.join(docstring_lines(code, text, indentation))
    if (old := _python_docstring(first)) is not None:
        return TextChange(*code.range_of(old), quoted)
    line = code.text.find("\n", code.offset(colon.end_byte)) + 1
    return TextChange(line, line, f"{indentation}{quoted}{newline}" + (newline if definition.is_class else ""))


def _python_docstring(first: Any) -> Any:
    is_string = first.type == "expression_statement" and first.named_children[0].type == "string"
    return first.named_children[0] if is_string else None


def _old_comment(code: Code, definition: Definition) -> tuple[int, int]:
    """The range, whole lines, of the documentation that stands before the definition; empty at the place of a new one.

    Lines such as `//go:build` are orders to tools and stay; so does a block that is no documentation.
    """
    text = code.text
    line = text.rfind("\n", 0, definition.outer_start) + 1
    start, form = line, code.form
    if form.doc == "block":
        before, opening = text[:line].rstrip(), text.rfind("/*", 0, line)
        if before.endswith("*/") and text.startswith("/**", opening) and text.count("\n", len(before), line) == 1:
            start = text.rfind("\n", 0, opening) + 1
        return start, line
    # Orders to tools stay where they are, between documentation and function.
    while (above := _line_before(text, line, lambda found: _ORDER.match(found) is not None)) is not None:
        line = above
    start, prefix = line, form.doc_prefix
    while (
        above := _line_before(text, start, lambda found: found.startswith(prefix) and not _ORDER.match(found))
    ) is not None:
        start = above
    return start, line


def _line_before(text: str, line_start: int, is_meant: Callable[[str], bool]) -> int | None:
    """Where the line before starts, if it is what is meant."""
    start = text.rfind("\n", 0, max(0, line_start - 1)) + 1
    found = text[start:line_start].strip()
    return start if start < line_start and is_meant(found) else None


def _without_docs(code: Code, definition: Definition) -> str:
    """The definition as it is shown to the model: with its class's name, without its documentation.

    What is there would be copied, and somebody who asks wants another.
    """
    start, end = definition.outer_start, definition.end
    body = definition.node.child_by_field_name("body")
    if code.form.doc == "docstring" and body is not None and body.named_children:
        docstring = _python_docstring(body.named_children[0])
        if docstring is not None and len(body.named_children) > 1:
            first, last = code.range_of(docstring)
            shown = code.text[start:first].rstrip() + code.text[last:end]
            return _headed(code, definition, start, shown)
    return _headed(code, definition, start, code.text[start:end])


def _headed(code: Code, definition: Definition, start: int, shown: str) -> str:
    shown = textwrap.dedent(code.indentation_at(start) + shown)
    return f"class {definition.class_name}: ...\n\n{shown}" if definition.class_name else shown
