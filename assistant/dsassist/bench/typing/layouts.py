"""What the prompts of Tabby and of Continue cost, as token counts: their layouts on the same keystrokes.

Each edit makes a prompt; what it does not share with the beginning of the prompt before would be evaluated again by a
cache of longest common prefixes, which is what the servers have that these clients speak to. No engine runs.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from dsassist.bench.typing.trace import Document, Trace, shared_length

__all__ = ["LAYOUTS", "Layout", "Tokenize", "evaluated_again"]

Tokenize = Callable[[str], list[int]]
Layout = Callable[[Document, Sequence[str], random.Random, Tokenize], str]

_TABBY_LINES = 20  # up and down
_CONTINUE_TOKENS = 1024
_CONTINUE_PREFIX_SHARE, _CONTINUE_SUFFIX_SHARE = 0.3, 0.2


def evaluated_again(
    trace: Trace, layout: Layout, snippets: Sequence[str], tokenize: Tokenize, *, seed: int
) -> list[int]:
    """For each edit of a trace, the tokens of its prompt that the prompt before does not begin with, at least one."""
    rng = random.Random(f"{seed}:{trace.name}")  # noqa: S311  (Continue shuffles)
    counts: list[int] = []
    last: list[int] = []
    for edit, document in zip(trace.edits, trace.states(), strict=True):
        if edit.kind != "move":
            tokens = tokenize(layout(document, snippets, rng, tokenize))
            counts.append(max(1, len(tokens) - shared_length(last, tokens)))
            last = tokens
    return counts


def tabby(document: Document, _snippets: Sequence[str], _rng: random.Random, _tokenize: Tokenize) -> str:
    """Twenty lines up and down. Its snippets need what a single file has not (an index, other open files)."""
    above, below = _lines(document)
    return _marked("".join(above[-_TABBY_LINES:]), "".join(below[: _TABBY_LINES + 1]))


def continue_(document: Document, snippets: Sequence[str], rng: random.Random, tokenize: Tokenize) -> str:
    """Three tenths of 1,024 tokens above, at most two below, and snippets before them in an order drawn each time."""
    above, below = _lines(document)
    prefix = _fitting(above[::-1], int(_CONTINUE_TOKENS * _CONTINUE_PREFIX_SHARE), tokenize)[::-1]
    suffix = _fitting(below, int(_CONTINUE_TOKENS * _CONTINUE_SUFFIX_SHARE), tokenize)
    shuffled = list(snippets)
    rng.shuffle(shuffled)
    return _marked("".join(shuffled) + "".join(prefix), "".join(suffix))


LAYOUTS: dict[str, Layout] = {"Tabby": tabby, "Continue": continue_}


def _lines(document: Document) -> tuple[list[str], list[str]]:
    """Left and right of the cursor, each with its part of the cursor's line."""
    return document.before.splitlines(keepends=True), document.text[document.cursor :].splitlines(keepends=True)


def _fitting(lines: Sequence[str], n_tokens: int, tokenize: Tokenize) -> list[str]:
    """The first of the lines, as many as fit."""
    found: list[str] = []
    for line in lines:
        n_tokens -= len(tokenize(line))
        if n_tokens < 0:
            break
        found.append(line)
    return found


def _marked(prefix: str, suffix: str) -> str:
    return f"<|fim_prefix|>{prefix}<|fim_suffix|>{suffix}<|fim_middle|>"
