"""What a file is for, told by its path."""

from __future__ import annotations

import re

__all__ = ["is_debugger_path", "is_prose_path", "is_test_path"]

_TEST = re.compile(
    r"(?:^|/)(?:(?:[\w.-]*[_-])?tests?(?:[_-]?(?:data|suite))?|_?test_?data|testing|specs?|__tests__|__mocks__|fixtures|e2e)/"
    r"|(?:^|/)(?:test_[^/]*|conftest\.py|[^/]*(?:_test|_spec|\.test|\.spec|Tests?)\.\w+)$"
)
_PROSE = re.compile(
    r"(?:^|/)docs?(?:[_-]\w+)?/|\.(?:md|mdx|markdown|rst|adoc|txt)$|(?:^|/)(?:i18n|l10n|locales?|lang|translations?)/|(?:^|/)(?:README|CHANGELOG|CHANGES)[^/]*$"
)
_DEBUGGER = re.compile(
    r"(?:^|[/_.-])(?:i?pdb|bdb|pudb|debug|debugger|debugging|byebug|pry|breakpoints?)(?=[/_.-]|\d|$)"
)


def is_test_path(path: str) -> bool:
    """Whether the file is a test, or data of one."""
    return _TEST.search(path) is not None


def is_debugger_path(path: str) -> bool:
    """Whether the file is part of a debugger or of its tests, where breakpoints are the subject."""
    return _DEBUGGER.search(path) is not None


def is_prose_path(path: str) -> bool:
    """Whether the file is written for readers, and what code it holds is an example."""
    return _PROSE.search(path) is not None
