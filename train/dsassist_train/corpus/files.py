"""Which files of a project are taken, and as what text: code that people wrote, without secrets.

What the workspace's index and the benches leave out is left out here too; what is asked here on top is what a model
would learn badly from: data, long lines, files that do not parse, and files under a licence of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from string import ascii_letters

from dsassist.bench.handwritten import is_generated, is_named_like_code, parses
from dsassist.index.files import content_refusal, is_indexed_path
from dsassist.secrets import secret_spans, without_secrets
from dsassist.syntax.languages import language_of
from dsassist.syntax.parsing import count_errors, encode, parse_bytes
from dsassist_train.corpus.licences import UNKNOWN, is_permissive, stated_in_file

__all__ = ["LeftOut", "SourceText", "read_source_text"]

_LEAST_CHARACTERS = 200
_LIMIT_BYTES = 200_000
_LONGEST_LINE = 300
_LINES_PER_ERROR = 50  # what a grammar may not understand, where macros are no syntax
_LEAST_LETTERS = 0.45  # of all that is no blank
_LINES_OF_DATA = 0.5
_VENDORED = re.compile(r"(^|/)(_?vendor(ed)?|_vendored_\w+|extern(al|als)?|third[_-]?party|thirdparty|deps|bundled)/")
_FIXTURES = re.compile(
    r"(^|/)(fixtures?|test_?data|snapshots?|golden|cassettes|corpus|bad_?syntax|lib2to3/tests/data)/"
)
_DATA_LINE = re.compile(r"^[\s\d.,;:+\-*/()\[\]{}'\"\\xa-fA-FeELlUuj]*$")
_LETTERS = (ascii_letters + "_").encode()
_MACROS = ("c", "cpp")


@dataclass(frozen=True)
class SourceText:
    """A file that is taken. Its lines end at LF; `n_secrets` of it were replaced."""

    project: str
    path: str
    language: str
    text: str
    n_secrets: int = 0


@dataclass(frozen=True)
class LeftOut:
    """A file that is not taken, and why in a word or two."""

    reason: str


def read_source_text(project: str, root: Path, path: str, *, any_licence: bool = False) -> SourceText | LeftOut:
    """Read a file and decide; nothing of what is decided depends on other files."""
    if (reason := _refused_by_name(path)) != "":
        return LeftOut(reason)
    try:
        data = (root / path).read_bytes() if not (root / path).is_symlink() else b""
    except OSError:
        return LeftOut("unreadable")
    if len(data) > _LIMIT_BYTES:
        return LeftOut("large")
    if refusal := content_refusal(path, data):
        return LeftOut(refusal)
    try:
        text = data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        return LeftOut("not UTF-8")
    language = language_of(path)
    assert language is not None, path
    if reason := _refused_by_text(language, text, any_licence=any_licence):
        return LeftOut(reason)
    n_secrets = len(secret_spans(text))
    return SourceText(project, path, language, without_secrets(text) if n_secrets else text, n_secrets)


def _refused_by_name(path: str) -> str:
    if _VENDORED.search(path):
        return "vendored"
    if _FIXTURES.search(path):
        return "fixture"
    if language_of(path) is None:
        return "no code"
    if not is_indexed_path(path) or not is_named_like_code(path):
        return "generated, vendored or data by its name"
    return ""


def _refused_by_text(language: str, text: str, *, any_licence: bool) -> str:
    if len(text.strip()) < _LEAST_CHARACTERS:
        return "short"
    if is_generated(text):
        return "generated"
    lines = text.split("\n")
    if max(map(len, lines)) > _LONGEST_LINE:
        return "long lines"
    if _is_data(text, lines):
        return "data"
    stated = stated_in_file(text)
    if stated != UNKNOWN and not any_licence and not is_permissive(stated):
        return "a licence of its own"
    return "" if _is_code(language, text, len(lines)) else "does not parse"


def _is_data(text: str, lines: list[str]) -> bool:
    """Tables, hexadecimal or base64 texts and the like, though written as code."""
    shown = encode(text).translate(None, b" \n\t")
    n_letters = len(shown) - len(shown.translate(None, _LETTERS))
    if n_letters < _LEAST_LETTERS * len(shown) and text.isascii():
        return True
    full = [line for line in lines if line.strip()]
    n_data = sum(_DATA_LINE.match(line) is not None and any(map(str.isdigit, line)) for line in full)
    return n_data > _LINES_OF_DATA * len(full)


def _is_code(language: str, text: str, n_lines: int) -> bool:
    if language not in _MACROS:
        return parses(language, text)
    tree = parse_bytes(language, encode(text))
    return tree is not None and count_errors(tree) <= n_lines // _LINES_PER_ERROR
