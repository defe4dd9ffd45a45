"""The inverse of `export`: a GGUF of ours becomes a model that can be trained on, with its weights in float32.

What was quantized stays as coarse as it was; the numbers are those that llama.cpp computes with.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from dsassist_runtime.api import FimOrder
from dsassist_runtime.errors import DsassistError, ModelUnsupported
from dsassist_runtime.gguf import GgufHeader, Tensor, fim_orders, read_header
from dsassist_train.architecture import ModelConfig, Transformer
from dsassist_train.export import named_tensors
from dsassist_train.storage import dequantized
from dsassist_train.tokenizer import Vocabulary, load_vocabulary, take_over

__all__ = ["Imported", "import_gguf", "vocabulary_of"]

_ARCHITECTURE = "deepseek2"
_GATING = (0, 1)  # softmax: LLAMA_EXPERT_GATING_FUNC_TYPE_NONE, _SOFTMAX
_BIAS = "exp_probs_b.bias"


class Imported(NamedTuple):
    """A model, and what else its file says."""

    model: Transformer
    vocabulary: Vocabulary
    name: str
    fim_orders: tuple[FimOrder, ...]


def import_gguf(path: Path) -> Imported:
    """Read a model; `ModelUnsupported` where it is none of ours, or computes what `architecture` does not."""
    header = read_header(path)
    if header.architecture != _ARCHITECTURE:
        raise ModelUnsupported(
            f"{path} is of the architecture {header.architecture or 'unknown'}, and only models that `dsassist train` "
            "made can be trained further; name one of those, or builtin"
        )
    config, vocabulary = _config(header), vocabulary_of(path)  # before the weights, which may be many of another model
    model = Transformer(config)
    stored = {tensor.name: tensor for tensor in header.tensors}
    with torch.no_grad():
        for name, weight in named_tensors(model):
            if name not in stored or stored[name].shape[::-1] != tuple(weight.shape):
                raise _unlike(header, f"{name} is missing or of another shape")
            weight.copy_(torch.from_numpy(_values(header, stored.pop(name))))
    if stored:
        raise _unlike(header, f"it has {min(stored)} as well")
    name = header.text("general.name") or path.stem
    return Imported(model, vocabulary, name, fim_orders(header))


def vocabulary_of(path: Path) -> Vocabulary:
    """The vocabulary of a GGUF, as that of a corpus that took it over."""
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder:
        taken = Path(folder) / "tokenizer.json"
        take_over(path, taken)
        return load_vocabulary(taken)


def _values(header: GgufHeader, tensor: Tensor) -> npt.NDArray[np.float32]:
    with header.path.open("rb") as file:
        file.seek(header.data_offset + tensor.offset)
        raw = np.frombuffer(file.read(tensor.n_bytes), np.uint8)
    return np.array(dequantized(raw.reshape(*tensor.shape[:0:-1], -1), tensor.type), np.float32)


def _config(header: GgufHeader) -> ModelConfig:
    def number(key: str, default: int = 0) -> int:
        return header.integer(f"{{arch}}.{key}", default)

    def real(key: str, default: float) -> float:
        value = header.metadata.get(f"{_ARCHITECTURE}.{key}")
        return float(value) if isinstance(value, (int, float)) else default

    if number("attention.key_length_mla") == 0:
        raise _unlike(header, "it was converted before llama.cpp knew latent attention")
    if number("expert_gating_func") not in _GATING or number("expert_group_count", 1) > 1:
        raise _unlike(header, "its experts are chosen otherwise")
    if header.text(f"{_ARCHITECTURE}.rope.scaling.type") not in ("", "none"):
        raise _unlike(header, "its positions are scaled")
    names = {tensor.name for tensor in header.tensors}
    rope = number("rope.dimension_count")
    is_balanced_by_bias = any(name.endswith(_BIAS) for name in names)
    try:
        return ModelConfig(
            vocab_size=header.length("tokenizer.ggml.tokens"),
            hidden_size=number("embedding_length"),
            num_hidden_layers=number("block_count"),
            num_attention_heads=number("attention.head_count"),
            q_lora_rank=number("attention.q_lora_rank") or None,
            kv_lora_rank=number("attention.kv_lora_rank"),
            qk_nope_head_dim=number("attention.key_length_mla") - rope,
            qk_rope_head_dim=rope,
            v_head_dim=number("attention.value_length_mla"),
            intermediate_size=number("feed_forward_length"),
            moe_intermediate_size=number("expert_feed_forward_length"),
            n_routed_experts=number("expert_count"),
            n_shared_experts=number("expert_shared_count"),
            num_experts_per_tok=number("expert_used_count"),
            first_k_dense_replace=number("leading_dense_block_count"),
            norm_topk_prob=bool(header.metadata.get(f"{_ARCHITECTURE}.expert_weights_norm", False)),
            routed_scaling_factor=real("expert_weights_scale", 1.0) or 1.0,
            topk_method="noaux_tc" if is_balanced_by_bias else "greedy",
            aux_loss_alpha=0.0 if is_balanced_by_bias else ModelConfig.aux_loss_alpha,
            rms_norm_eps=real("attention.layer_norm_rms_epsilon", 1e-6),
            rope_theta=real("rope.freq_base", 10000.0),
            max_position_embeddings=number("context_length"),
            tie_word_embeddings="output.weight" not in names,
        )
    except DsassistError as error:
        raise _unlike(header, str(error)) from None


def _unlike(header: GgufHeader, what: str) -> ModelUnsupported:
    return ModelUnsupported(
        f"{header.path} is no such model as `dsassist train export` writes: {what}; name one that it wrote, or builtin"
    )
