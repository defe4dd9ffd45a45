"""A model whose experts wait on disk: everything that it takes, put together and closed together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.errors import DsassistError
from dsassist_runtime.llama.context import AbortFlag
from dsassist_runtime.llama.model import Model
from dsassist_runtime.offload.cache import ExpertCache, Figures, Key, layer_bytes
from dsassist_runtime.offload.experts import Experts, find_experts
from dsassist_runtime.offload.reading import Lanes, Preadv, ReadFigures
from dsassist_runtime.offload.region import Layout, Locked, Region, drop_pages, lock_pages
from dsassist_runtime.offload.streaming import ExpertStream, StreamedContext
from dsassist_runtime.offload.weights import ExpertWeights

__all__ = ["StreamFigures", "StreamedModel", "least_budget_bytes", "open_streamed"]

_N_LANES = 4


@dataclass(frozen=True)
class StreamFigures:
    """What a stream did so far."""

    cache: Figures
    read: ReadFigures
    n_lanes: int


class StreamedModel:
    """Owns the model, its memory for experts and the threads that read. Contexts must be closed before it is."""

    def __init__(
        self,
        path: Path,
        budget_bytes: int,
        *,
        n_lanes: int = _N_LANES,
        lock: bool = True,
        on_progress: Callable[[float], None] | None = None,
        preadv: Preadv | None = None,
    ) -> None:
        experts = find_experts(path)
        layout = Layout(experts.tensors)
        sizes = expert_bytes(experts, layout)
        _check_budget(path, budget_bytes, sizes, experts.n_used)
        with ExitStack() as stack:
            region = stack.enter_context(closing(Region(layout)))
            # Opened before llama.cpp opens them, and looked at again behind: both see the same files.
            self._lanes = stack.enter_context(
                closing(Lanes(experts.paths, region.room, n_lanes=n_lanes, preadv=preadv))
            )
            self.model = stack.enter_context(closing(Model(path, on_progress=on_progress, in_place=True)))
            self._lanes.check_unchanged()
            self._weights = ExpertWeights(self.model, experts, region)
            self.experts = self._weights.experts
            layers = self.experts.by_layer
            self._sizes = {key: size for key, size in sizes.items() if key.layer in layers}
            self._cache = ExpertCache(self._sizes, budget_bytes)
            self._stream = ExpertStream(self._weights, region, self._cache, self._lanes)
            self.let_go_of_mapped_experts()
            self.locked = lock_pages(self._weights.mapped_others()) if lock else Locked(0, "")
            self._close = stack.pop_all()

    def new_context(
        self,
        *,
        n_ctx: int,
        n_batch: int,
        n_threads: int,
        n_seq_max: int = 1,
        n_outputs_max: int = 0,
        abort: AbortFlag,
    ) -> StreamedContext:
        """A context of this model, with what `Context` takes; the caller closes it."""
        return StreamedContext(
            self._stream,
            self.model,
            n_ctx=n_ctx,
            n_batch=n_batch,
            n_threads=n_threads,
            n_seq_max=n_seq_max,
            n_outputs_max=n_outputs_max,
            abort=abort,
        )

    def resize(self, budget_bytes: int) -> None:
        """Have another budget for experts from now on, between two batches; `DsassistError` when it is too little."""
        _check_budget(self.model.path, budget_bytes, self._sizes, self.experts.n_used)
        self._stream.resize(budget_bytes)

    def figures(self) -> StreamFigures:
        """The counters."""
        return StreamFigures(self._cache.figures(), self._lanes.figures(), self._lanes.n_lanes)

    def remarks(self) -> tuple[str, ...]:
        """What is not as it should be, though all works: a sentence each."""
        remarks = [f"{path}: no direct I/O on this file system, it is read by the page cache" for path in self.buffered]
        if self.locked.reason:
            remarks.append(f"of the weights that are always in use, {self.locked.reason}: the system may page them out")
        return tuple(remarks)

    @property
    def buffered(self) -> tuple[Path, ...]:
        """The files that are read through the page cache, as far as is known yet."""
        return self._lanes.buffered

    def let_go_of_mapped_experts(self) -> None:
        """Drop what the mapped files have of experts in memory: llama.cpp reads them all once when it loads them."""
        drop_pages(self._weights.mapped_experts())
        for tensor in self.experts.tensors:
            self._lanes.forget(tensor.file, tensor.offset, tensor.n_experts * tensor.slice_bytes)

    def close(self) -> None:
        """Free everything."""
        self._close.close()


def open_streamed(
    path: Path,
    budget_bytes: int,
    *,
    n_lanes: int = _N_LANES,
    lock: bool = True,
    on_progress: Callable[[float], None] | None = None,
) -> StreamedModel:
    """Load a mixture of experts of which no more than `budget_bytes` of experts are in memory; the caller closes it.

    With `lock` the other weights are kept from being paged out, as far as the system allows: see `locked`. Raises
    `ModelError` for a file that cannot serve or has no experts, and `DsassistError` for a budget below
    `least_budget_bytes`.
    """
    return StreamedModel(path, budget_bytes, n_lanes=n_lanes, lock=lock, on_progress=on_progress)


def least_budget_bytes(path: Path) -> int:
    """The smallest budget that is of use: one token's experts, and all experts of one layer.

    With less than a token's experts nothing is ever found in memory, as an LRU has thrown out what comes next. And a
    prompt of some length uses all experts of a layer at once.
    """
    experts = find_experts(path)
    return _least(expert_bytes(experts, Layout(experts.tensors)), experts.n_used)


def expert_bytes(experts: Experts, layout: Layout) -> dict[Key, int]:
    """The memory that each expert takes, in whole pages."""
    sizes = {}
    for layer, tensors in experts.by_layer.items():
        for expert in range(tensors[0].n_experts):
            pages = (layout.pages(tensor, expert) for tensor in tensors)
            sizes[Key(layer, expert)] = sum(end - start for start, end in pages)
    return sizes


def _least(sizes: dict[Key, int], n_used: int) -> int:
    layers = layer_bytes(sizes)
    largest: dict[int, int] = {}
    for key, size in sizes.items():
        largest[key.layer] = max(size, largest.get(key.layer, 0))
    cycle = {layer: min(n_used * largest[layer], layers[layer]) for layer in layers}
    return sum(cycle.values()) + max(layers[layer] - cycle[layer] for layer in layers)


def _check_budget(path: Path, budget_bytes: int, sizes: dict[Key, int], n_used: int) -> None:
    least = _least(sizes, n_used)
    if budget_bytes < least:
        raise DsassistError(
            f"{path}: {budget_bytes / 1e6:.1f} MB are too little for its experts; give them at least"
            f" {least / 1e6:.1f} of their {sum(sizes.values()) / 1e6:.1f} MB: what one token uses, and one whole layer"
        )
