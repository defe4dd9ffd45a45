"""Writes LoRA adapters that change a model in some way or other."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from dsassist_runtime.gguf import read_header
from dsassist_runtime.lora import BASE_KEY, LORA_A, LORA_B, norms_digest
from dsassist_train.gguf_writer import MetaValue, WrittenTensor, write_gguf

CHANGED = ("blk.2.attn_output.weight", "blk.3.ffn_down_exps.weight")


def write_adapter(path: Path, model: Path, *, strength: float = 0.2, seed: int = 1, **changes: MetaValue) -> Path:
    """An adapter of rank 2 of two matrices of a model of ours; `changes` are metadata, with _ for the dots."""
    header, draw = read_header(model), np.random.default_rng(seed)
    tensors = []
    for tensor in header.tensors:
        if tensor.name in CHANGED:
            n_in, n_out, *many = tensor.shape
            for ending, shape in ((LORA_A, (*many, 2, n_in)), (LORA_B, (*many, n_out, 2))):
                values = strength * draw.standard_normal(shape)
                tensors.append(WrittenTensor(tensor.name + ending, values.astype(np.float32)))
    metadata: dict[str, MetaValue] = {
        "general.architecture": header.architecture,
        "general.type": "adapter",
        "general.name": "mine",
        "general.base_model.0.name": "the base",
        "adapter.type": "lora",
        "adapter.lora.alpha": 4.0,
        BASE_KEY: norms_digest(header),
    }
    write_gguf(path, metadata | {key.replace("_", "."): value for key, value in changes.items()}, tensors)
    return path
