"""Bits per byte: how well a model foretells text, whatever its vocabulary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import TYPE_CHECKING, Protocol

from dsassist.bench.intervals import figure
from dsassist.bench.report import Figure
from dsassist_runtime.api import ContinuationScore, ContinuationsRequest
from dsassist_runtime.errors import RequestRefused
from dsassist_train.packing.folder import Document

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers = NDArray[np.float64]

__all__ = ["ContinuationScorer", "bits_per_byte", "draw_windows", "ratio_of", "score_windows"]

_WINDOW_BYTES = 1_800  # about 500 tokens
_LEAST_BYTES = 200


class ContinuationScorer(Protocol):
    """The one method of a client of the server that bits per byte ask for."""

    def continuations(
        self, request: ContinuationsRequest, timeout_s: float | None = None
    ) -> tuple[ContinuationScore, ...]:
        """Log-probabilities of each continuation."""


def bits_per_byte(
    engine: ContinuationScorer, held_out: Sequence[tuple[Document, str]], n_windows: int, seed: int
) -> list[Figure]:
    """Over all windows and for each project: nothing stands before a window but the beginning of a text."""
    windows = draw_windows(held_out, n_windows, seed)
    bits, sizes = score_windows(engine, windows)
    projects = sorted({project for project, _ in windows})
    found = []
    for name in ("", *projects) if len(projects) > 1 else ("",):
        rows = [i for i, (project, _) in enumerate(windows) if name in ("", project)]
        about = f"bits per byte, {name}" if name else "bits per byte"
        found.append(figure(about, len(rows), ratio_of(bits[rows], sizes[rows]), "bits", "lower", None))
    return found


def score_windows(engine: ContinuationScorer, windows: Sequence[tuple[str, str]]) -> tuple[Numbers, Numbers]:
    """The bits that each window takes, and its bytes."""
    import numpy as np

    scored = [_scored(engine, text) for _, text in windows]
    return np.array([nats / math.log(2) for nats, _ in scored]), np.array([float(size) for _, size in scored])


def ratio_of(over: Numbers, under: Numbers) -> Callable[[Numbers], Numbers]:
    """The statistic for an interval of the sum of one over the sum of the other."""

    def statistic(counts: Numbers) -> Numbers:
        found: Numbers = (counts @ over) / (counts @ under)
        return found

    return statistic


def draw_windows(held_out: Sequence[tuple[Document, str]], n_windows: int, seed: int) -> list[tuple[str, str]]:
    """Project and text of some lines of files, equally many of each project, whatever its size."""
    draw = Random(f"{seed}:windows")  # noqa: S311  (a sample, not a secret)
    by_project: dict[str, list[str]] = {}
    for document, text in held_out:
        if len(text) >= _LEAST_BYTES:
            by_project.setdefault(document.project, []).append(text)
    found: list[tuple[str, str]] = []
    while by_project and len(found) < n_windows:
        for project in sorted(by_project):
            if len(found) < n_windows:
                found.append((project, _window(draw.choice(by_project[project]), draw)))
    return found


def _window(text: str, draw: Random) -> str:
    start = text.rfind("\n", 0, draw.randrange(max(1, len(text) - _LEAST_BYTES))) + 1
    window = ""
    for line in text[start:].splitlines(keepends=True):
        if window and len((window + line).encode()) > _WINDOW_BYTES:
            break
        window += line
    return window


def _scored(engine: ContinuationScorer, text: str) -> tuple[float, int]:
    """Nats and bytes; of a text that is too long for the model, of its first half."""
    try:
        (score,) = engine.continuations(ContinuationsRequest("", (text,)))
    except RequestRefused:
        if len(text) < 2:
            raise
        return _scored(engine, text[: len(text) // 2])
    return -sum(score.logprobs), len(text.encode())
