"""A GGUF that holds a vocabulary and nothing else, as llama.cpp loads it with `vocab_only`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from dsassist_train.gguf_writer import MetaValue, write_gguf


def write_vocabulary(path: Path, metadata: Mapping[str, MetaValue]) -> Path:
    """Write what `dsassist_train.tokenizer.gguf_metadata` gives."""
    write_gguf(path, {"general.architecture": "deepseek2", **metadata}, [])
    return path
