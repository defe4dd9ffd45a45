"""A changed file as the passes look at it: with its syntax tree, made once, and a way to write a finding down."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Severity, finding_at
from dsassist.review.statement import Statements

if TYPE_CHECKING:
    from tree_sitter import Node, Tree

    from dsassist.secrets import SecretSpan

__all__ = ["Subject"]


class Subject:
    """One file and what more than one pass needs of it.

    `secrets` are spans of its text. Findings show lines of `masked`, the same file without them.
    """

    def __init__(self, file: ChangedFile, masked: ChangedFile, secrets: list[SecretSpan]) -> None:
        self.file = file
        self.masked = masked
        self.secrets = secrets

    @cached_property
    def tree(self) -> Tree | None:
        """The syntax tree, which may hold errors; None without a grammar."""
        return self.file.source.tree_as(self.file.language)

    @cached_property
    def statements(self) -> Statements:
        """The statements of the file."""
        source = self.masked.source
        return Statements(self.file.language, source.text, source.tree_as(self.file.language))

    def finding(
        self, family: str, severity: Severity, place: Node | tuple[int, int], message: str, evidence: str = ""
    ) -> Finding:
        """A finding at a node, or at a range of the text."""
        source = self.file.source
        start, end = place if isinstance(place, tuple) else source.span(place)
        statement = self.statements.at(*source.position(start))
        found = finding_at(
            self.file.path,
            source,
            (start, end),
            severity=severity,
            family=family,
            function="" if statement is None else statement.function,
            message=message,
            evidence=evidence,
            original="",  # it may be a secret
        )
        return replace(found, source_line=self.masked.source.line_text(found.line))
