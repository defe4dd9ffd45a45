"""Which experts a project uses, kept in a small file for each, so that the next engine has them in memory soon.

An expert is counted once a batch, however many tokens of it use it: that is how often holding it would have saved a
read. What was long ago counts less. For choosing what to preload, such a frequency is better than what was used last,
which knows one file only.

A file is a hint: where it is damaged, or another model's, there is none. Of a project nothing but a hash of its name is
written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dsassist_runtime.offload.cache import Key
from dsassist_runtime.offload.reading import OpenedFile
from dsassist_runtime.places import write_at_once

__all__ = ["Heat", "HeatFiles"]

_HALF_LIFE_BATCHES = 20_000  # not measured: some hundred completions, a day or two of writing
_LARGEST_WEIGHT = 1e100
_MOST_FILES = 64  # of all models


class Heat:
    """How often each expert was wanted by a batch, by layer; a use `_HALF_LIFE_BATCHES` batches ago counts half."""

    def __init__(self, n_experts: Mapping[int, int]) -> None:
        """Nothing is known yet; `n_experts` has the number of experts of each layer."""
        self._uses = {layer: [0.0] * n for layer, n in n_experts.items()}
        self._first_layer = min(n_experts, default=0)
        self.n_batches = 0  # that were counted here
        # Old uses are not made smaller, new ones are made larger: that costs one multiplication a batch.
        self._weight = 1.0
        self._growth = 2 ** (1 / _HALF_LIFE_BATCHES)

    def count(self, layer: int, experts: Iterable[int]) -> None:
        """A batch wants these experts of a layer; it goes through the layers in their order."""
        if layer == self._first_layer:
            self.n_batches += 1
            self._weight *= self._growth
            if self._weight > _LARGEST_WEIGHT:
                self._uses, self._weight = self.uses(), 1.0
        uses, weight = self._uses[layer], self._weight
        for expert in experts:
            uses[expert] += weight

    def uses(self) -> dict[int, list[float]]:
        """The batches that wanted each expert, as they count now."""
        return {layer: [uses / self._weight for uses in row] for layer, row in self._uses.items()}

    def hottest(self) -> list[Key]:
        """The experts that were ever wanted, the one that was wanted most first."""
        found = [
            (-uses, Key(layer, expert)) for layer, row in self._uses.items() for expert, uses in enumerate(row) if uses
        ]
        return [key for _uses, key in sorted(found)]

    def take_over(self, uses: Any) -> bool:
        """Go on from what `uses` gave earlier; False when it is nothing of the kind, or another model's."""
        rows = _checked(uses, self._uses)
        if rows is None:
            return False
        self._uses, self._weight = rows, 1.0
        return True


class HeatFiles:
    """The heat of one model in a folder, a file for each project. No method raises for what the disk does."""

    def __init__(self, folder: Path, model: OpenedFile) -> None:
        self._folder = folder
        self._model = [str(model.path), model.n_bytes, model.modified_ns]
        self._prefix = _digest(json.dumps(self._model))

    def read(self, project: str, heat: Heat) -> bool:
        """Have `heat` go on from what is kept of a project; False when nothing is."""
        return self._read(self._path(project), heat)

    def read_latest(self, heat: Heat) -> bool:
        """The same of the project that was at work last."""
        with contextlib.suppress(OSError):
            paths = sorted(self._folder.glob(f"{self._prefix}-*.json"), key=_modified_at, reverse=True)
            return any(self._read(path, heat) for path in paths)
        return False

    def write(self, project: str, heat: Heat) -> None:
        """Keep the heat of a project; a file that cannot be written is none the next time."""
        rows = {str(layer): [round(uses, 2) for uses in row] for layer, row in heat.uses().items()}
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            write_at_once(self._path(project), json.dumps({"model": self._model, "uses": rows}))
            for old in sorted(self._folder.glob("*.json"), key=_modified_at)[:-_MOST_FILES]:
                old.unlink(missing_ok=True)

    def _path(self, project: str) -> Path:
        return self._folder / f"{self._prefix}-{_digest(project)}.json"

    def _read(self, path: Path, heat: Heat) -> bool:
        try:
            found = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(found, dict) and found.get("model") == self._model and heat.take_over(found.get("uses"))


def _checked(uses: Any, like: Mapping[int, list[float]]) -> dict[int, list[float]] | None:
    """Rows by layer, of the same shape as `like`; the layers' numbers may be text, as JSON has them."""
    if not isinstance(uses, dict) or len(uses) != len(like):
        return None
    rows = {}
    for layer, expected in like.items():
        row = uses.get(layer, uses.get(str(layer)))
        if not isinstance(row, list) or len(row) != len(expected) or not all(map(_is_number_of_uses, row)):
            return None
        rows[layer] = [float(each) for each in row]
    return rows


def _is_number_of_uses(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LARGEST_WEIGHT


def _modified_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # somebody cleared up meanwhile
        return -math.inf


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
