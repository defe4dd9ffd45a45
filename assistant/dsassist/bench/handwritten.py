"""Which files a person wrote: not generated, vendored or minified ones, and none that does not parse."""

from __future__ import annotations

import re
import warnings
from pathlib import PurePosixPath

from dsassist.syntax.languages import language_of
from dsassist.syntax.parsing import encode, parse_bytes

__all__ = ["is_generated", "is_named_like_code", "parses"]

_DATA = ("json", "yaml", "toml", "html", "css", "hcl")
_FOREIGN_FOLDERS = {"vendor", "vendored", "third_party", "third-party", "node_modules", "site-packages", ".venv"}
_MADE_FOLDERS = {
    "dist",
    "build",
    "generated",
    "gen",
    "__generated__",
    "__snapshots__",
    "snapshots",
    "testdata",
    "fixtures",
}
_GENERATED_NAME = re.compile(r"(_pb2(_grpc)?\.pyi?|\.pb\.go|_generated\.\w+|\.gen\.\w+|\.min\.js|\.d\.ts|_string\.go)$")
_GENERATED_MARK = re.compile(r"@generated|do not edit|code generated|auto-?generated", re.IGNORECASE)
_MARK_WITHIN = 600  # characters at the start of a file


def is_named_like_code(path: str) -> bool:
    """Does the path speak for hand-written code in a programming language?"""
    language = language_of(path)
    if language is None or language in _DATA:
        return False
    return not (
        (_FOREIGN_FOLDERS | _MADE_FOLDERS) & set(PurePosixPath(path).parts[:-1])
    ) and not _GENERATED_NAME.search(path)


def is_generated(text: str) -> bool:
    """Does a file say of itself that a program wrote it?"""
    return _GENERATED_MARK.search(text[:_MARK_WITHIN]) is not None


def parses(language: str, text: str) -> bool:
    """Has the whole file no syntax error? By Python's own compiler for Python, else by the language's grammar."""
    if language == "python":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            try:
                compile(text, "<file>", "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                return False
        return True
    tree = parse_bytes(language, encode(text))
    return tree is not None and not tree.root_node.has_error
