"""What llama.vim sends for a hole, and what it shows of the answer: its source, function by function, as of a1c8e6e.

Left out is what a hole has no room for: the cache, the request for the text behind a text, and the rule that nothing is
asked by itself with more than eight characters right of the cursor (it is asked as by its key). Of its ring of chunks
there are those that it picks when a person opens the other files that the commit changed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random
from typing import Any, NamedTuple

from dsassist.bench.fim.answer import Shown
from dsassist.bench.fim.hole import Hole, Visit

__all__ = ["SERVER_OPTIONS", "chunks", "request_body", "shown"]

# `llama-server --fim-qwen-1.5b-default`, which its README names for small machines, sets these beside the model.
SERVER_OPTIONS = ("-ub", "1024", "-b", "1024", "-c", "0", "--cache-reuse", "256")

_N_PREFIX, _N_SUFFIX, _N_PREDICT = 256, 64, 128
_T_MAX_PROMPT_MS, _T_MAX_PREDICT_MS = 500, 250
_RING_N_CHUNKS, _RING_CHUNK_SIZE = 16, 64
_LEAST_CHUNK_LINES = 3
_TOO_LIKE_ANOTHER, _TOO_LIKE_THE_VIEW = 0.9, 0.5
_NO_WORD = re.compile(r"\W+", re.ASCII)


class _Local(NamedTuple):
    """`s:fim_ctx_local` without a previous text."""

    prefix: str
    middle: str
    suffix: str
    indent: int


def request_body(hole: Hole, extra: Sequence[dict[str, str]], seed: int) -> dict[str, Any]:
    """The body for `/infill`, as `llama#fim` builds it; the seed is ours, that a run can be repeated."""
    local = _local(hole)
    return {
        "id_slot": 0,
        "input_prefix": local.prefix,
        "input_suffix": local.suffix,
        "input_extra": list(extra),
        "prompt": local.middle,
        "n_predict": _N_PREDICT,
        "stop": [],
        "n_indent": local.indent,
        "top_k": 40,
        "top_p": 0.90,
        "samplers": ["top_k", "top_p", "infill"],
        "stream": False,
        "cache_prompt": True,
        "t_max_prompt_ms": _T_MAX_PROMPT_MS,
        "t_max_predict_ms": _T_MAX_PREDICT_MS,
        "seed": seed,
    }


def chunks(hole: Hole, visits: Sequence[Visit], draw: Random) -> list[dict[str, str]]:
    """The ring after the visits, and without what is too like the view (`s:pick_chunk`, and `llama#fim` itself)."""
    ring: list[tuple[str, list[str]]] = []
    for visit in visits:
        picked = _picked(visit.text.split("\n"), visit.row, draw)
        if len(picked) < _LEAST_CHUNK_LINES:
            continue
        ring = [(path, chunk) for path, chunk in ring if _similarity(chunk, picked) <= _TOO_LIKE_ANOTHER]
        ring.append((visit.path, picked))
    view = _slice(_around(hole.text.split("\n"), hole.row), draw)
    return [
        {"text": "\n".join(chunk) + "\n", "filename": path}
        for path, chunk in ring[-_RING_N_CHUNKS:]
        if _similarity(chunk, view) <= _TOO_LIKE_THE_VIEW
    ]


def shown(hole: Hole, content: str) -> Shown | None:
    """What `s:fim_render` makes of the answer's content, as what accepting it would replace; None for nothing."""
    lines, place = hole.text.split("\n"), hole.place
    row, before, after = hole.row, place.line_before, place.line_after
    parts = content.split("\n")
    while parts and parts[-1] == "":
        parts.pop()
    if not parts:
        return None
    start = hole.offset
    if not (before + after).strip():  # the model wrote the indentation too; as much of it as stands there is taken off
        lead = parts[0][: len(parts[0]) - len(parts[0].lstrip())][: len(before + after)]
        start, before, after = place.line_start, lead, ""
        parts[0] = parts[0][len(lead) :]
    if _repeats(parts, before, after, lines, row):
        return None
    text = (before if start < hole.offset else "") + "\n".join(parts)
    if not "".join(parts).strip():
        return None
    return Shown(text, start, place.line_end if start < hole.offset else hole.offset)


def _repeats(parts: list[str], before: str, after: str, lines: list[str], row: int) -> bool:
    """The cases in which `s:fim_render` throws a text away."""
    if len(parts) > 1 and parts[0] == "" and parts[1:] == lines[row + 1 : row + len(parts)]:
        return True
    if len(parts) == 1 and parts[0] == after:
        return True
    compared = row + 1
    while compared < len(lines) - 1 and not lines[compared].strip():
        compared += 1
    if compared >= len(lines) or before + parts[0] != lines[compared]:
        return False
    if len(parts) == 1:
        return True
    if len(parts) == 2:
        return _line(lines, compared + 1)[: len(parts[-1])] == parts[-1]
    return parts[1:] == lines[compared + 1 : compared + len(parts)]


def _local(hole: Hole) -> _Local:
    lines, place, row = hole.text.split("\n"), hole.place, hole.row
    before, after = place.line_before, place.line_after
    indent = len(before) - len(before.lstrip())
    if not (before + after).strip():
        before, after, indent = "", "", 0
    prefix = "\n".join(lines[max(0, row - _N_PREFIX) : row]) + "\n"
    suffix = after + "\n" + "\n".join(lines[row + 1 : row + 1 + _N_SUFFIX]) + "\n"
    return _Local(prefix, before, suffix, indent)


def _picked(lines: list[str], row: int, draw: Random) -> list[str]:
    """What `s:pick_chunk` takes of the lines around a cursor."""
    around = _around(lines, row)
    return around if len(around) + 1 < _RING_CHUNK_SIZE else _slice(around, draw)


def _around(lines: list[str], row: int) -> list[str]:
    return lines[max(0, row - _RING_CHUNK_SIZE // 2) : row + _RING_CHUNK_SIZE // 2 + 1]


def _slice(lines: list[str], draw: Random) -> list[str]:
    start = draw.randint(0, max(0, len(lines) - _RING_CHUNK_SIZE // 2))
    return lines[start : start + _RING_CHUNK_SIZE // 2 + 1]


def _similarity(one: list[str], other: list[str]) -> float:
    """`s:chunk_sim`."""
    words, others = (_words(chunk) for chunk in (one, other))
    if not words and not others:
        return 1.0
    known = set(words)
    return 2.0 * sum(word in known for word in others) / (len(words) + len(others))


def _words(chunk: list[str]) -> list[str]:
    return [word for word in _NO_WORD.split("\n".join(chunk)) if word]


def _line(lines: list[str], row: int) -> str:
    return lines[row] if row < len(lines) else ""
