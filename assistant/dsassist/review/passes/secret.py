"""DSA001: a key, a token or a password that a changed line holds. It is never printed.

What a prompt must not hold is decided by `dsassist.secrets`; an error that stops a commit asks for more certainty, so
passwords are left alone where they are examples: in tests, documents, comments and docstrings, as one of a list of
words, and for a server on the same machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from dsassist.review.findings import Finding
from dsassist.review.passes.paths import is_prose_path, is_test_path
from dsassist.review.passes.subject import Subject
from dsassist.review.statement import is_comment

if TYPE_CHECKING:
    from dsassist.secrets import SecretSpan

__all__ = ["find_secrets"]

_LIST_ITEM = re.compile(r",\s{0,8}[rbuf@]{0,2}[\"'`]$")
_PRIVATE_KEY = "PRIVATE KEY"
_OWN_MACHINE = re.compile(r"@(?:127\.|0\.0\.0\.0|(?![\w-]*\.)[\w-]+)")  # also a container beside it


def find_secrets(subject: Subject) -> Iterator[Finding]:
    """The secrets on changed lines."""
    source = subject.file.source
    for span in subject.secrets:
        lines = range(source.position(span.start)[0], source.position(span.end)[0] + 1)
        if subject.file.lines.isdisjoint(lines) or _is_example(subject, span):
            continue
        yield subject.finding(
            "secret",
            "error",
            (span.start, span.end),
            "a key, token or password is about to be committed",
            "read it from the environment; replace it where it was pushed",
        )


def _is_example(subject: Subject, span: SecretSpan) -> bool:
    path, text = subject.file.path, subject.file.source.text
    before = text[max(0, span.start - 40) : span.start]
    if span.is_issued:
        return _PRIVATE_KEY in before and is_test_path(path)  # certificates of a test server are made for it
    return (
        not text[span.start : span.end].isascii()  # a word of another language
        or is_test_path(path)
        or is_prose_path(path)
        or _LIST_ITEM.search(before) is not None
        or _OWN_MACHINE.match(text, span.end) is not None
        or _is_in_prose(subject, span)
    )


def _is_in_prose(subject: Subject, span: SecretSpan) -> bool:
    """Whether it stands in a comment or in a string that is a statement, as docstrings are."""
    if subject.tree is None:
        return False
    at = subject.file.source.byte(span.start)
    node = subject.tree.root_node.descendant_for_byte_range(at, at + 1)
    while node is not None:
        if is_comment(node):
            return True
        if node.type == "string":
            return node.parent is not None and node.parent.type == "expression_statement"
        node = node.parent
    return False
