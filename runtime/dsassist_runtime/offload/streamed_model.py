"""A model whose experts wait on disk: everything that it takes, put together and closed together."""

from __future__ import annotations

import functools
import mmap
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.errors import DsassistError
from dsassist_runtime.llama.context import AbortFlag
from dsassist_runtime.llama.mapping import unread_mappings
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.placement import NOT_PLACED, Placement
from dsassist_runtime.offload.cache import ExpertCache, Figures, Key, layer_bytes
from dsassist_runtime.offload.experts import Experts, find_experts
from dsassist_runtime.offload.heat import Heat
from dsassist_runtime.offload.preloading import Preloader
from dsassist_runtime.offload.reading import Lanes, OpenedFile, Preadv, ReadFigures
from dsassist_runtime.offload.region import Layout, Locked, Region, advise_pages, drop_pages, lock_pages
from dsassist_runtime.offload.streaming import ExpertStream, StreamedContext
from dsassist_runtime.offload.weights import ExpertWeights
from dsassist_runtime.offload.work import WorkMeter

__all__ = ["StreamFigures", "StreamedModel", "least_budget_bytes", "open_streamed"]

_N_LANES = 4


@dataclass(frozen=True)
class StreamFigures:
    """What a stream did so far."""

    cache: Figures
    read: ReadFigures
    n_lanes: int
    preloaded_bytes: int  # of memory, all that was ever preloaded


class StreamedModel:
    """Owns the model, its memory for experts and the threads that read. Contexts must be closed before it is."""

    def __init__(
        self,
        path: Path,
        budget_bytes: int,
        *,
        n_lanes: int = _N_LANES,
        lock: bool = True,
        placement: Placement = NOT_PLACED,
        on_progress: Callable[[float], None] | None = None,
        preadv: Preadv | None = None,
    ) -> None:
        experts = _streamed_experts(path, placement)
        layout = Layout(experts.tensors)
        sizes = expert_bytes(experts, layout)
        _check_budget(path, budget_bytes, sizes, experts.n_used)
        with ExitStack() as stack:
            region = stack.enter_context(closing(Region(layout)))
            # Opened before llama.cpp opens them, and looked at again behind: both see the same files.
            self._lanes = stack.enter_context(
                closing(Lanes(experts.paths, region.room, n_lanes=n_lanes, preadv=preadv))
            )
            # What goes to VRAM is copied out of the mapping, page by page where nothing is read ahead.
            with nullcontext() if placement.n_gpu_layers else unread_mappings():
                self.model = stack.enter_context(closing(Model(path, placement, on_progress, in_place=True)))
            self._lanes.check_unchanged()
            self._weights = ExpertWeights(self.model, experts, region)
            self.experts = self._weights.experts
            layers = self.experts.by_layer
            self._sizes = {key: size for key, size in sizes.items() if key.layer in layers}
            self._cache = ExpertCache(self._sizes, budget_bytes)
            self.work = WorkMeter(self._cache, self._lanes)
            self._stream = ExpertStream(self._weights, region, self._cache, self._lanes, self.work)
            self.heat = self.new_heat()
            self._preloader = Preloader(layers, region, self._cache, self._lanes)
            self._preloaded_bytes = 0
            self.let_go_of_mapped_experts()
            others = self._weights.mapped_others()
            advise_pages([*others, *self._weights.mapped_experts()], mmap.MADV_NORMAL)
            advise_pages(others, mmap.MADV_WILLNEED)
            self.locked = lock_pages(others) if lock else Locked(0, "")
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

    @property
    def heat(self) -> Heat:
        """How often completions wanted each expert; another one can be put in its place, between two batches."""
        assert self._stream.heat is not None, "the constructor gives it one"
        return self._stream.heat

    @heat.setter
    def heat(self, heat: Heat) -> None:
        self._stream.heat = heat

    def new_heat(self) -> Heat:
        """One that knows nothing yet of this model's experts."""
        return Heat({layer: tensors[0].n_experts for layer, tensors in self.experts.by_layer.items()})

    def preload(self, heat: Heat, limit_bytes: int | None = None, stop: Callable[[], bool] = lambda: False) -> int:
        """Read the hottest experts that are not in memory, as far as the budget goes, between two batches.

        What was used stays. Gives the bytes of memory that this took, at most a little more than `limit_bytes`; 0 when
        nothing is left to be read. Ends soon after `stop` says so. `ModelError` when the files cannot be read.
        """
        limit_bytes = self.budget_bytes if limit_bytes is None else limit_bytes
        arrived = self._preloader.preload(heat.hottest(), limit_bytes, stop)
        n_bytes = sum(self._sizes[key] for key in arrived)
        self._preloaded_bytes += n_bytes
        return n_bytes

    @property
    def budget_bytes(self) -> int:
        """What experts may take at present."""
        return self._cache.figures().budget_bytes

    @property
    def held_bytes(self) -> int:
        """What they take of it."""
        return self._cache.figures().held_bytes

    @functools.cached_property
    def least_bytes(self) -> int:
        """The smallest budget that `resize` takes."""
        return _least(self._sizes, self.experts.n_used)

    @functools.cached_property
    def expert_bytes(self) -> int:
        """What all experts would take that are streamed."""
        return sum(self._sizes.values())

    def resize(self, budget_bytes: int) -> None:
        """Have another budget for experts from now on, between two batches; `DsassistError` when it is too little."""
        _check_budget(self.model.path, budget_bytes, self._sizes, self.experts.n_used)
        self._stream.resize(budget_bytes)

    def figures(self) -> StreamFigures:
        """The counters."""
        return StreamFigures(self._cache.figures(), self._lanes.figures(), self._lanes.n_lanes, self._preloaded_bytes)

    @property
    def waited_s(self) -> float:
        """How long the decoding thread has waited for experts, all in all."""
        return self._stream.waited_s

    def in_memory(self) -> AbstractContextManager[None]:
        """Inside, contexts that are not this stream's compute with what of the experts is in memory.

        What is not there reads as zeros, so this is for who knows that all is.
        """
        return self._weights.in_region()

    @property
    def file(self) -> OpenedFile:
        """The model's file, of a split one the first, as it was when it was opened."""
        return self._lanes.files[0]

    def check_unchanged(self) -> None:
        """`ModelError` when a file of the model is not the one that was loaded: a mapped page of it may be gone."""
        self._lanes.check_unchanged()

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
        """Drop what the mapped files have of experts in memory: whoever used a context without the stream read them."""
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
    placement: Placement = NOT_PLACED,
    on_progress: Callable[[float], None] | None = None,
) -> StreamedModel:
    """Load a mixture of experts of which no more than `budget_bytes` of experts are in memory; the caller closes it.

    Experts that `placement` puts into VRAM are none of them. With `lock` the other weights are kept from being paged
    out, as far as the system allows: see `locked`. Raises `ModelError` for a file that cannot serve or has no experts,
    and `DsassistError` for a budget below `least_budget_bytes`.
    """
    return StreamedModel(path, budget_bytes, n_lanes=n_lanes, lock=lock, placement=placement, on_progress=on_progress)


def least_budget_bytes(path: Path, placement: Placement = NOT_PLACED) -> int:
    """The smallest budget that is of use: one token's experts, and all experts of one layer.

    With less than a token's experts nothing is ever found in memory, as an LRU has thrown out what comes next. And a
    prompt of some length uses all experts of a layer at once.
    """
    experts = _streamed_experts(path, placement)
    return _least(expert_bytes(experts, Layout(experts.tensors)), experts.n_used)


def _streamed_experts(path: Path, placement: Placement) -> Experts:
    experts = find_experts(path)
    in_vram = placement.expert_layers_in_vram or ()
    return experts.without(tensor.name for tensor in experts.tensors if tensor.layer in in_vram)


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
