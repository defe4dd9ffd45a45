"""DSA004: a file that parsed before the change and does not any more.

A grammar alone is not believed: in Python, JSON and TOML the language's own parser must agree, which settles also files
that are new. Elsewhere the grammar must have read the file before, and only grammars count that were measured to read
what people commit. Templates are in no language.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.passes.paths import is_test_path
from dsassist.review.passes.subject import Subject
from dsassist.syntax.parsing import count_errors, parse

if TYPE_CHECKING:
    from tree_sitter import Node

__all__ = ["find_syntax_errors"]

_TRUSTED = ("javascript", "typescript", "tsx", "go", "rust")
_TEMPLATE = re.compile(r"\{%[-+]?\s*(?:if|for|else|elif|end\w+|block|set|raw|macro|include|extends|import)\b|<%[=-]?\s")
_TEMPLATE_PATH = re.compile(
    r"\{\{|\}\}|cookiecutter|(?:^|/)(?:templates?|skeletons?|scaffold\w*)/|\.(?:j2|jinja2?|tmpl|tpl)(?:\.|$)"
)
_IN_TEMPLATE_ONLY = re.compile(r"\{\{[-~]?\s*[\w.]+(?:\s*\|[^{}\n]*)?\s*[-~]?\}\}")
_BAD_PATH = re.compile(r"(?i)bad|invalid|broken|malformed|error|wrong|syntax|corrupt|fail")
_MAGIC = re.compile(r"^[ \t]*(?:%%?\w|!\w)", re.MULTILINE)  # a notebook's, which is not Python
# JSON with comments and trailing commas, by the name.
_LOOSE_JSON = re.compile(
    r"(?:^|/)(?:[jt]sconfig[^/]*\.json|\.vscode/|\.devcontainer|\.eslintrc|\.babelrc|\.swcrc)|\.(?:jsonc|webmanifest)$"
)
# What no version of Python will allow; of the rest a newer one than ours might.
_WRONG_EVER = re.compile(
    r"outside function$|outside loop|not properly in loop|duplicate argument|nonlocal|global declaration"
)
_AWAIT = re.compile(r"await|async")


class _Error(NamedTuple):
    """What is wrong; where, where that is known: line and column from 1."""

    message: str
    line: int | None = None
    column: int = 1


def find_syntax_errors(subject: Subject) -> Iterator[Finding]:
    """The first syntax error of a file that the change broke."""
    file = subject.file
    text, language = file.source.text, file.language or ""
    if not file.lines or _TEMPLATE_PATH.search(file.path) or _TEMPLATE.search(text) or _is_wrong_on_purpose(file):
        return
    error = _error(subject, language)
    if error is None or (language != "python" and _IN_TEMPLATE_ONLY.search(text)):
        return
    if file.old is not None:
        message, evidence = f"syntax error: {error.message}", "the file parsed before this change"
    else:
        message, evidence = f"syntax error: {error.message}", ""
    yield subject.finding("syntax-error", "error", _place(subject, error), message, evidence)


def _is_wrong_on_purpose(file: ChangedFile) -> bool:
    """Whether it is new data of a test: by its name to be refused, or no program at all."""
    is_of_test = file.old is None and is_test_path(file.path)
    return is_of_test and (file.language in ("json", "toml") or _BAD_PATH.search(file.path) is not None)


def _error(subject: Subject, language: str) -> _Error | None:
    file = subject.file
    if (check := _OWN_PARSERS.get(language)) is not None:
        if language == "json" and _LOOSE_JSON.search(file.path):
            return None
        error = check(subject, file.source.text)
        return error if error is not None and (file.old is None or _parses(language, file.old)) else None
    if language not in _TRUSTED or file.old is None or not count_errors(subject.tree):
        return None
    return None if count_errors(parse(language, file.old)) else _error_in_tree(subject)


def _parses(language: str, text: str) -> bool:
    """Whether the language's own parser takes a text."""
    try:
        if language == "python":
            _compile(text)
        elif language == "json":
            json.loads(text)
        else:
            _toml().loads(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return False
    return True


def _python_error(subject: Subject, text: str) -> _Error | None:
    if _MAGIC.search(text):
        return None
    try:
        _compile(text)
    except SyntaxError as error:
        told = error.msg or "invalid syntax"
        # A newer Python than this one may have written it, which the grammar may know.
        if _is_wrong_ever(error, told, text) or count_errors(subject.tree):
            return _Error(told, error.lineno, error.offset or 1)
    except (ValueError, RecursionError, MemoryError):  # nothing is known: too deep, or a NUL
        return None
    return None


def _is_wrong_ever(error: SyntaxError, told: str, text: str) -> bool:
    if isinstance(error, IndentationError):
        return True
    if not _WRONG_EVER.search(told) or _AWAIT.search(told):
        return False
    try:
        _compile(text, ast.PyCF_ONLY_AST)
    except SyntaxError:
        return False
    return True


def _compile(text: str, flags: int = 0) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compile(text, "<reviewed>", "exec", flags, dont_inherit=True)


def _json_error(subject: Subject, text: str) -> _Error | None:
    if not count_errors(subject.tree):  # the grammar takes comments, as many readers do
        return None
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        return _Error(error.msg[:1].lower() + error.msg[1:], error.lineno, error.colno)
    except RecursionError:
        return None
    return None


def _toml_error(_subject: Subject, text: str) -> _Error | None:
    try:
        _toml().loads(text)
    except ValueError as error:
        found = re.search(r"^(.*?) \(at line (\d+), column (\d+)\)$", str(error))
        if found is None:
            return _Error(str(error)[:1].lower() + str(error)[1:])
        return _Error(found[1][:1].lower() + found[1][1:], int(found[2]), int(found[3]))
    return None


def _toml() -> Any:
    return import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")


_OWN_PARSERS: dict[str, Callable[[Subject, str], _Error | None]] = {
    "python": _python_error,
    "json": _json_error,
    "toml": _toml_error,
}


def _error_in_tree(subject: Subject) -> _Error:
    """The first error on a changed line, else the first one."""
    assert subject.tree is not None, "it has errors"
    errors = list(_error_nodes(subject.tree.root_node))
    lines = subject.file.lines
    node = next((each for each in errors if each.start_point.row + 1 in lines), errors[0])
    line, column = subject.file.source.position(subject.file.source.offset(node.start_byte))
    return _Error(f"`{node.type}` is missing" if node.is_missing else "this cannot be read", line, column)


def _error_nodes(root: Node) -> Iterator[Node]:
    pending = [root]
    while pending:
        node = pending.pop()
        if node.is_error or node.is_missing:
            yield node
        if node.has_error:
            pending.extend(reversed(node.children))


def _place(subject: Subject, error: _Error) -> tuple[int, int]:
    """From the error to its line's end; the first changed line where nothing is known, or it is behind the text."""
    source = subject.file.source
    last_line = source.text.count("\n") + 1
    line = min(subject.file.lines) if error.line is None else error.line
    line = min(max(line, 1), last_line)
    content = source.line_text(line)
    column = min(max(error.column, 1), len(content) + 1)
    start = source.line_start(line)
    return start + column - 1, start + max(column - 1, len(content.rstrip()))
