"""Lines to fill in, asked in the product's form, in either order of prefix and suffix: what the model itself can do.

Half of them are whole lines with the cursor behind the indentation, half the rest of a line from anywhere in it.
Nothing of what is written is filtered or cut but at the line's end; `dsassist bench fim` measures what a person sees.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Literal

from dsassist.bench.fim.admissible import read_source
from dsassist.bench.fim.cuts import Cut, cuts
from dsassist.bench.fim.hole import Hole
from dsassist.bench.intervals import mean
from dsassist.bench.report import Figure
from dsassist.completion.completer import PromptName, infill_request
from dsassist.completion.plan import prompt_at
from dsassist.options import CompletionConfig
from dsassist_runtime.api import Engine, InfillRequest, Sampling
from dsassist_train.packing.folder import Document

__all__ = ["draw_holes", "hole_request", "infill_figures"]

_MOST_OF_FILE = 4
_MAX_TOKENS = 64
_PROMPT_TOKENS = 600


def draw_holes(held_out: Sequence[tuple[Document, str]], n_holes: int, seed: int) -> list[Hole]:
    """As many of both kinds, and equally many of each project as far as there are."""
    draw = Random(f"{seed}:holes")  # noqa: S311  (a sample, not a secret)
    files = list(held_out)
    draw.shuffle(files)
    veins = [
        _vein([each for each in files if each[0].project == project], draw)
        for project in sorted({document.project for document, _ in files})
    ]
    found: list[Hole] = []
    while veins and len(found) < n_holes:
        for vein in list(veins):
            hole = next(vein, None) if len(found) < n_holes else None
            if hole is not None:
                found.append(hole)
            elif len(found) < n_holes:
                veins.remove(vein)
    return found


def infill_figures(engine: Engine, holes: Sequence[Hole], order: Literal["psm", "spm"]) -> list[Figure]:
    """Shares of lines that are right to the letter, in percent, and the similarity of the others."""
    import numpy as np
    from rapidfuzz.distance import Levenshtein

    right, alike = [], []
    for hole in holes:
        with engine.infill(hole_request(hole, order)) as stream:
            written = "".join(stream).split("\n")[0].rstrip()
        expected = hole.expected.rstrip()
        right.append(100.0 * (written == expected))
        alike.append(100.0 * Levenshtein.normalized_similarity(written, expected))
    found = [mean(f"line exact, {order}", np.array(right)), mean(f"edit similarity, {order}", np.array(alike))]
    for kind, title in (("line", "whole lines"), ("mid-line", "rests of lines")):
        values = [value for value, hole in zip(right, holes, strict=True) if hole.kind == kind]
        if values:
            found.append(mean(f"line exact, {order}, {title} ({len(values)})", np.array(values)))
    return found


def hole_request(hole: Hole, order: Literal["psm", "spm"], *, trace_experts: bool = False) -> InfillRequest:
    """What is asked at a hole, with nothing drawn by chance."""
    prompt = prompt_at(*hole.place.around, _PROMPT_TOKENS)
    return infill_request(
        prompt,
        CompletionConfig(),
        PromptName(hole.path, hole.repository),
        order=order,
        max_tokens=_MAX_TOKENS,
        stop=("\n",),
        sampling=Sampling(temperature=0.0),
        speculate=False,
        trace_experts=trace_experts,
    )


def _vein(files: Sequence[tuple[Document, str]], draw: Random) -> Iterator[Hole]:
    """One hole of each file, whole lines and rests in turn, then a second one of each."""
    pending = [iter(_holes_of(document, text, draw)) for document, text in files]
    for _ in range(_MOST_OF_FILE):
        for holes in pending:
            if (hole := next(holes, None)) is not None:
                yield hole


def _holes_of(document: Document, text: str, draw: Random) -> Iterator[Hole]:
    source = read_source(document.path, text, frozenset(range(text.count("\n") + 1)), draw)
    if source is None:
        return
    whole = cuts(source, "line", draw)
    rests = [cut for cut in cuts(source, "mid-line", draw) if cut.variety == "nothing"]
    draw.shuffle(whole)
    draw.shuffle(rests)
    pairs = [(whole, rests), (rests, whole)][draw.randrange(2)]
    for first, second in zip(*pairs, strict=False):
        yield from (_hole(document, text, first), _hole(document, text, second))


def _hole(document: Document, text: str, cut: Cut) -> Hole:
    return Hole(
        Path(),
        document.project,
        "",
        document.path,
        document.language,
        cut.kind,
        cut.variety,
        text[: cut.start] + text[cut.end :],
        cut.start,
        text[cut.start : cut.end],
        cut.typed,
    )
