"""What is wrong with changed lines whatever a model thinks of them: it is read from the text and its syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.passes.debuggers import find_debuggers
from dsassist.review.passes.merge_markers import find_merge_markers
from dsassist.review.passes.secret import find_secrets
from dsassist.review.passes.subject import Subject
from dsassist.review.passes.syntax_errors import find_syntax_errors
from dsassist.secrets import SecretSpan

__all__ = ["PASSES", "run_passes"]

PASSES: dict[str, Callable[[Subject], Iterator[Finding]]] = {
    "secret": find_secrets,
    "merge-marker": find_merge_markers,
    "debugger": find_debuggers,
    "syntax-error": find_syntax_errors,
}
"""By the family of what they find."""


def run_passes(file: ChangedFile, masked: ChangedFile, secrets: list[SecretSpan]) -> list[Finding]:
    """The findings of all passes; `masked` and `secrets` come from `masking.masked_file`.

    A merge conflict is no syntax error besides.
    """
    subject = Subject(file, masked, secrets)
    found = [finding for find in PASSES.values() for finding in find(subject)]
    is_conflict = any(finding.family == "merge-marker" for finding in found)
    return [finding for finding in found if not (is_conflict and finding.family == "syntax-error")]
