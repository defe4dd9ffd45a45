"""Low-rank adapters (LoRA, arXiv 2106.09685) of the matrices for which llama.cpp applies them in a deepseek2 model.

Those are the output of attention and all feed-forward matrices, the experts' each by itself. llama.cpp passes over an
adapter of the others without a word: queries, keys, the latent and the output are plain products in its graph
(src/models/deepseek2.cpp), only `build_attn`, `build_ffn` and `build_moe_ffn` look for one. Gates stay as they are, so
that a token goes to the experts that know it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from dsassist_runtime.lora import BASE_KEY, LORA_A, LORA_B
from dsassist_train.architecture import MLP, Transformer
from dsassist_train.export import named_tensors
from dsassist_train.gguf_writer import MetaValue, WrittenTensor, write_gguf

__all__ = ["LowRank", "add_adapters", "base_digest", "export_adapter"]

_ALPHA_PER_RANK = 2.0


class LowRank(nn.Module):
    """W + 2 B A. A weight of several matrices side by side, such as gate and up, has a pair for each.

    W `(..., parts * rows, columns)`, A `(..., parts, rank, columns)`, B `(..., parts, rows, rank)`, at first zero.
    """

    def __init__(self, weight: Tensor, rank: int, parts: int, generator: torch.Generator) -> None:
        super().__init__()
        *many, rows, columns = weight.shape
        first = torch.randn(*many, parts, rank, columns, generator=generator) / math.sqrt(columns)
        self.a = nn.Parameter(first)
        self.b = nn.Parameter(torch.zeros(*many, parts, rows // parts, rank))

    def forward(self, weight: Tensor) -> Tensor:
        """The weight as it is computed with."""
        return weight + _ALPHA_PER_RANK * (self.b @ self.a).flatten(-3, -2)


class _Place(NamedTuple):
    """A weight, and the names that its parts have in a file."""

    module: nn.Module
    attribute: str
    names: tuple[str, ...]


def add_adapters(model: Transformer, rank: int, seed: int) -> None:
    """From now on only adapters are learnt; at first the model computes what it did."""
    generator = torch.Generator().manual_seed(seed)
    for weight in model.parameters():
        weight.requires_grad_(False)
    for module, attribute, names in _places(model):
        low_rank = LowRank(getattr(module, attribute), rank, len(names), generator)
        parametrize.register_parametrization(module, attribute, low_rank)


def export_adapter(model: Transformer, path: Path, *, name: str, base_name: str, base: str) -> None:
    """Write the adapters as llama.cpp reads them, in float32; `base` is `base_digest` of the model without them."""
    tensors, rank = [], 0
    for module, attribute, names in _places(model):
        (low_rank,) = module.parametrizations[attribute]
        rank = low_rank.a.shape[-2]
        for part, tensor in enumerate(names):
            for ending, factor in ((LORA_A, low_rank.a), (LORA_B, low_rank.b)):
                values = factor.detach().cpu().select(-3, part).contiguous().numpy()
                tensors.append(WrittenTensor(tensor + ending, values.astype(np.float32)))
    metadata: dict[str, MetaValue] = {
        "general.architecture": "deepseek2",
        "general.type": "adapter",
        "general.name": name,
        "general.base_model.count": 1,
        "general.base_model.0.name": base_name,
        "adapter.type": "lora",
        "adapter.lora.alpha": _ALPHA_PER_RANK * rank,
        BASE_KEY: base,
    }
    write_gguf(path, metadata, tensors)


def base_digest(model: Transformer) -> str:
    """`dsassist_runtime.lora.norms_digest` of the files that this model is exported to."""
    vectors = sorted((name, tensor) for name, tensor in named_tensors(model) if tensor.dim() == 1)
    digest = hashlib.sha256()
    for name, tensor in vectors:
        digest.update(name.encode() + b"\0" + tensor.detach().cpu().numpy().astype("<f4").tobytes())
    return digest.hexdigest()


def _places(model: Transformer) -> Iterator[_Place]:
    for index, layer in enumerate(model.layers):
        at = f"blk.{index}."
        yield _Place(layer.self_attn.o_proj, "weight", (f"{at}attn_output.weight",))
        if layer.is_dense:
            yield from _of_mlp(layer.mlp, at, "")
            continue
        experts = layer.mlp.experts
        yield _Place(experts, "gate_up_proj", (f"{at}ffn_gate_exps.weight", f"{at}ffn_up_exps.weight"))
        yield _Place(experts, "down_proj", (f"{at}ffn_down_exps.weight",))
        yield from _of_mlp(layer.mlp.shared_experts, at, "_shexp")


def _of_mlp(mlp: MLP, at: str, kind: str) -> Iterator[_Place]:
    yield _Place(mlp.gate_up_proj, "weight", (f"{at}ffn_gate{kind}.weight", f"{at}ffn_up{kind}.weight"))
    yield _Place(mlp.down_proj, "weight", (f"{at}ffn_down{kind}.weight",))
