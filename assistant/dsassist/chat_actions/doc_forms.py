"""The forms of documentation: docstrings in three styles, JSDoc, Javadoc and Doxygen, XML, and plain lines.

What is said comes from elsewhere; here it gets its quotes, its tags and its line breaks.
"""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

from dsassist.chat_actions.code import Code, Definition

__all__ = ["Documentation", "comment_lines", "docstring_lines", "file_width", "python_style"]


@dataclass(frozen=True)
class Documentation:
    """What the model wrote, cleaned."""

    summary: str
    parameters: tuple[tuple[str, str], ...] = ()
    returns: str = ""


def docstring_lines(code: Code, text: Documentation, indentation: str) -> list[str]:
    """The lines of a docstring, with quotes; the first is not indented."""
    width = file_width(code) - len(indentation)
    lines = textwrap.wrap(text.summary, width - 6)
    sections = _python_sections(text, python_style(code), width)
    if sections:
        lines += ["", *sections]
    lines = [line.replace("\\", "\\\\").replace('"""', "'''") for line in lines]
    if len(lines) == 1:
        return [f'"""{lines[0]}"""']
    quoted = [f'"""{lines[0]}', *lines[1:], '"""']
    return [quoted[0], *(f"{indentation}{line}".rstrip() for line in quoted[1:])]


def python_style(code: Code) -> str:
    """How the file's docstrings name parameters; Google's way where it has no docstring at all."""
    if re.search(r"^[ \t]*(?:Parameters|Returns)\r?\n[ \t]*-{4,}", code.text, re.MULTILINE):
        return "numpy"
    if re.search(r"^[ \t]*:(?:param|returns?)\b", code.text, re.MULTILINE):
        return "sphinx"
    if re.search(r"^[ \t]*(?:Args|Returns):[ \t]*\r?$", code.text, re.MULTILINE):
        return "google"
    documented = re.search(r'(?:def|class)\b[^\n]*:\r?\n[ \t]*[rR]?"""', code.text)
    return "sentence" if documented else "google"


def _python_sections(text: Documentation, style: str, width: int) -> list[str]:
    lines: list[str] = []
    if style == "sphinx":
        entries = [f":param {name}: {words}" for name, words in text.parameters]
        entries += [f":return: {text.returns}"] if text.returns else []
        return [line for entry in entries for line in textwrap.wrap(entry, width, subsequent_indent="    ")]
    if style == "numpy":
        if text.parameters:
            lines += ["Parameters", "----------"]
            lines += [line for name, words in text.parameters for line in (name, *_indented(words, width))]
        if text.returns:
            lines += [*([""] if lines else []), "Returns", "-------", *_indented(text.returns, width)]
        return lines
    if style == "google":
        if text.parameters:
            entries = [line for name, words in text.parameters for line in _indented(f"{name}: {words}", width)]
            lines += ["Args:", *entries]
        if text.returns:
            lines += [*([""] if lines else []), "Returns:", *_indented(text.returns, width)]
    return lines


def _indented(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, initial_indent="    ", subsequent_indent="        ")


def comment_lines(code: Code, definition: Definition, text: Documentation, width: int) -> list[str]:
    """The lines of a comment that stands before the definition, not indented."""
    form, summary = code.form, text.summary.replace("*/", "* /")
    if code.language == "go":  # its tools expect the name first
        verb, _, rest = summary.partition(" ")
        if verb.lower() != definition.name.lower():
            summary = f"{definition.name} {_third_person(verb)} {rest}"
    if form.doc == "lines":
        lines = [f"<summary>{summary}</summary>"] if form.tags == "xml" else [summary]
        if form.tags == "xml":
            lines += [f'<param name="{name}">{words}</param>' for name, words in text.parameters]
            lines += [f"<returns>{text.returns}</returns>"] if text.returns else []
        prefix = f"{form.doc_prefix} "
        return [f"{prefix}{part}" for line in lines for part in textwrap.wrap(line, width - len(prefix))]
    tags = [f"@param {name} {words}" for name, words in text.parameters]
    if text.returns:
        tags.append(f"{'@returns' if form.tags == 'jsdoc' else '@return'} {text.returns}")
    if not tags and len(summary) + 7 <= width:
        return [f"/** {summary} */"]
    body = [*textwrap.wrap(summary, width - 3), *([""] if tags else [])]
    body += [part for tag in tags for part in textwrap.wrap(tag.replace("*/", "* /"), width - 3)]
    return ["/**", *(f" * {line}" for line in body), " */"]


def _third_person(verb: str) -> str:
    """ "Return" -> "returns"; what does not look like a bare verb stays."""
    verb = verb.lower()
    if verb.endswith(("ss", "sh", "ch", "x", "z")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2:-1] not in "aeiou":
        return f"{verb[:-1]}ies"
    return verb if verb.endswith("s") else f"{verb}s"


def file_width(code: Code) -> int:
    """How wide the file's lines are: its longest, within reason."""
    return max(79, min(120, max((len(line) for line in code.text.splitlines()), default=79)))
