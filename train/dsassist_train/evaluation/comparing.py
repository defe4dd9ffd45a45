"""Several models on the same texts: bits per byte of each, and how much more one needs than the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dsassist.bench.interruptible import sigterm_as_ctrl_c
from dsassist.bench.intervals import figure
from dsassist.bench.private_engine import private_engine
from dsassist_runtime.errors import DsassistError
from dsassist_train.evaluation.bits import draw_windows, ratio_of, score_windows
from dsassist_train.packing.folder import CorpusFolder

if TYPE_CHECKING:
    from dsassist.bench.intervals import Numbers

__all__ = ["Arm", "Compared", "compare_bits"]


class Arm(NamedTuple):
    """A model, with its adapter if it has one."""

    model: Path
    lora: Path | None = None


class Compared(NamedTuple):
    """Bits per byte; `more` is that less the first arm's, between `least` and `most`: the paired 95 % interval."""

    bits: float
    more: float
    least: float
    most: float

    @property
    def in_words(self) -> str:
        """For a person."""
        return f"{self.bits:.4f} bits per byte ({self.more:+.4f}, {self.least:+.4f} to {self.most:+.4f})"


def compare_bits(
    arms: Mapping[str, Arm], corpus: CorpusFolder, n_windows: int, seed: int, progress: Callable[[str], None]
) -> dict[str, Compared]:
    """Score the same windows of what is held out of a corpus with each; `DsassistError` where nothing is held out."""
    held_out = list(corpus.texts("valid"))
    windows = draw_windows(held_out, n_windows, seed)
    if not windows:
        raise DsassistError(f"nothing is held out of the corpus {corpus.path}; make it anew with --held-out")
    scored: dict[str, tuple[Numbers, Numbers]] = {}
    with sigterm_as_ctrl_c():
        for name, arm in arms.items():
            progress(f"bits per byte: {name}")
            with private_engine(arm.model.resolve(), arm.lora and arm.lora.resolve()) as engine:
                scored[name] = score_windows(engine, windows)
    first = ratio_of(*next(iter(scored.values())))
    return {name: _compared(first, ratio_of(*one), len(windows)) for name, one in scored.items()}


def _compared(first: Callable[[Numbers], Numbers], one: Callable[[Numbers], Numbers], n_windows: int) -> Compared:
    import numpy as np

    more = figure("", n_windows, lambda counts: one(counts) - first(counts), "bits", "lower", None)
    bits = float(one(np.ones((1, n_windows)))[0])
    return Compared(bits, more.value, min(more.samples), max(more.samples))
