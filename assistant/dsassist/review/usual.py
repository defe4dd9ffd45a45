"""Findings by likelihood in statements that the repository has in the same words elsewhere: what is done more than once
is no slip.

`likelihood.familiar` knows the statements of the file itself, before anything is asked. The rest of the repository is
searched for what was found only, which is little. Lines that are under review say nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.likelihood.familiar import LEAST_TOKENS
from dsassist.review.statement import Statements
from dsassist.review.unfinished.tree import Tree
from dsassist.syntax.languages import language_of

__all__ = ["unusual"]

_MOST_FILES = 50
"""With the line of a finding in them; they are read in the order of their paths."""


class _Words(NamedTuple):
    """A statement wherever it stands; `line` is the text of its first one."""

    language: str | None
    line: str
    tokens: tuple[str, ...]


def unusual(findings: Sequence[Finding], files: Sequence[ChangedFile], tree: Tree) -> list[Finding]:
    """The findings, but for those by likelihood whose statement also stands in `tree`, or unchanged in `files`.

    `files` take the place of what the tree has under their paths. Raises what the tree raises.
    """
    by_path = {file.path: file for file in files}
    doubted = {
        number: words
        for number, finding in enumerate(findings)
        if finding.evidence_nats is not None
        and finding.path in by_path
        and (words := _words(by_path[finding.path], finding)) is not None
    }
    if not doubted:
        return list(findings)
    usual = set(_written(frozenset(words.line for words in doubted.values()), by_path, tree))
    return [finding for number, finding in enumerate(findings) if doubted.get(number) not in usual]


def _words(file: ChangedFile, finding: Finding) -> _Words | None:
    """The statement of a finding, where it is long enough to say anything."""
    statements = Statements(file.language, file.source.text, file.source.tree_as(file.language))
    statement = statements.at(finding.line, finding.column)
    if statement is None or len(statement.tokens) < LEAST_TOKENS:
        return None
    return _Words(file.language, file.source.line_text(statement.first_line).strip(), statement.tokens)


def _written(lines: Collection[str], by_path: Mapping[str, ChangedFile], tree: Tree) -> Iterator[_Words]:
    """The statements that begin with one of the lines and are not under review."""
    for file in by_path.values():
        yield from _in_text(lines, file.language, file.source.text, file.lines)
    paths = sorted(path for path in tree.paths_with(lines) if path not in by_path and language_of(path))
    for path, text in tree.texts(paths[:_MOST_FILES]).items():
        yield from _in_text(lines, language_of(path), text, frozenset())


def _in_text(
    lines: Collection[str], language: str | None, text: str, under_review: Collection[int]
) -> Iterator[_Words]:
    statements = None
    for number, line in enumerate(text.split("\n"), 1):
        if number in under_review or line.strip() not in lines:
            continue
        statements = statements or Statements(language, text)
        found = statements.at(number, len(line) - len(line.lstrip()) + 1)
        if found is not None and found.first_line == number:
            yield _Words(language, line.strip(), found.tokens)
