"""Is a fix worth offering? Its result must parse as the file did, and a linter at hand must have nothing new to say.

A fix that fails is dropped, and the finding stays: the place is still worth a look.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding, Replacement
from dsassist.review.source import Source
from dsassist.syntax.parsing import count_errors, encode, parse, parse_edited

if TYPE_CHECKING:
    from tree_sitter import Tree

__all__ = ["FixCheck", "apply_fix", "overlaps"]

_RUFF_RULES = "E9,F"  # what will fail or is a mistake; its other rules are about taste
_RUFF_SECONDS = 10.0


def apply_fix(source: Source, fix: Sequence[Replacement]) -> str:
    """The text with the replacements made, which do not overlap."""
    text = source.text
    for start, end, written in sorted(_spans(source, fix), reverse=True):
        text = text[:start] + written + text[end:]
    return text


def overlaps(source: Source, fix: Sequence[Replacement], other: Sequence[Replacement]) -> bool:
    """Whether two fixes want the same characters; two insertions at one place do."""
    return any(
        (start < other_end and other_start < end) or start == other_start
        for start, end, _ in _spans(source, fix)
        for other_start, other_end, _ in _spans(source, other)
    )


def _spans(source: Source, fix: Sequence[Replacement]) -> list[tuple[int, int, str]]:
    return [
        (
            source.line_start(part.line) + part.column - 1,
            source.line_start(part.end_line) + part.end_column - 1,
            part.text,
        )
        for part in fix
    ]


class FixCheck:
    """The check of the fixes of one file, of which the state before is looked at once."""

    def __init__(self, file: ChangedFile) -> None:
        self._file = file

    def checked(self, finding: Finding) -> Finding:
        """The finding, without its fix where that makes the file worse."""
        if not finding.fix or self._is_good(finding.fix):
            return finding
        return replace(finding, fix=())

    def _is_good(self, fix: Sequence[Replacement]) -> bool:
        text = apply_fix(self._file.source, fix)
        if text == self._file.source.text:
            return False
        if self._file.language is None:
            return True
        if count_errors(self._tree_with(fix, text)) > self._errors:
            return False
        return self._file.language != "python" or self._messages is None or self._adds_no_message(text)

    def _tree_with(self, fix: Sequence[Replacement], text: str) -> Tree | None:
        source, language = self._file.source, self._file.language or ""
        before = source.tree_as(language)
        if before is None or self._errors or len(fix) > 1:
            return parse(language, text)
        ((start, end, written),) = _spans(source, fix)
        return parse_edited(language, before, source.data, source.byte(start), source.byte(end), encode(written))[0]

    def _adds_no_message(self, text: str) -> bool:
        assert self._messages is not None, "the state before is known"
        messages = _ruff(text, self._file.path)
        return messages is None or messages <= self._messages

    @cached_property
    def _errors(self) -> int:
        return count_errors(self._file.source.tree_as(self._file.language))

    @cached_property
    def _messages(self) -> Counter[str] | None:
        return _ruff(self._file.source.text, self._file.path)


def _ruff(text: str, path: str) -> Counter[str] | None:
    """How often ruff says what of a text; None where it is not on the PATH or cannot tell.

    Its own defaults hold, as a repository's settings may switch off the rules that are meant here.
    """
    program = shutil.which("ruff")
    if program is None:
        return None
    name = path if path.endswith((".py", ".pyi")) else "reviewed.py"
    options = ["check", "--isolated", "--no-cache", "--quiet", "--exit-zero", "--output-format=json"]
    try:
        done = subprocess.run(
            [program, *options, f"--select={_RUFF_RULES}", f"--stdin-filename={name}", "-"],
            input=text.encode("utf-8"),
            capture_output=True,
            check=True,
            timeout=_RUFF_SECONDS,
        )
        return Counter(f"{each['code']} {each['message']}" for each in json.loads(done.stdout))
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
