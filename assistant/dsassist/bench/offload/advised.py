"""The best that is known for a mapped file: no read-ahead among the experts, and the chosen ones asked for at once.

The kernel is told of each chosen slice as soon as the router has chosen it, and reads them side by side while llama.cpp
goes on into the first of them. What is kept in memory stays the page cache's decision.
"""

from __future__ import annotations

import ctypes
import mmap
from typing import Any

from dsassist_runtime.llama.library import load_library
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor
from dsassist_runtime.offload.experts import find_experts
from dsassist_runtime.offload.weights import tensor_getter

__all__ = ["WillNeed"]

_TOPK = b"ffn_moe_topk-"


class WillNeed:
    """Observes a context of `model` by its `callback`; keep it while that lives."""

    def __init__(self, model: Model) -> None:
        get = tensor_getter()
        self._madvise = ctypes.CDLL(None).madvise
        self._layers: dict[int, list[tuple[int, int]]] = {}  # of each tensor: where it is mapped, a slice's size
        for tensor in find_experts(model.path).tensors:
            if address := get(model.pointer, tensor.name.encode()):
                data = GgmlTensor.from_address(address).data
                self._layers.setdefault(tensor.layer, []).append((data, tensor.slice_bytes))
                self._advise(data, tensor.n_experts * tensor.slice_bytes, mmap.MADV_RANDOM)
        self.callback = load_library().ggml_backend_sched_eval_callback(self._observe)

    def _observe(self, address: int, ask: bool, _data: Any) -> bool:
        if ask:
            return ctypes.string_at(address + GgmlTensor.name.offset, len(_TOPK)) == _TOPK
        node = GgmlTensor.from_address(address)
        chosen: set[int] = set()
        for token in range(node.ne[1]):  # a strided view of the full argsort: rows lie nb[1] bytes apart
            chosen.update((ctypes.c_int32 * node.ne[0]).from_address(node.data + token * node.nb[1]))
        for data, slice_bytes in self._layers.get(int(node.name[len(_TOPK) :]), ()):
            for expert in chosen:
                self._advise(data + expert * slice_bytes, slice_bytes, mmap.MADV_WILLNEED)
        return True

    def _advise(self, start: int, n_bytes: int, advice: int) -> None:
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        self._madvise(ctypes.c_void_p(first), ctypes.c_size_t(start + n_bytes - first), advice)
