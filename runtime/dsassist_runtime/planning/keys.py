"""Metadata that a file gives once for the model, or as one number a layer."""

from __future__ import annotations

from dsassist_runtime.gguf import GgufHeader

__all__ = ["largest", "of_layer"]


def largest(header: GgufHeader, key: str) -> int:
    """The number, or the largest of all layers; 0 without one. `{arch}` in the key stands for the architecture."""
    found = _found(header, key)
    return int(max(found, default=0)) if isinstance(found, tuple) else header.integer(key)


def of_layer(header: GgufHeader, key: str, layer: int) -> int:
    """The number of one layer; 0 without one."""
    found = _found(header, key)
    if isinstance(found, tuple):
        return int(found[layer]) if layer < len(found) else 0
    return header.integer(key)


def _found(header: GgufHeader, key: str) -> object:
    return header.metadata.get(key.replace("{arch}", header.architecture))
