"""Writes a GGUF file: metadata and tensors, plain numbers or quantized blocks. Format: ggml/docs/gguf.md.

Knows nothing of what they mean. The file appears whole or not at all.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import NotDone
from dsassist_runtime.ggml_types import TENSOR_TYPES

__all__ = ["MetaValue", "WrittenTensor", "write_gguf"]

MetaValue = bool | int | float | str | Sequence[bytes] | Sequence[str] | Sequence[int] | Sequence[float]

_ALIGNMENT = 32
_UINT32, _INT32, _FLOAT32, _BOOL, _STRING, _ARRAY, _UINT64 = 4, 5, 6, 7, 8, 9, 10
_TYPES = {"float32": 0, "float16": 1}


class WrittenTensor(NamedTuple):
    """A tensor by its name; the slowest axis of `values` comes first, float32 or float16.

    With a `type` of ggml's, `values` are the bytes of its blocks, `(..., bytes of a row)`.
    """

    name: str
    values: npt.NDArray[Any]
    type: int | None = None


def write_gguf(path: Path, metadata: Mapping[str, MetaValue], tensors: Sequence[WrittenTensor]) -> None:
    """Write the file; `NotDone` where the disk does not take it.

    Whole numbers become uint32 (negative ones int32, large ones uint64), those of arrays int32, fractions float32.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            _write(file, metadata, tensors)
        part.replace(path)
    except OSError as error:
        size = sum(tensor.values.nbytes for tensor in tensors) / 1e6
        reason = (error.strerror or str(error)).lower()
        raise NotDone(f"cannot write {path} ({size:.0f} MB): {reason}; make room, or name another file") from error
    finally:
        with contextlib.suppress(OSError):  # it is gone, or could never be made
            part.unlink()


def _write(file: BinaryIO, metadata: Mapping[str, MetaValue], tensors: Sequence[WrittenTensor]) -> None:
    head = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    head += [_string(key) + _value(key, value) for key, value in metadata.items()]
    offset = 0
    for name, values, type_ in tensors:
        axes = values.shape[::-1]  # the file has the fastest first
        kind = _TYPES[values.dtype.name] if type_ is None else type_
        if type_ is not None:
            axes = (axes[0] // TENSOR_TYPES[kind].size * TENSOR_TYPES[kind].block, *axes[1:])
        head.append(_string(name) + struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, kind, offset))
        offset += values.nbytes + _padding(values.nbytes)
    raw = b"".join(head)
    file.write(raw + bytes(_padding(len(raw))))
    for _, values, _ in tensors:
        file.write(np.ascontiguousarray(values).data)
        file.write(bytes(_padding(values.nbytes)))


def _padding(n_bytes: int) -> int:
    return -n_bytes % _ALIGNMENT


def _string(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def _value(key: str, value: MetaValue) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        kind = 2 * (value >= 1 << 32) + (value < 0)
        return struct.pack("<I" + "IiQ"[kind], (_UINT32, _INT32, _UINT64)[kind], value)
    if isinstance(value, float):
        return struct.pack("<If", _FLOAT32, value)
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value)
    kind, raw = _elements(key, value)
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + raw


def _elements(key: str, values: Iterable[bytes | str | int | float]) -> tuple[int, bytes]:
    listed = list(values)
    if all(isinstance(value, str | bytes) for value in listed):
        return _STRING, b"".join(_string(value) for value in listed if isinstance(value, str | bytes))
    if all(isinstance(value, int) for value in listed):
        return _INT32, np.array(listed, "<i4").tobytes()
    if all(isinstance(value, int | float) for value in listed):
        return _FLOAT32, np.array(listed, "<f4").tobytes()
    raise TypeError(f"{key} mixes texts and numbers")
