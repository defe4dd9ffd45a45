"""Which experts a mixture of experts chose: an observer of the graph's `ffn_moe_topk-<layer>` nodes.

llama.cpp asks the callback about every node of the graph, which costs an interpreter round trip each, so a context that
observes is slower; the engine makes one only for a request that asks for it.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Iterator
from typing import Any

from dsassist_runtime.api import LayerRouting
from dsassist_runtime.llama.library import load_library, native_function

__all__ = ["GgmlTensor", "RoutingObserver", "in_host_memory", "routed_experts", "routed_experts_copied"]

_NODE = b"ffn_moe_topk-"
_NAME_OFFSET = 256


class GgmlTensor(ctypes.Structure):
    """`ggml_tensor` of the pinned release, which llama-cpp-python does not bind (336 bytes)."""

    _fields_ = [
        ("type", ctypes.c_int),
        ("buffer", ctypes.c_void_p),
        ("ne", ctypes.c_int64 * 4),
        ("nb", ctypes.c_size_t * 4),
        ("op", ctypes.c_int),
        ("op_params", ctypes.c_int32 * 16),
        ("flags", ctypes.c_int32),
        ("src", ctypes.c_void_p * 10),
        ("view_src", ctypes.c_void_p),
        ("view_offs", ctypes.c_size_t),
        ("data", ctypes.c_void_p),
        ("name", ctypes.c_char * 64),
        ("extra", ctypes.c_void_p),
        ("padding", ctypes.c_char * 8),
    ]


def in_host_memory(tensor: GgmlTensor) -> bool:
    """Can its data be read by their address, which for a tensor on a GPU is none of this process?"""
    source = tensor.view_src
    return _buffer_is_host()(GgmlTensor.from_address(source).buffer if source else tensor.buffer)


@functools.cache
def _buffer_is_host() -> Callable[[int | None], bool]:
    return native_function("ggml_backend_buffer_is_host", ctypes.c_bool, ctypes.c_void_p)


def routed_experts(node: GgmlTensor) -> Iterator[ctypes.Array[ctypes.c_int32]]:
    """The experts of each token, of a computed `ffn_moe_topk-<layer>`; a row is good until the next is asked for."""
    if not in_host_memory(node):
        yield from routed_experts_copied(node)
        return
    row = ctypes.c_int32 * node.ne[0]
    for token in range(node.ne[1]):  # a strided view of the full argsort: rows lie nb[1] bytes apart
        yield row.from_address(node.data + token * node.nb[1])


def routed_experts_copied(node: GgmlTensor) -> Iterator[ctypes.Array[ctypes.c_int32]]:
    """The same, wherever the node lies: it is copied from there, its parent being without gaps."""
    row, stride = ctypes.c_int32 * node.ne[0], node.nb[1]
    room = ctypes.create_string_buffer(stride * (node.ne[1] - 1) + ctypes.sizeof(row))
    get = native_function("ggml_backend_tensor_get", None, *[ctypes.c_void_p] * 2, *[ctypes.c_size_t] * 2)
    source, offset = (node.view_src, node.view_offs) if node.view_src else (ctypes.addressof(node), 0)
    get(source, room, offset, len(room))
    for token in range(node.ne[1]):
        yield row.from_buffer(room, token * stride)


class RoutingObserver:
    """Counts how often each expert was chosen. Pass `callback` to a `Context`, and keep this object while that lives.

    In the last layer llama.cpp computes only the tokens whose logits are wanted, so its counts are lower.
    """

    def __init__(self, n_experts: int) -> None:
        assert ctypes.sizeof(GgmlTensor) == 336, ctypes.sizeof(GgmlTensor)
        assert GgmlTensor.name.offset == _NAME_OFFSET, GgmlTensor.name.offset
        self._n_experts = n_experts
        self._counts: dict[int, list[int]] = {}
        self.callback = load_library().ggml_backend_sched_eval_callback(self._observe)

    def result(self) -> tuple[LayerRouting, ...]:
        """The counts so far, a row per layer with experts."""
        return tuple(LayerRouting(layer, tuple(counts)) for layer, counts in sorted(self._counts.items()))

    def _observe(self, address: int, ask: bool, _data: Any) -> bool:
        if ask:
            return ctypes.string_at(address + _NAME_OFFSET, len(_NODE)) == _NODE
        tensor = GgmlTensor.from_address(address)
        counts = self._counts.setdefault(int(tensor.name[len(_NODE) :]), [0] * self._n_experts)
        for row in routed_experts(tensor):
            for expert in row:
                counts[expert] += 1
        return True
