"""Brings the chosen experts into memory while llama.cpp computes, from inside its own callback.

For every node of the graph llama.cpp asks, before it computes anything behind the last node that was wanted, whether
this one is wanted; a wanted one is computed at once, and then shown. So in each layer with experts:

    ask  ffn_moe_topk         yes
    see  ffn_moe_topk         its ids are read: what is missing begins to be read (up, gate, down, in this order)
    ask  up, gate             here it waits for them: they are computed later, with what follows
    ask  the activation       yes, while `down` is on its way: up and gate are computed meanwhile
    see  the activation       here it waits for `down`
    ask  down                 here it waits for it in any case

The wait is tied to the tensor that a node reads, not to a node's name: no multiplication with experts is let through
before each of its slices is in place. What cannot be brought ends the batch as an error; its logits are never seen.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.context import Aborted, AbortFlag, BatchToken, Context
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor
from dsassist_runtime.offload.cache import ExpertCache, Key
from dsassist_runtime.offload.experts import ExpertTensor
from dsassist_runtime.offload.reading import Lanes, Piece, Reading
from dsassist_runtime.offload.region import Region
from dsassist_runtime.offload.weights import ExpertWeights, mul_mat_id

__all__ = ["ExpertStream", "StreamedContext"]

_TOPK = b"ffn_moe_topk-"
_SRC, _NAME = GgmlTensor.src.offset, GgmlTensor.name.offset
_POINTER = ctypes.sizeof(ctypes.c_void_p)
_N_GLANCE = _NAME + len(_TOPK) - _SRC


@dataclass
class _Batch:
    """What is being decoded."""

    abort: AbortFlag
    protect: bool
    failure: BaseException | None = None


@dataclass
class _Layer:
    """What is known of the layer in flight."""

    number: int
    ids: int  # the node that chose
    missing: tuple[Key, ...]
    readings: dict[str, Reading] = field(default_factory=dict)  # by tensor


class ExpertStream:
    """Observes the contexts of one model. `decode` and the callback belong to one thread."""

    def __init__(self, weights: ExpertWeights, region: Region, cache: ExpertCache, lanes: Lanes) -> None:
        assert ctypes.sizeof(GgmlTensor) == 336, ctypes.sizeof(GgmlTensor)
        self._weights = weights
        self._region = region
        self._cache = cache
        self._lanes = lanes
        self._by_layer = weights.experts.by_layer
        self._mul_mat_id = mul_mat_id()
        self._before_down: set[bytes] = set()  # names of nodes that a `down` reads, and that nothing else waits for
        self._layer: _Layer | None = None
        self._batch: _Batch | None = None
        self.callback = load_library().ggml_backend_sched_eval_callback(self._observe)

    def decode(self, evaluate: Callable[[], None], abort: AbortFlag, *, protect: bool) -> None:
        """Run `evaluate`, a decode of a context with this callback and flag, with experts from the region.

        `Aborted` where the flag was raised, `ModelError` where an expert cannot be read; in both the batch's KV is not
        to be trusted.
        """
        assert self._batch is None, "one batch at a time"
        batch = self._batch = _Batch(abort, protect)
        try:
            with self._weights.in_region():
                evaluate()
        except Exception:
            if batch.failure is None:
                raise
        finally:
            self._leave_layer()
            self._batch = None
        if batch.failure is not None:
            if not isinstance(batch.failure, Aborted):
                abort.clear()  # it was raised here, for this batch
            raise batch.failure

    def resize(self, budget_bytes: int) -> None:
        """Have another budget from now on, between two batches."""
        assert self._batch is None, "in the middle of a batch"
        self._evict(self._cache.resize(budget_bytes))

    # Inside the callback

    def _observe(self, address: int, ask: bool, _data: Any) -> bool:
        batch = self._batch
        if batch is None:  # outside, the weights are the mapped ones
            return False
        try:
            if batch.failure is None:
                if ask:
                    return self._is_wanted(address)
                self._see(address, batch)
        except BaseException as failure:  # none may get out: ctypes would print it, and llama.cpp compute on
            batch.failure = failure
            batch.abort.set()  # the next node is the last one to be computed
        # False for a node that is shown would skip what follows, and the decode would count as done.
        return not ask

    def _is_wanted(self, address: int) -> bool:
        glance = ctypes.string_at(address + _SRC, _N_GLANCE)  # one look for both: this is asked for each node
        weights = self._weights.by_address.get(int.from_bytes(glance[:_POINTER], sys.byteorder))
        if weights is not None:
            self._await_experts(GgmlTensor.from_address(address), weights)
            return False
        if glance[-len(_TOPK) :] == _TOPK:
            return int(_name(address)[len(_TOPK) :]) in self._by_layer
        layer = self._layer
        if layer is None or not layer.readings or _name(address) not in self._before_down:
            return False
        return not all(reading.complete for reading in layer.readings.values())

    def _see(self, address: int, batch: _Batch) -> None:
        node = GgmlTensor.from_address(address)
        if node.name.startswith(_TOPK):
            self._choose(address, int(node.name[len(_TOPK) :]), _ids(node), batch.protect)
        elif self._layer is not None:
            for reading in self._layer.readings.values():
                self._await(reading)

    def _choose(self, address: int, number: int, experts: set[int], protect: bool) -> None:
        self._leave_layer()
        change = self._cache.acquire(number, sorted(experts), protect=protect)
        layer = self._layer = _Layer(number, address, change.missing)
        self._evict(change.evicted)
        if not change.missing:
            return
        for tensor in self._by_layer[number]:
            pieces = [
                Piece(tensor.slice(key.expert), self._region.layout.at(tensor, key.expert)) for key in change.missing
            ]
            layer.readings[tensor.name] = self._lanes.read(pieces)

    def _await_experts(self, node: GgmlTensor, tensor: ExpertTensor) -> None:
        """Let `node`, which reads `tensor`, be computed only with experts that are there."""
        layer = self._layer
        if node.op != self._mul_mat_id or layer is None or layer.number != tensor.layer or node.src[2] != layer.ids:
            raise NotDone(
                f"{tensor.name} is used by {node.name.decode('utf-8', 'replace')} in a way that cannot be followed;"
                " turn the offload off for this model"
            )
        if tensor.projection == "down" and node.src[1]:
            self._before_down.add(_name(node.src[1]))
        if reading := layer.readings.get(tensor.name):
            self._await(reading)

    def _await(self, reading: Reading) -> None:
        assert self._batch is not None, "outside of a batch"
        if not reading.wait(self._batch.abort.__bool__):
            raise Aborted

    def _leave_layer(self) -> None:
        """The layer in flight is over; what did not arrive was never there."""
        layer, self._layer = self._layer, None
        if layer is None or not layer.missing:
            return
        for reading in layer.readings.values():
            reading.cancel()
        arrived = [reading for reading in layer.readings.values() if reading.complete]
        if len(arrived) < len(self._by_layer[layer.number]):
            self._cache.drop(layer.missing)
            self._evict(layer.missing)

    def _evict(self, keys: tuple[Key, ...]) -> None:
        for layer, expert in keys:
            for tensor in self._by_layer[layer]:
                self._region.evict(tensor, expert)


class StreamedContext(Context):
    """A context whose experts come from a stream. `protect` says whether its next batches are a completion's."""

    def __init__(
        self,
        stream: ExpertStream,
        model: Model,
        *,
        n_ctx: int,
        n_batch: int,
        n_threads: int,
        n_seq_max: int = 1,
        n_outputs_max: int = 0,
        abort: AbortFlag,
    ) -> None:
        self._stream = stream
        self.protect = True
        super().__init__(
            model,
            n_ctx=n_ctx,
            n_batch=n_batch,
            n_threads=n_threads,
            n_seq_max=n_seq_max,
            n_outputs_max=n_outputs_max,
            abort=abort,
            eval_callback=stream.callback,
            op_offload=False,  # a GPU would be sent whole layers
        )

    def decode(self, tokens: Sequence[BatchToken]) -> None:
        """As `Context.decode`; `ModelError` as well, when an expert cannot be read."""
        self._stream.decode(lambda: super(StreamedContext, self).decode(tokens), self._abort, protect=self.protect)


def _name(address: int) -> bytes:
    return ctypes.string_at(address + _NAME)


def _ids(node: GgmlTensor) -> set[int]:
    """The experts that were chosen, for whatever token."""
    n_used, n_tokens = node.ne[0], node.ne[1]
    row = ctypes.c_int32 * n_used
    chosen: set[int] = set()
    for token in range(n_tokens):  # a strided view of the full argsort: rows lie nb[1] bytes apart
        chosen.update(row.from_address(node.data + token * node.nb[1]))
    return chosen
