"""How fast this machine multiplies matrices with a vector, as each token of a text does, by the type of their weights.

Where weights must be unpacked first, cores often need longer for that than memory does to bring them: on the two cores
that this was written on, Q5_0 comes to half of what memory gives. So each type is measured, with ggml's own code, on
more weights than the caches hold; the best of many short passes counts. Beside the weights each operation takes its
time, in which threads wait for each other: that is measured with matrices of next to nothing.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import mmap
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from dsassist_runtime.errors import NotDone
from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.llama.library import load_library, native_function
from dsassist_runtime.llama.routing import GgmlTensor
from dsassist_runtime.planning.bandwidth import thread_counts
from dsassist_runtime.planning.kept import is_busy, keep, kept

__all__ = ["Computing", "Pace", "computing_speed", "measure_computing"]

_WIDTH = 2048  # of the vector; the largest block of a type goes into it
_PASS_BYTES = 8 << 20  # a short one is the less disturbed
_MATRICES = 4  # of a pass
_PASSES = 16  # over weights of their own, more than the caches hold
_WINDOW_S = 0.15  # for each type and number of threads
_SMALL_NODES = 128
_BYTE = 0x2C  # twice of it is a small positive number of two bytes: scales that are no numbers would be slow
_F32 = 0
_SUCCESS = 0  # of `ggml_status`
_GRAPH_BYTES, _TENSOR_BYTES = 1 << 18, 1 << 10  # of ggml's own, with room to spare
_WHAT = "bytes/s that weights are multiplied with"


@dataclass(frozen=True)
class Pace:
    """With so many threads: bytes/s of weights, by the name of their type, and the seconds of each operation."""

    n_threads: int
    node_s: float
    bytes_s: Mapping[str, float]


@dataclass(frozen=True)
class Computing:
    """The paces that were measured, none where nobody has; `busy` as for memory."""

    paces: tuple[Pace, ...] = ()
    busy: bool = False

    def token_s(self, token_bytes: Mapping[str, int], n_operations: int, memory_bytes_s: float) -> float:
        """Seconds for so many bytes of each type, with the best number of threads.

        What has no speed of its own is as fast as memory.
        """
        paces = self.paces or (Pace(1, 0.0, {}),)
        return min(
            n_operations * pace.node_s
            + sum(n_bytes / (pace.bytes_s.get(name) or memory_bytes_s) for name, n_bytes in token_bytes.items())
            for pace in paces
        )

    def best_bytes_s(self, name: str) -> float:
        """Of a type, with whatever number of threads; 0 where it has no speed of its own."""
        return max((pace.bytes_s.get(name, 0.0) for pace in self.paces), default=0.0)


class _InitParams(ctypes.Structure):
    """`ggml_init_params`."""

    _fields_ = [("mem_size", ctypes.c_size_t), ("mem_buffer", ctypes.c_void_p), ("no_alloc", ctypes.c_bool)]


class _TypeTraits(ctypes.Structure):
    """The beginning of `ggml_type_traits_cpu`."""

    _fields_ = [("from_float", ctypes.c_void_p), ("vec_dot", ctypes.c_void_p)]


def computing_speed(types: Iterable[int], *, again: bool = False, window_s: float = _WINDOW_S) -> Computing:
    """Of these of ggml's types; what is not kept is measured, or all of it `again`, for each type and number of threads
    as long as `window_s`.

    `NotDone` without the memory to measure in.
    """
    wanted = {number for number in types if number in TENSOR_TYPES}
    earlier = None if again else _from_kept(kept(_WHAT))
    known = set(earlier.paces[0].bytes_s) if earlier is not None else set()
    if earlier is not None and all(TENSOR_TYPES[number].name in known for number in wanted):
        return earlier
    # All of it anew, so that what is compared was measured at one time.
    numbers = {kind.name: number for number, kind in TENSOR_TYPES.items()}
    measured = measure_computing(sorted(wanted | {numbers[name] for name in known if name in numbers}), window_s)
    keep(_WHAT, asdict(measured))
    return measured


def measure_computing(types: Sequence[int], window_s: float) -> Computing:
    """Measured now; types that ggml does not multiply get 0."""
    load_library()
    try:
        room = mmap.mmap(-1, _PASSES * _PASS_BYTES)
    except OSError as error:
        raise NotDone("computing cannot be measured: there is no memory free for it") from error
    with room:
        view = (ctypes.c_char * len(room)).from_buffer(room)
        try:
            weights = ctypes.addressof(view)
            ctypes.memset(weights, _BYTE, len(room))
            paces = tuple(_pace(n_threads, types, weights, window_s) for n_threads in thread_counts())
        finally:
            del view
    return Computing(paces, is_busy())


def _pace(n_threads: int, types: Sequence[int], weights: int, window_s: float) -> Pace:
    node_s = _best_pass(_F32, (32, 4), _SMALL_NODES, [weights], n_threads, window_s) / _SMALL_NODES
    speeds = {TENSOR_TYPES[kind].name: _bytes_s(kind, weights, n_threads, window_s) for kind in types}
    return Pace(n_threads, node_s, speeds)


def _bytes_s(kind: int, weights: int, n_threads: int, window_s: float) -> float:
    traits = native_function("ggml_get_type_traits_cpu", ctypes.c_void_p, ctypes.c_int)(kind)
    if not traits or not _TypeTraits.from_address(traits).vec_dot:
        return 0.0
    _name, block, size = TENSOR_TYPES[kind]
    row_bytes = _WIDTH // block * size
    rows = _PASS_BYTES // _MATRICES // row_bytes
    places = [weights + number * _PASS_BYTES for number in range(_PASSES)]
    best_s = _best_pass(kind, (_WIDTH, rows), _MATRICES, places, n_threads, window_s)
    return _MATRICES * rows * row_bytes / best_s


def _best_pass(
    kind: int, shape: tuple[int, int], n_matrices: int, places: Sequence[int], n_threads: int, window_s: float
) -> float:
    """Seconds of the quickest multiplication of as many matrices, which lie behind each of `places` in turn."""
    best = math.inf
    with _graphs(kind, shape, n_matrices, places) as (backend, graphs):
        compute = native_function("ggml_backend_graph_compute", ctypes.c_int, *[ctypes.c_void_p] * 2)
        native_function("ggml_backend_cpu_set_n_threads", None, ctypes.c_void_p, ctypes.c_int)(backend, n_threads)
        until = time.perf_counter() + window_s
        for graph in itertools.cycle(graphs):
            began = time.perf_counter()
            if compute(backend, graph) != _SUCCESS:
                raise NotDone("this machine cannot compute what the speed of computing is measured by")
            ended = time.perf_counter()
            best = min(best, ended - began)
            if ended > until:
                break
    return best


@contextmanager
def _graphs(
    kind: int, shape: tuple[int, int], n_matrices: int, places: Sequence[int]
) -> Iterator[tuple[int, list[int]]]:
    """A CPU backend, and a graph of multiplications for each place."""
    pointer, whole, size = ctypes.c_void_p, ctypes.c_int64, ctypes.c_size_t
    new_tensor = native_function("ggml_new_tensor_2d", pointer, pointer, ctypes.c_int, whole, whole)
    multiply = native_function("ggml_mul_mat", pointer, *[pointer] * 3)
    no_alloc = native_function("ggml_set_no_alloc", None, pointer, ctypes.c_bool)
    n_bytes = native_function("ggml_nbytes", size, pointer)
    width, rows = shape
    context = native_function("ggml_init", pointer, _InitParams)(
        _InitParams(len(places) * (_GRAPH_BYTES + n_matrices * (_TENSOR_BYTES + 4 * rows)) + 4 * width, None, False)
    )
    backend = native_function("ggml_backend_cpu_init", pointer)()
    try:
        vector = new_tensor(context, _F32, width, 1)
        ctypes.memset(GgmlTensor.from_address(vector).data, _BYTE, 4 * width)
        graphs = []
        for place in places:
            graph = native_function("ggml_new_graph", pointer, pointer)(context)
            for number in range(n_matrices):
                no_alloc(context, True)
                matrix = new_tensor(context, kind, width, rows)
                no_alloc(context, False)
                GgmlTensor.from_address(matrix).data = place + number * n_bytes(matrix)
                product = multiply(context, matrix, vector)
                native_function("ggml_build_forward_expand", None, pointer, pointer)(graph, product)
            graphs.append(graph)
        yield backend, graphs
    finally:
        native_function("ggml_backend_free", None, pointer)(backend)
        native_function("ggml_free", None, pointer)(context)


def _from_kept(value: dict[str, Any] | None) -> Computing | None:
    try:
        paces = tuple(
            Pace(int(each["n_threads"]), float(each["node_s"]), {str(k): float(v) for k, v in each["bytes_s"].items()})
            for each in (value or {})["paces"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
    numbers = [number for pace in paces for number in (pace.node_s, *pace.bytes_s.values())]
    is_good = paces and all(number >= 0 for number in numbers)
    return Computing(paces, bool((value or {}).get("busy"))) if is_good else None
