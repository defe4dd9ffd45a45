"""llama.cpp's own tensors of a loaded model, found by name, and the expert tensors among them pointed elsewhere.

llama.cpp has no public call for it, but the library exports the method of its class that it uses itself,
`llama_model::get_tensor` (src/llama-model.cpp). What is found is held against the file's header before it is touched:
name, type, shape, strides, and that the data lie where the file is mapped.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.library import native_function
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import GgmlTensor, in_host_memory
from dsassist_runtime.offload.experts import Experts, ExpertTensor
from dsassist_runtime.offload.region import Region

__all__ = ["ExpertWeights", "mul_mat_id", "tensor_getter"]

_GET_TENSOR = "_ZNK11llama_model10get_tensorEPKc"  # the name that the Itanium C++ ABI (Linux, macOS) gives it
_N_OPS = 256


class _Bound(NamedTuple):
    tensor: ExpertTensor
    native: GgmlTensor
    data: int  # where the file is mapped
    address: int  # in the region
    stride: int


class ExpertWeights:
    """The expert tensors of a model, and where its files are mapped. It must not outlive the model."""

    def __init__(self, model: Model, experts: Experts, region: Region) -> None:
        """Find them; `NotDone` when llama.cpp has not laid them out as the file does."""
        self._model = model
        self._get = tensor_getter()
        found = {tensor.name: self._address(tensor.name) for tensor in experts.tensors}
        # Layers for speculation are in some files, and llama.cpp leaves them out.
        self.experts = experts.without(name for name, address in found.items() if not address)
        self._bound: list[_Bound] = []
        self.by_address: dict[int, ExpertTensor] = {}
        self._mappings: dict[int, int] = {}  # of each file with experts: where its first byte would be
        for tensor in self.experts.tensors:
            address = found[tensor.name]
            native = GgmlTensor.from_address(address)
            self._check(tensor, native)
            self.by_address[address] = tensor
            place = region.address(tensor)
            self._bound.append(_Bound(tensor, native, native.data, place, region.layout.stride(tensor)))

    @contextmanager
    def in_region(self) -> Iterator[None]:
        """Inside, llama.cpp computes with what lies in the region; outside, with the mapped files as ever.

        So a context that knows nothing of the region is slow at most, and never wrong.
        """
        for bound in self._bound:
            bound.native.data = bound.address
            bound.native.nb[2] = bound.stride
        try:
            yield
        finally:
            for bound in self._bound:
                bound.native.data = bound.data
                bound.native.nb[2] = bound.tensor.slice_bytes

    def mapped_experts(self) -> list[tuple[int, int]]:
        """The addresses [start, end) where the mapped files have experts."""
        return [(bound.data, bound.data + bound.tensor.n_experts * bound.tensor.slice_bytes) for bound in self._bound]

    def mapped_others(self) -> list[tuple[int, int]]:
        """The addresses [start, end) of all weights that are no streamed experts and lie in the machine's memory."""
        ranges = []
        ours = {bound.tensor.name for bound in self._bound}
        for header in self.experts.headers:
            for tensor in header.tensors:
                if tensor.name in ours:
                    continue
                if address := self._address(tensor.name):
                    native = GgmlTensor.from_address(address)
                    if in_host_memory(native):
                        ranges.append((native.data, native.data + tensor.n_bytes))
        return ranges

    def _address(self, name: str) -> int:
        return self._get(self._model.pointer, name.encode()) or 0

    def _check(self, tensor: ExpertTensor, native: GgmlTensor) -> None:
        seen = (native.name, native.type, tuple(native.ne[:3]), native.nb[2])
        expected = (tensor.name.encode(), tensor.type, tensor.shape, tensor.slice_bytes)
        mapping = (native.data or 0) - tensor.offset
        if seen != expected or native.extra or self._mappings.setdefault(tensor.file, mapping) != mapping:
            raise NotDone(
                f"llama.cpp holds {tensor.name} otherwise than {self._model.path} does ({seen}, expected {expected}),"
                " so its experts cannot wait on disk; serve it with --plan off"
            )


def tensor_getter() -> Callable[[int, bytes], int | None]:
    """What finds a tensor by its model's pointer and its name; `NotDone` where llama.cpp does not export it."""
    try:
        return native_function(_GET_TENSOR, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
    except AttributeError:
        raise NotDone(
            "this build of llama.cpp does not export its model's tensors, so experts cannot wait on disk;"
            " serve it with --plan off"
        ) from None


def mul_mat_id() -> int:
    """ggml's number of the operation that multiplies with chosen experts; it moves when operations are added."""
    name = native_function("ggml_op_name", ctypes.c_char_p, ctypes.c_int)
    for op in range(_N_OPS):
        if name(op) == b"MUL_MAT_ID":
            return op
    raise NotDone("this build of llama.cpp has no operation MUL_MAT_ID, so experts cannot wait on disk")
