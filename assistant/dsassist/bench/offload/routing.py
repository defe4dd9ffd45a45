"""A recorded choice of experts, or one by lot, and a model made to choose so.

Random weights choose as real ones never do: nearly the same experts for each token, where attention has mixed all that
came before. So a choice is forced on a synthetic model: a real model's, or a uniform one, the worst case. DeepSeek-V3's
layers have a bias for each expert that is added before the choice, and to nothing else. Set to numbers far above any
probability, it decides alone, in the recorded order. That costs nothing in any of the ways that are compared, where
rewriting ids in a callback would slow all of them down.
"""

from __future__ import annotations

import csv
import gzip
import re
import zlib
from collections.abc import Iterable, Mapping
from importlib.resources import as_file, files
from pathlib import Path
from typing import TextIO

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.gguf import read_header
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor
from dsassist_runtime.offload.weights import tensor_getter

__all__ = ["ForcedRouting", "Recording", "drawn_recording", "read_recording"]

_CARRIED = "qwen3-30b-a3b-routing.csv.gz"
_BIAS = re.compile(r"blk\.(\d+)\.exp_probs_b\.bias")
_SEED = 6
_FAR_ABOVE = 1000.0  # a probability is 1 at most

Recording = tuple[Mapping[int, tuple[int, ...]], ...]  # of each token, by layer


def read_recording(path: Path | None) -> Recording:
    """A CSV, maybe gzipped, with the columns step, layer and expert; without a path the one that we carry.

    `DsassistError` when it is none.
    """
    if path is None:
        with as_file(files(__package__) / _CARRIED) as carried:
            return read_recording(carried)
    try:
        with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as file:
            steps = _steps(file)
    except FileNotFoundError:
        raise DsassistError(f"there is no file {path}; name a recorded routing, or leave --routing out") from None
    except (OSError, EOFError, zlib.error, csv.Error, ValueError, KeyError, TypeError) as error:
        raise DsassistError(
            f"{path} is no recorded routing ({type(error).__name__}: {error});"
            " wanted is a CSV with the columns step, layer and expert"
        ) from error
    if not steps:
        raise DsassistError(f"{path} has no rows; wanted is a CSV with the columns step, layer and expert")
    return tuple(steps[step] for step in sorted(steps))


def _steps(file: TextIO) -> dict[int, dict[int, tuple[int, ...]]]:
    steps: dict[int, dict[int, tuple[int, ...]]] = {}
    for row in csv.DictReader(line for line in file if not line.startswith("#")):
        layers = steps.setdefault(int(row["step"]), {})
        layer = int(row["layer"])
        layers[layer] = (*layers.get(layer, ()), int(row["expert"]))
    return steps


def drawn_recording(n_steps: int, n_layers: int, n_experts: int, n_used: int) -> Recording:
    """Each expert as likely as any other, the same choice each time."""
    draw = np.random.default_rng(_SEED)
    return tuple(
        {layer: tuple(draw.permutation(n_experts)[:n_used].tolist()) for layer in range(n_layers)}
        for _ in range(n_steps)
    )


class ForcedRouting:
    """The biases of a loaded model, ours to set. It must live as long as the model decodes."""

    def __init__(self, model: Model, recording: Recording) -> None:
        """`NotDone` when the model cannot be forced, or not to this recording."""
        self._recording = recording
        get = tensor_getter()
        self._biases: list[npt.NDArray[np.float32]] = []  # of the layers with experts, in their order
        for name in _bias_names(model.path):
            native = GgmlTensor.from_address(get(model.pointer, name.encode()) or _missing(model, name))
            bias = np.zeros(native.ne[0], np.float32)
            native.data = bias.ctypes.data
            self._biases.append(bias)
        n_layers = 1 + max(layer for step in recording for layer in step)
        n_experts = 1 + max(expert for step in recording for chosen in step.values() for expert in chosen)
        own = len(self._biases[0]) if self._biases else 0
        if n_layers < len(self._biases) or n_experts > own:
            raise NotDone(
                f"{model.path} cannot be made to choose as recorded: it has {len(self._biases)} layers with biases for"
                f" {own} experts, and the recording has {n_layers} layers and {n_experts} experts"
            )

    def choose(self, step: int) -> None:
        """The next token, alone in its batch, is routed as that of the recording; past its end as from its start."""
        for layer, bias in enumerate(self._biases):
            bias[:] = 0.0
            chosen = self._recording[step % len(self._recording)].get(layer, ())
            for rank, expert in enumerate(chosen):
                bias[expert] = _FAR_ABOVE - rank


def _bias_names(path: Path) -> Iterable[str]:
    found = [_BIAS.fullmatch(tensor.name) for tensor in read_header(path).tensors]
    return [match[0] for match in sorted((match for match in found if match), key=lambda match: int(match[1]))]


def _missing(model: Model, name: str) -> int:
    raise NotDone(f"llama.cpp has not loaded {name} of {model.path}, so its routing cannot be forced")
