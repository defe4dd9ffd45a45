"""Comments by which a person says that a finding is known and meant to be so.

total = width * width  # dsassist: ignore[DSA101]
# dsassist: ignore            (all codes, for the statement below)
# dsassist: ignore-file[DSA003]     (in the first lines of a file)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from dsassist.review.findings import Finding
from dsassist.review.rules import RULES
from dsassist.review.statement import Statements

__all__ = ["Suppressions", "ignore_comment"]

_WORD = "dsassist:"
_DIRECTIVE = re.compile(r"dsassist:[ \t]*ignore(?P<file>-file)?(?:\[(?P<codes>[^\]\n]*)\])?(?![\w-])")
_LEADER = re.compile(r"#|//|--|/\*|<!--|;|%|(?:^|\s)[\"'](?=\s)")
_FIRST_LINES = 10
_KNOWN = frozenset(rule.code for rule in RULES)

_HASH = ["python", "ruby", "bash", "toml", "yaml", "hcl"]
_SLASHES = [
    "javascript",
    "typescript",
    "tsx",
    "go",
    "rust",
    "java",
    "c",
    "cpp",
    "php",
    "c_sharp",
    "kotlin",
    "swift",
    "scala",
    "zig",
]
_FORMS = {
    **dict.fromkeys(_HASH, "# {}"),
    **dict.fromkeys(_SLASHES, "// {}"),
    "lua": "-- {}",
    "html": "<!-- {} -->",
    "css": "/* {} */",
}


@dataclass(frozen=True)
class _Directive:
    """`codes` are None for all; `line` is the one that it speaks of, None for the whole file."""

    line: int | None
    codes: frozenset[str] | None

    def names(self, code: str) -> bool:
        return self.codes is None or code in self.codes


class Suppressions:
    """What the comments of one file say."""

    def __init__(self, text: str, statements: Statements) -> None:
        self._statements = statements
        self._directives = list(_directives(text, statements)) if _WORD in text else []

    @property
    def unknown_codes(self) -> list[str]:
        """Codes that stand in a comment and that no rule has."""
        named = {code for directive in self._directives for code in directive.codes or ()}
        return sorted(named - _KNOWN)

    def covers(self, finding: Finding) -> bool:
        """Whether a comment stands for the finding: on one of its lines, on its statement's first or last, or above.

        Of a statement with blocks the last line is the last one before them.
        """
        if not self._directives:
            return False
        lines = set(range(finding.line, finding.end_line + 1))
        if (statement := self._statements.at(finding.line, finding.column)) is not None:
            lines |= {statement.first_line, statement.last_line}
        return any(
            directive.names(finding.code) and (directive.line is None or directive.line in lines)
            for directive in self._directives
        )


def ignore_comment(code: str, language: str | None) -> str | None:
    """The comment that ignores a code in a language; None where it is not known how one is written."""
    form = _FORMS.get(language or "")
    return None if form is None else form.format(f"dsassist: ignore[{code}]")


def _directives(text: str, statements: Statements) -> Iterator[_Directive]:
    lines = text.split("\n")
    for first, last, comment in _comments(lines, statements):
        for found in _DIRECTIVE.finditer(comment):
            codes = found["codes"]
            named = (
                None if codes is None else frozenset(code.strip().upper() for code in codes.split(",") if code.strip())
            )
            if not found["file"]:
                yield _Directive(_line_spoken_of(lines, first, last, comment), named)
            elif first <= _FIRST_LINES:
                yield _Directive(None, named)


def _comments(lines: list[str], statements: Statements) -> Iterable[tuple[int, int, str]]:
    """First line, last line and text of the comments; without a grammar, of what looks like one to its line's end."""
    known = statements.comments()
    if known is not None:
        return known
    return [
        (number, number, line[leader.start() :].strip())
        for number, line in enumerate(lines, 1)
        if _WORD in line and (leader := _LEADER.search(line)) is not None and leader.start() < line.index(_WORD)
    ]


def _line_spoken_of(lines: list[str], first: int, last: int, comment: str) -> int:
    """The comment's own line, or where it has that for itself the next line with code in it."""
    if lines[first - 1].replace(comment.split("\n", maxsplit=1)[0].rstrip("\r"), "", 1).strip():
        return first
    below = last + 1
    while below <= len(lines) and (not lines[below - 1].strip() or _is_only_comment(lines[below - 1])):
        below += 1
    return below


def _is_only_comment(line: str) -> bool:
    return re.match(r"\s*(?:#(?![\w!])|//|--\s|/\*|\*|<!--)", line) is not None
