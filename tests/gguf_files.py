"""Writes small GGUF files for tests, good ones and bad ones."""

from __future__ import annotations

import random
import struct
from pathlib import Path

Field = bool | int | float | str | list[int] | list[float] | list[str]


def gguf_bytes(
    metadata: dict[str, Field], tensors: dict[str, tuple[int, tuple[int, ...], int]], version: int = 3
) -> bytes:
    """A file with this metadata and tensors (type, shape, bytes), filled with noise."""
    head = bytearray(b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(metadata)))
    for key, value in metadata.items():
        head += _text(key) + _value(value)
    offset = 0
    for name, (kind, shape, n_bytes) in tensors.items():
        head += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, offset)
        offset += -(-n_bytes // 32) * 32
    head += bytes(-len(head) % 32)
    return bytes(head) + random.Random(7).randbytes(offset)


def small_model(n_bytes: int = 1 << 20, architecture: str = "qwen2") -> bytes:
    """A whole GGUF with one tensor of that size: enough for a download, not for llama.cpp."""
    return gguf_bytes(
        {"general.architecture": architecture, "general.name": "Small", f"{architecture}.context_length": 512},
        {"token_embd.weight": (0, (n_bytes // 4,), n_bytes)},
    )


def write(path: Path, content: bytes) -> Path:
    """Put a file there."""
    path.write_bytes(content)
    return path


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _value(value: Field) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<Ii", 5, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    head = struct.pack("<I", 9)
    if all(isinstance(item, str) for item in value):
        return head + struct.pack("<IQ", 8, len(value)) + b"".join(_text(str(item)) for item in value)
    if all(isinstance(item, int) for item in value):
        return head + struct.pack(f"<IQ{len(value)}i", 5, len(value), *value)
    return head + struct.pack(f"<IQ{len(value)}f", 6, len(value), *value)
