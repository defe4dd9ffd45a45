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
from dsassist.review.statement import Statement, Statements
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
    silent = {file.path: set(file.lines) for file in files}
    doubted: dict[int, _Words] = {}
    for number, finding in enumerate(findings):
        file = by_path.get(finding.path)
        if finding.evidence_nats is None or file is None:
            continue
        if (statement := _statement(file, finding)) is not None:
            silent[file.path].add(statement.first_line)  # which need not be under review where a later one is
            line = file.source.line_text(statement.first_line).strip()
            doubted[number] = _Words(file.language, line, statement.tokens)
    if not doubted:
        return list(findings)
    usual = set(_written(frozenset(words.line for words in doubted.values()), files, silent, tree))
    return [finding for number, finding in enumerate(findings) if doubted.get(number) not in usual]


def _statement(file: ChangedFile, finding: Finding) -> Statement | None:
    """The statement of a finding, where it is long enough to say anything."""
    statements = Statements(file.language, file.source.text, file.source.tree_as(file.language))
    found = statements.at(finding.line, finding.column)
    return None if found is None or len(found.tokens) < LEAST_TOKENS else found


def _written(
    lines: Collection[str], files: Sequence[ChangedFile], silent: Mapping[str, Collection[int]], tree: Tree
) -> Iterator[_Words]:
    """The statements that begin with one of the lines, but not with one that says nothing."""
    for file in files:
        yield from _in_text(lines, file.language, file.source.text, silent[file.path])
    paths = sorted(path for path in tree.paths_with(lines) if path not in silent and language_of(path))
    for path, text in tree.texts(paths[:_MOST_FILES]).items():
        yield from _in_text(lines, language_of(path), text, frozenset())


def _in_text(lines: Collection[str], language: str | None, text: str, silent: Collection[int]) -> Iterator[_Words]:
    statements = None
    for number, line in enumerate(text.split("\n"), 1):
        if number in silent or line.strip() not in lines:
            continue
        statements = statements or Statements(language, text)
        found = statements.at(number, len(line) - len(line.lstrip()) + 1)
        if found is not None and found.first_line == number:
            yield _Words(language, line.strip(), found.tokens)
