"""How fast all cores together read memory: a token's time, where a model lies in memory, cannot be less than this.

C's own `memchr` looks for a byte that is not there, which reads as fast as a core can, and ctypes lets go of the
interpreter meanwhile. The best of many short passes counts: another program can only make one slower.
"""

from __future__ import annotations

import ctypes
import itertools
import mmap
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

from dsassist_runtime.errors import NotDone
from dsassist_runtime.planning.kept import is_busy, keep, kept

__all__ = ["Bandwidth", "measure_bandwidth", "memory_bandwidth", "thread_counts"]

_BYTES = 256 << 20
_PARTS = 8  # a pass goes through one of them: a short one is the less disturbed
_WINDOW_S = 0.3  # for each number of threads
_WHAT = "bytes/s that memory is read with"


@dataclass(frozen=True)
class Bandwidth:
    """Of reading; `busy` when other programs ran meanwhile, and it may be more."""

    bytes_s: float
    busy: bool


def memory_bandwidth(*, again: bool = False, n_bytes: int = _BYTES) -> Bandwidth:
    """Measured (a second) unless a measurement is kept; `again` measures all the same.

    `n_bytes` are gone through: more than the caches hold, or it is the caches that are measured.
    """
    value = None if again else kept(_WHAT)
    if value is not None and isinstance(speed := value.get("bytes_s"), int | float) and speed > 0:
        return Bandwidth(float(speed), bool(value.get("busy")))
    measured = measure_bandwidth(n_bytes)
    keep(_WHAT, asdict(measured))
    return measured


def measure_bandwidth(n_bytes: int) -> Bandwidth:
    """Measured now, with as many threads as there are cores, and with fewer."""
    library = ctypes.CDLL(None)
    library.memchr.restype = ctypes.c_void_p
    library.memchr.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    try:
        room = mmap.mmap(-1, n_bytes)
    except OSError as error:
        raise NotDone(f"memory cannot be measured: there are no {n_bytes >> 20} MB free for it") from error
    with room:
        view = (ctypes.c_char * n_bytes).from_buffer(room)
        try:
            start = ctypes.addressof(view)
            ctypes.memset(start, 1, n_bytes)  # untouched pages would all be the one page of zeros
            best = max(_best_pass(library.memchr, start, n_bytes, n_threads) for n_threads in thread_counts())
        finally:
            del view
    return Bandwidth(best, is_busy())


def _best_pass(memchr: ctypes._NamedFuncPointer, start: int, n_bytes: int, n_threads: int) -> float:
    part = n_bytes // (_PARTS * n_threads)
    best, until = 0.0, time.perf_counter() + _WINDOW_S
    with ThreadPoolExecutor(n_threads) as pool:
        for number in itertools.cycle(range(_PARTS)):  # what a pass reads was read before by all the others
            at = start + number * part * n_threads
            places = [at + index * part for index in range(n_threads)]
            began = time.perf_counter()
            list(pool.map(lambda place: memchr(place, 0, part), places))
            ended = time.perf_counter()
            best = max(best, part * n_threads / (ended - began))
            if ended > until:
                break
    return best


def thread_counts() -> list[int]:
    """With how many threads it is worth measuring: one, half of the cores, and all."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return sorted({1, max(1, cores // 2), cores})
