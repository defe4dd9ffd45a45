"""Is code that was written found likelier than the same code with a bug? The review's bench on what is held out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from random import Random

from dsassist.bench.intervals import mean
from dsassist.bench.report import Figure
from dsassist.bench.review.cases import cases_of, prefers_original
from dsassist.bench.review.sources import Scorer
from dsassist.bench.review.young import MOST_OF_FILE, YoungFunction
from dsassist.review.passes.paths import is_test_path
from dsassist_runtime.errors import RequestRefused
from dsassist_train.packing.folder import Document
from dsassist_train.packing.functions import functions_of

__all__ = ["preference_figures"]

_LEAST_OF_FAMILY = 5


def preference_figures(
    engine: Scorer, held_out: Sequence[tuple[Document, str]], n_functions: int, seed: int
) -> tuple[list[Figure], int]:
    """The share of functions whose original is preferred, in all and by kind of bug; and how many there were."""
    import numpy as np

    projects = sorted({document.project for document, _ in held_out})
    veins = [_functions([each for each in held_out if each[0].project == name], seed) for name in projects]
    told: list[tuple[str, float]] = []
    for case in cases_of(veins, n_functions, seed):
        try:
            prefers = prefers_original(engine, case)
        except RequestRefused:  # more than a small model holds
            continue
        if prefers is not None:
            told.append((case.bug.family, 100.0 * prefers))
    if not told:
        return [], 0
    found = [mean("original preferred to the bug", np.array([value for _, value in told]))]
    for family in sorted({family for family, _ in told}):
        values = [value for each, value in told if each == family]
        if len(values) >= _LEAST_OF_FAMILY:
            found.append(mean(f"original preferred to the bug, {family} ({len(values)})", np.array(values)))
    return found, len(told)


def _functions(files: Sequence[tuple[Document, str]], seed: int) -> Iterator[YoungFunction]:
    """Python functions outside of tests: one of each file, then a second, up to four."""
    draw = Random(f"{seed}:functions")  # noqa: S311  (a sample, not a secret)
    shuffled = [each for each in files if each[0].language == "python" and not is_test_path(each[0].path)]
    draw.shuffle(shuffled)
    pending = [functions_of(document, text, draw) for document, text in shuffled]
    for turn in range(MOST_OF_FILE):
        for functions in pending:
            if turn < len(functions):
                yield functions[turn]
