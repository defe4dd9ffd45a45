"""The plan: what of a model lies in VRAM, in RAM and on disk, and how fast it would write text.

Pure: from what the model contains, what may be used, and how fast memory and disk are. VRAM takes the dense part and
the KV cache first, layer by layer from the last one as `n_gpu_layers` does, then the experts of whole layers, as
`tensor_buft_overrides` does. RAM takes the rest; of the experts that it has no room for, a cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, get_args

from dsassist_runtime.errors import NotDone
from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.models.catalogue import in_words
from dsassist_runtime.planning.computing import Computing
from dsassist_runtime.planning.contents import Contents, Layer
from dsassist_runtime.planning.hit_rate import Routing, hit_rate

__all__ = ["Bound", "Expected", "Held", "Limits", "Plan", "PlanImpossible", "Speeds", "make_plan"]

Bound = Literal["memory bandwidth", "computing", "disk"]
_MORE = 1.1  # a token needs so much longer than its bytes in memory: it is not the memory that it waits for


class PlanImpossible(NotDone):
    """The model cannot be held within the limits."""


@dataclass(frozen=True)
class Limits:
    """What the model may take, and the context that it shall have."""

    ram_bytes: int
    vram_bytes: int
    n_ctx: int


@dataclass(frozen=True)
class Speeds:
    """Bytes/s that memory and disk are read with, and what computing takes, as far as it was measured."""

    memory_bytes_s: float
    disk_bytes_s: float
    computing: Computing = field(default_factory=Computing)


@dataclass(frozen=True)
class Held:
    """What lies in one kind of memory."""

    dense_bytes: int = 0
    expert_bytes: int = 0
    kv_bytes: int = 0
    buffer_bytes: int = 0

    @property
    def n_bytes(self) -> int:
        """All of it."""
        return self.dense_bytes + self.expert_bytes + self.kv_bytes + self.buffer_bytes


@dataclass(frozen=True)
class Expected:
    """The speed of one text at a time, what limits it, and the share of expert reads that the cache answers."""

    routing: Routing
    tokens_s: float
    bound: Bound
    hit_rate: float
    missed_bytes_per_token: int


@dataclass(frozen=True)
class Plan:
    """Where everything lies. Of routed experts `disk_bytes` are those that neither memory holds at one time.

    `is_streamed`: must experts be read while text is written? Then `ram.expert_bytes` are a cache.
    """

    limits: Limits
    vram: Held
    ram: Held
    disk_bytes: int
    copied_bytes: int  # in VRAM and in RAM: the table of tokens, where it is the output's as well
    n_gpu_layers: int
    expert_layers_in_vram: tuple[int, ...]
    read_bytes_per_token: int  # from memory, once missed experts are there
    token_expert_bytes: int  # what a token uses of the experts outside of VRAM
    least_ram_bytes: int  # below this the model cannot be held: a cache would be hit by nothing
    is_streamed: bool
    expected: tuple[Expected, ...]  # the slowest assumption first; one where no expert is on disk


def make_plan(contents: Contents, limits: Limits, speeds: Speeds | None) -> Plan:
    """Place everything; `PlanImpossible` with the numbers when it cannot be held. Without `speeds` none is expected."""
    on_gpu = _fill_vram(contents, limits)
    off_gpu = [layer for layer in contents.layers if layer.index not in on_gpu.expert_layers]
    fixed = Held(
        dense_bytes=contents.dense_bytes - on_gpu.held.dense_bytes + on_gpu.copied_bytes,
        kv_bytes=contents.kv_bytes(limits.n_ctx) - on_gpu.held.kv_bytes,
        buffer_bytes=contents.compute_bytes(limits.n_ctx),
    )
    expert_bytes = sum(layer.expert_bytes for layer in off_gpu)
    least_cached = min(expert_bytes, _least_cache(contents, off_gpu))
    least = fixed.n_bytes + least_cached
    if limits.ram_bytes < least:
        raise _impossible(contents, limits, fixed, least_cached)
    cached = min(expert_bytes, limits.ram_bytes - fixed.n_bytes)
    return Plan(
        limits,
        vram=on_gpu.held,
        ram=Held(fixed.dense_bytes, cached, fixed.kv_bytes, fixed.buffer_bytes),
        disk_bytes=expert_bytes - cached + contents.unused_bytes,
        copied_bytes=on_gpu.copied_bytes,
        n_gpu_layers=on_gpu.n_gpu_layers,
        expert_layers_in_vram=on_gpu.expert_layers,
        read_bytes_per_token=_read_per_token(contents, limits.n_ctx),
        token_expert_bytes=sum(contents.n_used * layer.one_expert_bytes for layer in off_gpu),
        least_ram_bytes=least,
        is_streamed=cached < expert_bytes,
        expected=() if speeds is None else tuple(_all_expected(contents, limits, off_gpu, cached, speeds)),
    )


def _least_cache(contents: Contents, layers: list[Layer]) -> int:
    """Room for the experts of one token, and of one layer, which a prompt uses all at once.

    With less than a token's experts nothing is ever found in the cache: what comes next was thrown out last.
    """
    token_bytes = sum(layer.streamed_token_bytes(contents.n_used) for layer in layers)
    return token_bytes + max((layer.streamed_bytes for layer in layers), default=0)


@dataclass(frozen=True)
class _OnGpu:
    held: Held = Held()
    copied_bytes: int = 0
    n_gpu_layers: int = 0
    expert_layers: tuple[int, ...] = ()


def _fill_vram(contents: Contents, limits: Limits) -> _OnGpu:
    """What fits, in order; the first part that does not ends it, so that more VRAM never holds less of anything."""
    buffers, copied = contents.compute_bytes(limits.n_ctx), contents.input_bytes if contents.is_tied else 0
    dense = contents.output_bytes + copied
    left = limits.vram_bytes - buffers - dense
    if left < 0:
        return _OnGpu()
    kv, n_gpu_layers = 0, 1  # llama.cpp counts the output as a layer
    for layer in reversed(contents.layers):
        needed = layer.dense_bytes + layer.kv_bytes(limits.n_ctx)
        if needed > left:
            return _OnGpu(Held(dense, 0, kv, buffers), copied, n_gpu_layers)
        left -= needed
        dense, kv, n_gpu_layers = dense + layer.dense_bytes, kv + layer.kv_bytes(limits.n_ctx), n_gpu_layers + 1
    experts = _last_that_fit(contents.layers, left)
    held = Held(dense, sum(layer.expert_bytes for layer in experts), kv, buffers)
    return _OnGpu(held, copied, n_gpu_layers, tuple(sorted(layer.index for layer in experts)))


def _last_that_fit(layers: tuple[Layer, ...], n_bytes: int) -> list[Layer]:
    found = []
    for layer in reversed([layer for layer in layers if layer.n_experts]):
        n_bytes -= layer.expert_bytes
        if n_bytes < 0:
            break
        found.append(layer)
    return found


def _read_per_token(contents: Contents, n_ctx: int) -> int:
    """The dense part but for the table of tokens, the experts that a token uses, and the KV of half a context."""
    table = 0 if contents.is_tied else contents.input_bytes
    experts = sum(contents.n_used * layer.one_expert_bytes for layer in contents.layers)
    return contents.dense_bytes - table + experts + _kv_per_token(contents, n_ctx)


def _kv_per_token(contents: Contents, n_ctx: int) -> int:
    return contents.kv_bytes_per_token * n_ctx // 2


def _memory_s(contents: Contents, limits: Limits, speeds: Speeds) -> tuple[float, Bound]:
    """What a token takes whose experts are all in memory, and what for."""
    by_name = {TENSOR_TYPES[kind].name: n_bytes for kind, n_bytes in contents.token_bytes.items()}
    # Who multiplies weights reads them: memory is at least as fast as that, whatever it was measured at.
    bytes_s = max(speeds.memory_bytes_s, *map(speeds.computing.best_bytes_s, by_name), 0.0)
    memory_s = _read_per_token(contents, limits.n_ctx) / bytes_s
    compute_s = speeds.computing.token_s(by_name, contents.n_operations, bytes_s)
    compute_s += _kv_per_token(contents, limits.n_ctx) / bytes_s
    return max(memory_s, compute_s), "computing" if compute_s > _MORE * memory_s else "memory bandwidth"


def _all_expected(
    contents: Contents, limits: Limits, off_gpu: list[Layer], cached: int, speeds: Speeds
) -> Iterator[Expected]:
    in_memory = _memory_s(contents, limits, speeds)
    token_bytes = sum(contents.n_used * layer.one_expert_bytes for layer in off_gpu)
    if cached >= sum(layer.expert_bytes for layer in off_gpu):
        yield _expected("even", 1.0, in_memory, token_bytes, speeds)
        return
    in_pages = sum(layer.streamed_bytes for layer in off_gpu)
    token_in_pages = sum(layer.streamed_token_bytes(contents.n_used) for layer in off_gpu)
    for routing in get_args(Routing):
        yield _expected(routing, hit_rate(cached, token_in_pages, in_pages, routing), in_memory, token_bytes, speeds)


def _expected(
    routing: Routing, hits: float, in_memory: tuple[float, Bound], token_bytes: int, speeds: Speeds
) -> Expected:
    """Reading and computing one after the other."""
    memory_s, bound = in_memory
    missed = (1.0 - hits) * token_bytes
    disk_s = missed / speeds.disk_bytes_s
    return Expected(routing, 1.0 / (memory_s + disk_s), "disk" if disk_s > memory_s else bound, hits, round(missed))


def _impossible(contents: Contents, limits: Limits, fixed: Held, least_cached: int) -> PlanImpossible:
    parts = [f"{in_words(fixed.dense_bytes)} of weights that each token needs"]
    if least_cached:
        parts.append(f"{in_words(least_cached)} for the experts of one token and of one layer")
    parts.append(f"{in_words(fixed.kv_bytes)} of KV cache for {limits.n_ctx} tokens")
    parts.append(f"{in_words(fixed.buffer_bytes)} of buffers")
    vram = f" beside {in_words(limits.vram_bytes)} of VRAM" if limits.vram_bytes else ""
    dense = "" if contents.n_experts else "; a dense model has no experts on disk, so offload has nothing to do"
    return PlanImpossible(
        f"{contents.name} needs {in_words(fixed.n_bytes + least_cached)} of RAM{vram} at least "
        f"({', '.join(parts)}), and there are {in_words(limits.ram_bytes)}{dense}; "
        "take a shorter context, more memory, or a smaller model"
    )
