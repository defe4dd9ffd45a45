"""Lets llama.cpp map a file without reading it.

By itself it has the system read all of a mapped file while it loads (MAP_POPULATE, in `llama_mmap`), which is no use
where most of it shall wait on disk: it takes as long as reading the disk from end to end, and pushes everybody else's
files out of the page cache. It leaves that out on machines of several NUMA nodes, where it tells the system to read
nothing ahead either. Whether this is one it asks the CPU backend by a table of pointers (`ggml_backend_reg`,
ggml-backend-impl.h), in which another answer stands meanwhile.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from dsassist_runtime.llama.library import native_function

__all__ = ["unread_mappings"]

_ASKED = b"ggml_backend_cpu_is_numa"
_API_VERSION = 2  # GGML_BACKEND_API_VERSION of the pinned release; the table is another one where this differs
_GetProcAddress = ctypes.CFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)
_IsNuma = ctypes.CFUNCTYPE(ctypes.c_bool)
_lock = threading.Lock()


class _Registry(ctypes.Structure):
    """`ggml_backend_reg`."""

    _fields_ = [
        ("api_version", ctypes.c_int),
        ("get_name", ctypes.c_void_p),
        ("get_device_count", ctypes.c_void_p),
        ("get_device", ctypes.c_void_p),
        ("get_proc_address", ctypes.c_void_p),
        ("context", ctypes.c_void_p),
    ]


@contextmanager
def unread_mappings() -> Iterator[None]:
    """Inside, files that llama.cpp maps are not read, and the system reads nothing ahead in them.

    So they stay until `madvise` says otherwise. Where the table is not the one that is known, files are read as ever.
    """
    with _lock:
        address = native_function("ggml_backend_cpu_reg", ctypes.c_void_p)()
        registry = _Registry.from_address(address)
        original = registry.get_proc_address
        if registry.api_version != _API_VERSION or not original:
            yield
            return
        ask = _GetProcAddress(original)
        yes = _IsNuma(lambda: True)
        answer = ctypes.cast(yes, ctypes.c_void_p).value
        # An exception cannot get out of a callback, and none can be raised here.
        asked = _GetProcAddress(lambda reg, name: answer if name == _ASKED else ask(reg, name))
        registry.get_proc_address = ctypes.cast(asked, ctypes.c_void_p).value
        try:
            yield
        finally:
            registry.get_proc_address = original
