"""A GGUF that holds a vocabulary and nothing else, as llama.cpp loads it with `vocab_only`."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from pathlib import Path

_UINT32, _INT32, _BOOL, _STRING, _ARRAY = 4, 5, 7, 8, 9


def write_vocabulary(path: Path, metadata: Mapping[str, str | bool | int | list[bytes] | list[int]]) -> Path:
    """Write what `dsassist_train.tokenizer.gguf_metadata` gives."""
    values = {"general.architecture": "deepseek2"} | dict(metadata)
    pairs = b"".join(_string(key.encode()) + _value(value) for key, value in values.items())
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(values)) + pairs)
    return path


def _value(value: str | bool | int | list[bytes] | list[int]) -> bytes:
    if isinstance(value, str):
        return struct.pack("<I", _STRING) + _string(value.encode())
    if isinstance(value, bool):
        return struct.pack("<I?", _BOOL, value)
    if isinstance(value, int):
        return struct.pack("<II", _UINT32, value)
    kind = _STRING if isinstance(value[0], bytes) else _INT32
    elements = [_string(each) if isinstance(each, bytes) else struct.pack("<i", each) for each in value]
    return struct.pack("<IIQ", _ARRAY, kind, len(value)) + b"".join(elements)


def _string(text: bytes) -> bytes:
    return struct.pack("<Q", len(text)) + text
