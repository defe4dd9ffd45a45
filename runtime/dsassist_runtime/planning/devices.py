"""The devices that llama.cpp was built for, and their free memory; none but the CPU in a plain build."""

from __future__ import annotations

import ctypes
import platform
import sys
from dataclasses import dataclass

from dsassist_runtime.llama.library import load_library

__all__ = ["Device", "devices"]

_CPU, _GPU, _INTEGRATED = 0, 1, 2  # ggml_backend_dev_type


@dataclass(frozen=True)
class Device:
    """A device with memory for weights. One that `shares_memory` has none of its own: it takes from the RAM."""

    name: str
    description: str
    free_bytes: int
    shares_memory: bool


def devices() -> tuple[Device, ...]:
    """The GPUs that llama.cpp sees; `NotDone` when the library is missing."""
    library = load_library()._lib
    library.ggml_backend_dev_count.restype = ctypes.c_size_t
    library.ggml_backend_dev_get.restype = ctypes.c_void_p
    library.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
    for name, result in (("type", ctypes.c_int), ("name", ctypes.c_char_p), ("description", ctypes.c_char_p)):
        function = getattr(library, f"ggml_backend_dev_{name}")
        function.restype, function.argtypes = result, [ctypes.c_void_p]
    library.ggml_backend_dev_memory.restype = None
    library.ggml_backend_dev_memory.argtypes = [ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_size_t)] * 2]
    found = []
    for index in range(library.ggml_backend_dev_count()):
        device = library.ggml_backend_dev_get(index)
        kind = library.ggml_backend_dev_type(device)
        if kind not in (_GPU, _INTEGRATED):
            continue
        free, total = ctypes.c_size_t(), ctypes.c_size_t()
        library.ggml_backend_dev_memory(device, ctypes.byref(free), ctypes.byref(total))
        found.append(
            Device(
                library.ggml_backend_dev_name(device).decode("utf-8", "replace"),
                library.ggml_backend_dev_description(device).decode("utf-8", "replace"),
                free.value,
                shares_memory=kind == _INTEGRATED or (sys.platform, platform.machine()) == ("darwin", "arm64"),
            )
        )
    return tuple(found)
