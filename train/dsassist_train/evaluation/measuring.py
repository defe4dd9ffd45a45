"""All measurements of one model, and the report of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from dsassist.bench.report import Figure, Report
from dsassist_runtime.api import Engine
from dsassist_runtime.errors import DsassistError
from dsassist_train.evaluation.bits import ContinuationScorer, bits_per_byte
from dsassist_train.evaluation.experts import expert_figures
from dsassist_train.evaluation.infill import draw_holes, infill_figures
from dsassist_train.evaluation.preference import preference_figures
from dsassist_train.packing.folder import CorpusFolder

__all__ = ["Evaluation", "ScoringEngine", "measure"]


class ScoringEngine(Engine, ContinuationScorer, Protocol):
    """An engine that also scores continuations: a client of the server does."""


@dataclass(frozen=True)
class Evaluation:
    """How much is measured; 0 leaves a part out."""

    n_windows: int = 70
    n_holes: int = 200
    n_functions: int = 100
    seed: int = 1


def measure(
    evaluation: Evaluation,
    corpus: CorpusFolder,
    engine: ScoringEngine,
    machine: dict[str, Any],
    progress: Callable[[str], None],
) -> Report:
    """Measure on the documents of `corpus` that are held out; `DsassistError` where there are none."""
    held_out = list(corpus.texts("valid"))
    if not held_out:
        raise DsassistError(f"nothing is held out of the corpus {corpus.path}; make it anew with --held-out")
    facts = engine.facts()
    figures: list[Figure] = []
    left_out: list[str] = []
    if evaluation.n_windows:
        progress("bits per byte")
        figures += bits_per_byte(engine, held_out, evaluation.n_windows, evaluation.seed)
    holes = draw_holes(held_out, evaluation.n_holes, evaluation.seed)
    if len(holes) < evaluation.n_holes:
        left_out.append(f"{evaluation.n_holes - len(holes)} of {evaluation.n_holes} lines: there are no more")
    if holes and not facts.fim_orders:
        left_out.append("lines to fill in: the model has no marks of fill-in-the-middle")
    elif holes:
        for order in ("psm", "spm"):
            progress(f"lines to fill in, {order}")
            figures += infill_figures(engine, holes, order)
        if facts.n_experts:
            progress("experts")
            figures += expert_figures(engine, holes)
        else:
            left_out.append("use of experts: the model has none")
    if evaluation.n_functions:
        progress("functions with and without a bug")
        found, n_functions = preference_figures(engine, held_out, evaluation.n_functions, evaluation.seed)
        figures += found
        if n_functions < evaluation.n_functions:
            missing = evaluation.n_functions - n_functions
            left_out.append(f"{missing} of {evaluation.n_functions} functions: no more can be asked about")
    settings = {
        "model": facts.name,
        "held out": ", ".join(sorted({document.project for document, _ in held_out})),
        "windows": evaluation.n_windows,
        "lines": len(holes),
        "seed": evaluation.seed,
        "least and most": "the 95 % interval, bootstrapped over cases",
    }
    return Report("train eval", settings, figures, left_out, machine)
