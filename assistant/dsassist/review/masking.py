"""Secrets of a changed file, taken out before anything but their own pass reads it.

Its characters become `*`, so that all places stay true: what is asked of a model, reported and kept holds none. Quotes
and escapes stay, for a key may be written as a string on each line, and the text is to parse as before.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from dsassist.review.changes import ChangedFile
from dsassist.review.findings import Finding
from dsassist.review.source import Source
from dsassist.secrets import SecretSpan, secret_spans

__all__ = ["mask", "masked_file", "without_secret_fix"]

_CHARACTER = re.compile(r"(?<!\\)[^\s\"'`\\]")


def masked_file(file: ChangedFile) -> tuple[ChangedFile, list[SecretSpan]]:
    """The file without its secrets, and where they stood in its text; the file itself where there are none."""
    spans = secret_spans(file.source.text)
    old = None if file.old is None else mask(file.old)
    if not spans:
        return (file if old == file.old else replace(file, old=old)), spans
    return replace(file, source=Source(mask(file.source.text, spans), file.source.language), old=old), spans


def mask(text: str, spans: Sequence[SecretSpan] | None = None) -> str:
    """The text with its secrets, which stand at `spans` where that is known, as asterisks."""
    kept, end = [], 0
    for span in secret_spans(text) if spans is None else spans:
        kept += [text[end : span.start], _CHARACTER.sub("*", text[span.start : span.end])]
        end = span.end
    return "".join([*kept, text[end:]])


def without_secret_fix(finding: Finding, source: Source, spans: Sequence[SecretSpan]) -> Finding:
    """The finding, without a fix on a line that holds a secret: it would write asterisks, or show the line."""
    lines = {line for part in finding.fix for line in range(part.line, part.end_line + 1)}
    for span in spans if lines else ():
        if not lines.isdisjoint(range(source.position(span.start)[0], source.position(span.end)[0] + 1)):
            return replace(finding, fix=())
    return finding
