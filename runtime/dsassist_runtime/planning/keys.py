"""Metadata that a file gives once for the model, or as one number a layer."""

from __future__ import annotations

from dsassist_runtime.gguf import GgufHeader

__all__ = ["largest", "of_layer"]


def largest(header: GgufHeader, key: str) -> int:
    """The number, or the largest of all layers; 0 without one. `{arch}` in the key stands for the architecture."""
    found = header.integers(key)
    return header.integer(key) if found is None else max(found, default=0)


def of_layer(header: GgufHeader, key: str, layer: int) -> int:
    """The number of one layer; 0 without one."""
    found = header.integers(key)
    if found is None:
        return header.integer(key)
    return found[layer] if layer < len(found) else 0
