"""ggml's storage types to and from floating-point numbers, by ggml's own functions."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.llama.library import native_function

__all__ = ["TYPE_NUMBERS", "dequantized", "fitting_type", "quantized"]

TYPE_NUMBERS = {each.name: number for number, each in TENSOR_TYPES.items()}

# What llama.cpp's quantizer takes where a row is no multiple of 256 (tensor_type_fallback in llama-quant.cpp).
_BLOCKS_OF_32 = {"Q2_K": "Q4_0", "Q3_K": "Q4_0", "Q4_K": "Q5_0", "Q5_K": "Q5_1", "Q6_K": "Q8_0", "IQ4_XS": "IQ4_NL"}


class _Traits(ctypes.Structure):
    """`ggml_type_traits` of ggml.h."""

    _fields_ = [
        ("type_name", ctypes.c_char_p),
        ("block", ctypes.c_int64),
        ("block_interleave", ctypes.c_int64),
        ("size", ctypes.c_size_t),
        ("is_quantized", ctypes.c_bool),
        ("to_float", ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64)),
        ("from_float", ctypes.c_void_p),
    ]


def dequantized(raw: NDArray[np.uint8], kind: int) -> NDArray[np.float32]:
    """`(..., row)` float32 of `(..., bytes of a row)` in ggml's type `kind`."""
    _, block, size = TENSOR_TYPES[kind]
    if kind == TYPE_NUMBERS["F32"]:
        return np.ascontiguousarray(raw).view(np.float32)
    raw = np.ascontiguousarray(raw)
    values = np.empty((*raw.shape[:-1], raw.shape[-1] // size * block), np.float32)
    traits = native_function("ggml_get_type_traits", ctypes.POINTER(_Traits), ctypes.c_int)(kind).contents
    assert (traits.block, traits.size) == (block, size), (kind, traits.block, traits.size)
    traits.to_float(raw.ctypes.data, values.ctypes.data, values.size)
    return values


def quantized(
    values: NDArray[np.float32], kind: int, importance: NDArray[np.float32] | None = None
) -> NDArray[np.uint8]:
    """`(..., bytes of a row)` in ggml's type `kind` of `(..., row)` float32; a row is a multiple of the type's block.

    `importance` `(row,)` tells in which columns an error costs most.
    """
    _, block, size = TENSOR_TYPES[kind]
    values = np.ascontiguousarray(values, np.float32)
    *rows, row = values.shape
    assert row % block == 0, (row, block)
    raw = np.empty((*rows, row // block * size), np.uint8)
    pointer, count = ctypes.c_void_p, ctypes.c_int64
    quantize = native_function(
        "ggml_quantize_chunk", ctypes.c_size_t, ctypes.c_int, pointer, pointer, count, count, count, pointer
    )
    weights = None if importance is None else np.ascontiguousarray(importance, np.float32)
    address = None if weights is None else weights.ctypes.data
    written = quantize(kind, values.ctypes.data, raw.ctypes.data, 0, values.size // row, row, address)
    assert written == raw.nbytes, (written, raw.nbytes)
    return raw


def fitting_type(name: str, row: int) -> str:
    """The type itself, or the next one whose blocks divide a row of this many numbers."""
    while row % TENSOR_TYPES[TYPE_NUMBERS[name]].block:
        name = _BLOCKS_OF_32.get(name, "F16")
    return name
