"""The name of a finding that lasts as long as its statement: for baselines, and for servers that compare reports.

It is a hash of the code, the path, the definition around it and the statement's tokens; line numbers, blanks and
comments do not count. So edits elsewhere leave it alone, and an edit of the statement takes it away.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from dsassist.review.findings import Finding
from dsassist.review.statement import Statement, Statements

__all__ = ["with_fingerprints"]

_DIGITS = 16
_OF_BROKEN_TEXT = ("merge-marker", "syntax-error")
"""Where these are found, the syntax tree is no ground to stand on: the line is."""


def with_fingerprints(findings: Iterable[Finding], statements: Statements) -> list[Finding]:
    """The findings of one file, each with its fingerprint; what a statement has more than one of is numbered."""
    seen: Counter[str] = Counter()
    found = []
    for finding in sorted(findings, key=lambda each: (each.line, each.column, each.code, each.message)):
        key = _key(finding, statements)
        found.append(replace(finding, fingerprint=_hash(f"{key}\0{seen[key]}")))
        seen[key] += 1
    return found


def _key(finding: Finding, statements: Statements) -> str:
    is_broken = finding.family in _OF_BROKEN_TEXT
    statement = None if is_broken else statements.at(finding.line, finding.column)
    number = 0 if statement is None else statements.number_at(finding.line, finding.column)
    if statement is None:
        statement = Statement(finding.function, (" ".join(finding.source_line.split()),), finding.line, finding.line)
    parts = (finding.code, finding.path, statement.function, *statement.tokens, str(number))
    return "\0".join(parts)


def _hash(text: str) -> str:
    # A path may hold bytes that are no UTF-8.
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
