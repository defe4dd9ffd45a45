"""What Python's own parser says of the code around a cursor, where the grammar of tree-sitter is too lenient."""

from __future__ import annotations

import ast
import re
import warnings
from threading import Lock

__all__ = ["PythonBlock"]

_BLOCK_LINES = 150  # that the parser is asked about, in either direction
_DEFINITION = re.compile(r"[ \t]*(?:async[ \t]+)?def\b|[ \t]*class\b")
_TOP_LEVEL = re.compile(r"[^\s#)\]}]")
_CONTINUED = re.compile(r"(?:else|elif|except|finally)\b|[)\]}#]")

_COMPILED = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # as notebooks have it
_WARNINGS = Lock()


class PythonBlock:
    """The innermost function or statement around the cursor, as Python's own parser sees it.

    The grammar of tree-sitter is lenient where Python is not: on indentation above all, and on arguments given twice.
    What did not parse before, with or without the line that is being written, is not judged; nor is what a newer Python
    than ours would read.
    """

    def __init__(self, text: str, offset: int) -> None:
        line = text.rfind("\n", 0, offset) + 1
        line_end = text.find("\n", offset)
        line_end = len(text) if line_end < 0 else line_end
        indent = _indent(text[line:line_end] if text[line:line_end].strip() else text[line:offset])
        self._start = _block_start(text, line, indent)
        self._end_lines = _lines_of_block(text, self._start, line_end)
        before, after = text[self._start : line], self._rest(text[line_end:])
        blanks = text[line : line + indent]
        as_it_is, without_line = before + text[line:line_end] + after, before + blanks + "pass" + after
        for flags in (_COMPILED, ast.PyCF_ONLY_AST):  # a block by itself may parse and yet not compile
            self._flags = flags
            self._parsed = _parses(as_it_is, flags)
            self._is_judge = self._parsed or _parses(without_line, flags)
            if self._is_judge:
                break

    def admits(self, before: str, after: str) -> bool:
        """Does the block parse in the document `before + after`?"""
        return not self._is_judge or _parses(before[self._start :] + self._rest(after), self._flags)

    def admits_head(self, before: str, after: str) -> bool:
        """Would it, if the line that `before` ends with had its body, or the function that it decorates?

        Only where the beginning of that line did not parse either.
        """
        if self._parsed:
            return False
        head = before[self._start :]
        last = head[head.rfind("\n") + 1 :]
        blanks = last[: _indent(last)]
        body = f"{blanks}def _(): pass" if last.lstrip().startswith("@") else f"{blanks} pass"
        return _parses(f"{head}\n{body}{self._rest(after)}", self._flags)

    def _rest(self, text: str) -> str:
        """Of the text behind the cursor's line, or its end, that which belongs to the block."""
        end = 0
        for _ in range(self._end_lines + 1):
            end = text.find("\n", end) + 1
            if not end:
                return text
        return text[: end - 1]


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" \t"))


def _block_start(text: str, line: int, indent: int) -> int:
    """Where the innermost definition around a line that is indented by so much begins, or its top-level statement."""
    start = line
    for _ in range(_BLOCK_LINES):
        if start == 0:
            break
        here = text[start : text.find("\n", start) + 1 or len(text)]
        if start < line and here.strip():
            if _DEFINITION.match(here) and _indent(here) < indent:
                break
            if _TOP_LEVEL.match(here) and not _CONTINUED.match(here):
                break
        elif start == line and not indent and _TOP_LEVEL.match(here) and not _CONTINUED.match(here):
            break
        start = text.rfind("\n", 0, start - 1) + 1
    return start


def _lines_of_block(text: str, start: int, line_end: int) -> int:
    """How many lines behind `line_end` belong to the block that begins at `start`."""
    indent = _indent(text[start:line_end])
    count, kept, at = 0, 0, line_end
    decorated = text[start:line_end].lstrip().startswith("@")
    while at < len(text) and count < _BLOCK_LINES:
        end = text.find("\n", at + 1)
        end = len(text) if end < 0 else end
        here = text[at + 1 : end]
        count += 1
        if here.strip():
            if _indent(here) <= indent and not _CONTINUED.match(here.lstrip()):
                if not decorated:
                    break
                decorated = here.lstrip().startswith("@")
            kept = count
        at = end
    return kept


def _parses(text: str, flags: int) -> bool:
    """Does Python compile `text`, which may be indented as a whole? With `PyCF_ONLY_AST` it is only parsed.

    The compiler knows more syntax errors than the parser: an argument given twice, a `break` outside a loop.
    """
    source = f"if 1:\n{text}\n" if text[:1] in (" ", "\t") else text
    if "nonlocal" in source:  # whose name the function around the block has
        flags = ast.PyCF_ONLY_AST
    try:
        # A file's doubtful escapes are its own business; the filters are the process's, so one at a time.
        with _WARNINGS, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compile(source, "<block>", "exec", flags, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
