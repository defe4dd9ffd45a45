"""The door to llama-cpp-python: loads the library in the right environment, and refuses any version but the pinned one.

The low-level API passes C structs by value; a struct that grew in another release would not fail, it would compute
nonsense. So the version, the struct sizes and a few defaults that lie at both ends of the structs are checked before
anything else happens.
"""

from __future__ import annotations

import ctypes
import functools
import os
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from dsassist_runtime.errors import NotDone

__all__ = ["COMPILE_ANEW", "PINNED", "barrier_environment", "last_words", "load_library", "native_function"]

PINNED = "0.3.36"
_LLAMA_CPP = "0.5.0"
_AGAIN = f"install it again: pip install --force-reinstall --no-cache-dir llama-cpp-python=={PINNED}"
COMPILE_ANEW = (
    f"pip install --force-reinstall --no-deps --no-cache-dir llama-cpp-python=={PINNED}, on a processor with AMX with"
    " CMAKE_ARGS=-DCMAKE_CXX_FLAGS=-mno-amx-int8 before it"
)
_SIZES = {  # bytes, on 64-bit systems
    "llama_model_params": 80,
    "llama_context_params": 160,
    "llama_batch": 56,
    "llama_model_kv_override": 264,
    "llama_token_data": 12,
}

_GGML_LOG_LEVEL_ERROR = 4

_log: deque[str] = deque(maxlen=60)


@functools.cache
def load_library() -> Any:
    """The module `llama_cpp.llama_cpp`, checked and quiet; `NotDone` when it is missing or not the pinned version."""
    os.environ.update(barrier_environment(os.environ))  # libgomp reads it once, when it is loaded
    try:
        import llama_cpp
        import llama_cpp.llama_cpp as library
    except (ImportError, OSError, RuntimeError) as error:
        raise NotDone(f"llama-cpp-python cannot be loaded ({error}); {_AGAIN}") from error
    _check(llama_cpp.__version__, library)
    library.llama_log_set(_LOG_CALLBACK, ctypes.c_void_p(0))
    library.llama_backend_init()
    return library


@functools.cache
def native_function(name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
    """A function that llama-cpp-python does not bind, with its types; `AttributeError` where there is none."""
    function: Any = load_library()._lib[name]
    function.restype, function.argtypes = result, list(arguments)
    return function  # type: ignore[no-any-return]


def barrier_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """How long libgomp's threads spin at a barrier before they sleep, unless the user has said something of it.

    Sleeping at once costs half of the speed (Qwen2.5-Coder-0.5B, two threads on a quiet machine: 27 tokens/s, after
    10,000 rounds 36); spinning for long, its default, costs all of it where another program has the core that is waited
    for. `engine.threads` sees to what is left of that.
    """
    if environment.keys() & {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}:
        return {}
    return {"GOMP_SPINCOUNT": "10000"}


def last_words() -> str:
    """The last error that llama.cpp logged, for a message; empty when there was none."""
    # Each failure to load ends with this line; the reason stands in the one before.
    return next((line for line in reversed(_log) if not line.endswith(": failed to load model")), "")


def _check(version: str, library: Any) -> None:
    if version != PINNED:
        raise NotDone(f"llama-cpp-python {version} is installed, dsassist needs {PINNED}; {_AGAIN}")
    built = library.llama_version().decode()
    sizes = {name: ctypes.sizeof(getattr(library, name)) for name in _SIZES}
    context, model = library.llama_context_default_params(), library.llama_model_default_params()
    ends = (
        context.n_ctx,
        context.n_batch,
        context.offload_kqv,
        context.n_samplers,
        model.n_gpu_layers,
        model.use_extra_bufts,
    )
    if not built.startswith(_LLAMA_CPP) or sizes != _SIZES or ends != (512, 2048, True, 0, -1, True):
        raise NotDone(
            f"the llama.cpp library {built} does not match llama-cpp-python {PINNED} ({sizes}, {ends}); {_AGAIN}"
        )


def _log_line(level: int, text: bytes, _data: int) -> None:
    line = text.decode("utf-8", "replace").strip()
    if level == _GGML_LOG_LEVEL_ERROR and line:
        _log.append(line)


# llama.cpp keeps the pointer: the object must live as long as the process.
_LOG_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_char_p, ctypes.c_void_p)(_log_line)
