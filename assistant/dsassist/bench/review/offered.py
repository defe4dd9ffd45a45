"""Whether a finding offers the fix that a person made: the same text, however it is spaced and quoted."""

from __future__ import annotations

from collections.abc import Sequence

from dsassist.bench.review.fix_class import Token, tokens_of_line
from dsassist.review.findings import Finding, Replacement
from dsassist.review.source import Source

__all__ = ["applied", "offers"]


def offers(finding: Finding, before: Source, after: Source, line: int) -> bool:
    """Whether the finding's fix makes the text before to the text after, which differ in `line` alone."""
    if not finding.fix:
        return False
    fixed = applied(before, finding.fix)
    lines, wanted = fixed.text.split("\n"), after.text.split("\n")
    if lines[: line - 1] != wanted[: line - 1] or lines[line:] != wanted[line:]:
        return False
    return _normal(tokens_of_line(fixed, line)) == _normal(tokens_of_line(after, line))


def applied(source: Source, fix: Sequence[Replacement]) -> Source:
    """The text with the replacements, which are in its order and do not overlap, put in."""
    pieces, end = [], 0
    for each in fix:
        start = source.line_start(each.line) + each.column - 1
        pieces += [source.text[end:start], each.text]
        end = source.line_start(each.end_line) + each.end_column - 1
    return Source("".join([*pieces, source.text[end:]]))


def _normal(tokens: Sequence[Token]) -> list[str]:
    """The texts of the tokens, but for the kind of quotes and a comma that only ends a list."""
    texts = [
        token.text.replace("'", '"') if token.type in ("string_start", "string_end") else token.text for token in tokens
    ]
    return [
        text
        for text, following in zip(texts, [*texts[1:], ""], strict=True)
        if not (text == "," and following in (")", "]", "}"))
    ]
