"""Brings the chosen experts into memory while llama.cpp computes, from inside its own callback.

For every node of the graph llama.cpp asks, before it computes anything behind the last node that was wanted, whether
this one is wanted; a wanted one is computed at once, and then shown. So in each layer with experts:

    ask  ffn_moe_topk         yes
    see  ffn_moe_topk         its ids are read: what is missing begins to be read (up, gate, down, in this order)
    ask  up                   here it waits for it; yes, while others of the layer are on their way
    see  up                   it was computed meanwhile
    ask  gate                 the same again
    ask  down                 the same; nothing else is on its way any more, so it is computed with what follows

The wait is tied to the tensor that a node reads, not to a node's name: no multiplication with experts is let through
before each of its slices is in place. What cannot be brought ends the batch as an error; its logits are never seen.
"""

from __future__ import annotations

import ctypes
import functools
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.context import Aborted, AbortFlag, BatchToken, Context
from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor, routed_experts
from dsassist_runtime.offload.cache import Change, ExpertCache, Key
from dsassist_runtime.offload.experts import ExpertTensor
from dsassist_runtime.offload.heat import Heat
from dsassist_runtime.offload.reading import Lanes, Piece, Reading
from dsassist_runtime.offload.region import Region, Slice
from dsassist_runtime.offload.weights import ExpertWeights, mul_mat_id
from dsassist_runtime.offload.work import Work, WorkMeter

__all__ = ["ExpertStream", "StreamedContext"]

_TOPK = b"ffn_moe_topk-"
_NAME = GgmlTensor.name.offset
# What is looked at of every node, in words of 8 bytes: its first source, its ids, and of its name the second word.
_WORD = 8
_SOURCE_WORD, _IDS_WORD, _NAME_WORD = (
    offset // _WORD for offset in (GgmlTensor.src.offset, GgmlTensor.src.offset + 2 * _WORD, _NAME + _WORD)
)
_TOPK_WORD = int.from_bytes(_TOPK[_WORD:].ljust(_WORD, b"\0"), sys.byteorder)
_TOPK_MASK = int.from_bytes(b"\xff" * len(_TOPK[_WORD:]) + bytes(2 * _WORD - len(_TOPK)), sys.byteorder)


@dataclass
class _Batch:
    """What is being decoded."""

    abort: AbortFlag
    protect: bool
    heat: Heat | None
    failure: BaseException | None = None


@dataclass
class _Layer:
    """What is known of the layer in flight."""

    number: int
    ids: int  # the node that chose
    change: Change
    readings: dict[str, Reading] = field(default_factory=dict)  # by tensor

    def chose(self, ids: int) -> bool:
        """Are these the ids, or another device's copy of them? Copies are named "CPU#ffn_moe_topk-3#0"."""
        return ids == self.ids or b"#%s%d#" % (_TOPK, self.number) in _name(ids)


class ExpertStream:
    """Observes the contexts of one model. `decode` and the callback belong to one thread."""

    def __init__(
        self, weights: ExpertWeights, region: Region, cache: ExpertCache, lanes: Lanes, work: WorkMeter
    ) -> None:
        assert ctypes.sizeof(GgmlTensor) == 336, ctypes.sizeof(GgmlTensor)
        self._weights = weights
        self._region = region
        self._cache = cache
        self._lanes = lanes
        self.work = work
        self.heat: Heat | None = None  # where what completions want is counted
        self.waited_s = 0.0  # for experts, so far
        self._by_layer = weights.experts.by_layer
        self._sources = weights.by_address
        # All memory, word by word; it begins at the second one, for ctypes takes the first for none at all.
        self._words = ctypes.cast(ctypes.c_void_p(_WORD), ctypes.POINTER(ctypes.c_uint64))
        self._mul_mat_id = mul_mat_id()
        self._asked = 0, 0  # the node of choices that llama.cpp asked for last, and its layer
        self._layer: _Layer | None = None
        self._batch: _Batch | None = None
        self.callback = load_library().ggml_backend_sched_eval_callback(self._observe)

    def decode(
        self, evaluate: Callable[[], None], abort: AbortFlag, *, protect: bool, counts_as_heat: bool = True
    ) -> None:
        """Run `evaluate`, a decode of a context with this callback and flag, with experts from the region.

        `Aborted` where the flag was raised, `ModelError` where an expert cannot be read; in both the batch's KV is not
        to be trusted.
        """
        assert self._batch is None, "one batch at a time"
        batch = self._batch = _Batch(abort, protect, self.heat if counts_as_heat else None)
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
        if ask:
            # Asked for each of some 70 nodes a layer, nearly all of which end here: one look at source and name.
            words, node = self._words, address // _WORD - 1
            source = words[node + _SOURCE_WORD]
            if source not in self._sources and words[node + _NAME_WORD] & _TOPK_MASK != _TOPK_WORD:
                return False
        try:
            if batch.failure is None:
                if ask:
                    return self._is_wanted(address, self._sources.get(source))
                self._see(address, batch)
        except BaseException as failure:  # none may get out: ctypes would print it, and llama.cpp compute on
            batch.failure = failure
            batch.abort.set()  # the next node is the last one to be computed
        # False for a node that is shown would skip what follows, and the decode would count as done.
        return not ask

    def _is_wanted(self, address: int, weights: ExpertTensor | None) -> bool:
        if weights is not None:
            return self._await_experts(address, weights)
        number = _layer_of(address)
        self._asked = address, number
        return number in self._by_layer

    def _see(self, address: int, batch: _Batch) -> None:
        asked, number = self._asked
        if address == asked:  # else it is one that experts were awaited for
            experts = _ids(GgmlTensor.from_address(address))
            if batch.heat is not None:
                batch.heat.count(number, experts)
            self._choose(address, number, experts, batch.protect)

    def _choose(self, address: int, number: int, experts: set[int], protect: bool) -> None:
        self._leave_layer()
        change = self._cache.acquire(number, sorted(experts), protect=protect)
        layer = self._layer = _Layer(number, address, change)
        self._evict(change.evicted[len(change.missing) :])
        if not change.missing:
            return
        replaced = self._replaced(change)
        at = self._region.layout.at
        for tensor in self._by_layer[number]:
            pieces = [
                Piece(tensor.slice(expert), at(tensor, expert), replaced.get((tensor.projection, expert)))
                for _layer, expert in change.missing
            ]
            layer.readings[tensor.name] = self._lanes.read(pieces)

    def _replaced(self, change: Change) -> dict[tuple[str, int], Callable[[], None]]:
        """How each slice that is to be read gets the memory of one that goes for it."""
        how: dict[tuple[str, int], Callable[[], None]] = {}
        for new, old in zip(change.missing, change.evicted, strict=False):
            olds = {tensor.projection: tensor for tensor in self._by_layer[old.layer]}
            for tensor in self._by_layer[new.layer]:
                if gone := olds.pop(tensor.projection, None):
                    slices = Slice(gone, old.expert), Slice(tensor, new.expert)
                    how[tensor.projection, new.expert] = functools.partial(self._region.replace, *slices)
            for gone in olds.values():
                self._region.evict(gone, old.expert)
        return how

    def _await_experts(self, address: int, tensor: ExpertTensor) -> bool:
        """Let a node that reads `tensor` be computed with nothing missing; is it to be computed at once?"""
        layer, words, node = self._layer, self._words, address // _WORD - 1
        is_followed = layer is not None and layer.number == tensor.layer and layer.chose(words[node + _IDS_WORD])
        op = ctypes.c_int.from_address(address + GgmlTensor.op.offset).value
        if layer is None or op != self._mul_mat_id or not is_followed:
            raise NotDone(
                f"{tensor.name} is used by {_name(address).decode('utf-8', 'replace')} in a way that cannot be"
                " followed; serve this model with --plan off"
            )
        if not layer.readings:
            return False
        self._await(layer.readings[tensor.name])
        return not all(reading.complete for reading in layer.readings.values())

    def _await(self, reading: Reading) -> None:
        assert self._batch is not None, "outside of a batch"
        if reading.complete:
            return
        began = time.perf_counter()
        try:
            if not reading.wait(self._batch.abort.__bool__):
                raise Aborted
        finally:
            self.waited_s += time.perf_counter() - began

    def _leave_layer(self) -> None:
        """The layer in flight is over; what did not arrive was never there."""
        layer, self._layer = self._layer, None
        if layer is None or not layer.readings:
            return
        for reading in layer.readings.values():
            reading.cancel()
        arrived = [reading for reading in layer.readings.values() if reading.complete]
        if len(arrived) < len(self._by_layer[layer.number]):
            self._cache.drop(layer.change.missing)
            self._evict(layer.change.missing)
            self._evict(layer.change.evicted)  # those whose memory was not taken over yet

    def _evict(self, keys: tuple[Key, ...]) -> None:
        for layer, expert in keys:
            for tensor in self._by_layer[layer]:
                self._region.evict(tensor, expert)


class StreamedContext(Context):
    """A context whose experts come from a stream.

    `protect` says whether what its next batches use is kept from what they do not, `work` what they count as.
    """

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
        self.work: Work = "text"
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
        stream, counts_as_heat = self._stream, self.work != "other"
        with stream.work.batch(self.work, len(tokens)):
            stream.decode(
                lambda: super(StreamedContext, self).decode(tokens),
                self._abort,
                protect=self.protect,
                counts_as_heat=counts_as_heat,
            )


def _name(address: int) -> bytes:
    return ctypes.string_at(address + _NAME)


def _layer_of(address: int) -> int:
    """The layer of a node of choices; no layer's number for one that is only called alike."""
    name = _name(address)
    return int(name[len(_TOPK) :]) if name.startswith(_TOPK) else -1


def _ids(node: GgmlTensor) -> set[int]:
    """The experts that were chosen, for whatever token."""
    chosen: set[int] = set()
    for row in routed_experts(node):
        chosen.update(row)
    return chosen
