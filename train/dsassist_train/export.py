"""A trained model becomes a GGUF file of llama.cpp's architecture `deepseek2`, with latent attention absorbed.

The names and shapes are those that llama.cpp reads (src/models/deepseek2.cpp). Two of its rules decide what is written:
with 26 or 27 layers (or 48 and a vocabulary of 128,256) it takes a model for V2-Lite and passes over `q_lora_rank`,
otherwise the key must be there; and a model with tied embeddings has no `output.weight`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from dsassist_runtime.api import FimOrder
from dsassist_runtime.errors import DsassistError
from dsassist_train.architecture import MLP, Attention, ModelConfig, MoE, Transformer
from dsassist_train.gguf_writer import MetaValue, WrittenTensor, write_gguf
from dsassist_train.quantizing import quantize

__all__ = ["check_exportable", "export_gguf", "metadata_of", "named_tensors"]

_TAKEN_FOR_LITE = (26, 27)
_LITE_WITH = (48, 128_256)  # layers, and tokens of the vocabulary
_MOST_LAYERS, _MOST_EXPERTS = 512, 1024  # LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS of llama-hparams.h
_SOFTMAX = 1  # LLAMA_EXPERT_GATING_FUNC_TYPE_SOFTMAX
_FILE_TYPE = {"F32": 0, "F16": 1}


def export_gguf(
    model: Transformer,
    vocabulary: Mapping[str, MetaValue],
    path: Path,
    quant: str = "F16",
    *,
    name: str,
    fim_orders: Sequence[FimOrder] = ("spm", "psm"),
    n_threads: int = 1,
) -> None:
    """Write the model; `vocabulary` has the `tokenizer.*` keys of the metadata, `quant` is one of `quantizing.QUANTS`.

    `fim_orders` are the orders of prefix and suffix that it learnt, the better first.
    """
    tokens = vocabulary.get("tokenizer.ggml.tokens", ())
    n_tokens = len(tokens) if isinstance(tokens, Sequence) else 0
    if n_tokens != model.config.vocab_size:
        raise DsassistError(
            f"the tokenizer has {n_tokens} tokens, and the model {model.config.vocab_size}; export it with the "
            "tokenizer that it was trained with"
        )
    plain = quant if quant in _FILE_TYPE else "F32"
    metadata: dict[str, MetaValue] = {**metadata_of(model.config, name), **vocabulary}
    metadata["dsassist.fim.order"] = ",".join(fim_orders)
    metadata["general.file_type"] = _FILE_TYPE[plain]
    tensors = [_stored(each, plain) for each in named_tensors(model)]
    if quant == plain:
        write_gguf(path, metadata, tensors)
        return
    whole = path.with_name(f".{path.name}.{os.getpid()}.f32")
    try:
        write_gguf(whole, metadata, tensors)
        quantize(whole, path, quant, n_threads=n_threads)
    finally:
        with contextlib.suppress(OSError):  # it could never be made
            whole.unlink()


def check_exportable(config: ModelConfig) -> None:
    """`DsassistError` where llama.cpp would not run such a model, to be known before it is trained."""
    n_layers = config.num_hidden_layers
    is_lite = n_layers in _TAKEN_FOR_LITE or (n_layers, config.vocab_size) == _LITE_WITH
    if config.q_lora_rank is not None and is_lite:
        raise DsassistError(
            f"llama.cpp takes a model of {n_layers} layers for V2-Lite and passes over its "
            "q_lora_rank; train it with another number of layers, or without q_lora_rank"
        )
    for name, most in (("num_hidden_layers", _MOST_LAYERS), ("n_routed_experts", _MOST_EXPERTS)):
        if getattr(config, name) > most:
            raise DsassistError(f"{name} is {getattr(config, name)}, and llama.cpp runs {most:,} at most; lower it")


def metadata_of(config: ModelConfig, name: str) -> dict[str, MetaValue]:
    """The model's own keys."""
    check_exportable(config)
    latent, rope = config.kv_lora_rank, config.qk_rope_head_dim
    values: dict[str, MetaValue] = {
        "context_length": config.max_position_embeddings,
        "embedding_length": config.hidden_size,
        "block_count": config.num_hidden_layers,
        "feed_forward_length": config.intermediate_size,
        "vocab_size": config.vocab_size,
        "attention.head_count": config.num_attention_heads,
        "attention.head_count_kv": 1,  # absorbed, all heads share the latent as their one key
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "attention.q_lora_rank": config.q_lora_rank or 0,
        "attention.kv_lora_rank": latent,
        "attention.key_length": latent + rope,
        "attention.value_length": latent,
        "attention.key_length_mla": config.qk_head_dim,
        "attention.value_length_mla": config.v_head_dim,
        "rope.freq_base": config.rope_theta,
        "rope.dimension_count": rope,
        "leading_dense_block_count": config.first_k_dense_replace,
        "expert_count": config.n_routed_experts,
        "expert_used_count": config.num_experts_per_tok,
        "expert_feed_forward_length": config.moe_intermediate_size,
        "expert_shared_count": config.n_shared_experts,
        "expert_weights_scale": config.routed_scaling_factor,
        "expert_weights_norm": config.norm_topk_prob,
        "expert_gating_func": _SOFTMAX,
    }
    return {
        "general.architecture": "deepseek2",
        "general.name": name,
        **{f"deepseek2.{key}": value for key, value in values.items()},
    }


def named_tensors(model: Transformer) -> Iterator[tuple[str, Tensor]]:
    """The weights as a file has them, by their names there: views, so that what is written into them is the model's."""
    yield "token_embd.weight", model.embed_tokens.weight
    for index, layer in enumerate(model.layers):
        at = f"blk.{index}."
        yield at + "attn_norm.weight", layer.input_layernorm.weight
        for name, tensor in _attention(layer.self_attn):
            yield at + name, tensor
        yield at + "ffn_norm.weight", layer.post_attention_layernorm.weight
        parts = _dense(layer.mlp, "") if layer.is_dense else _mixture(layer.mlp)
        for name, tensor in parts:
            yield at + name, tensor
    yield "output_norm.weight", model.norm.weight
    if not model.config.tie_word_embeddings:
        yield "output.weight", model.lm_head.weight


def _attention(attention: Attention) -> Iterator[tuple[str, Tensor]]:
    if attention.config.q_lora_rank is None:
        yield "attn_q.weight", attention.q_proj.weight
    else:
        yield "attn_q_a.weight", attention.q_a_proj.weight
        yield "attn_q_a_norm.weight", attention.q_a_layernorm.weight
        yield "attn_q_b.weight", attention.q_b_proj.weight
    yield "attn_kv_a_mqa.weight", attention.kv_a_proj_with_mqa.weight
    yield "attn_kv_a_norm.weight", attention.kv_a_layernorm.weight
    keys, values = attention.absorbed_weights()
    yield "attn_k_b.weight", keys.transpose(1, 2)  # (heads, rank, nope)
    yield "attn_v_b.weight", values  # (heads, value, rank)
    yield "attn_output.weight", attention.o_proj.weight


def _dense(mlp: MLP, kind: str) -> Iterator[tuple[str, Tensor]]:
    gate, up = mlp.gate_up_proj.weight.chunk(2)
    yield f"ffn_gate{kind}.weight", gate
    yield f"ffn_up{kind}.weight", up
    yield f"ffn_down{kind}.weight", mlp.down_proj.weight


def _mixture(mixture: MoE) -> Iterator[tuple[str, Tensor]]:
    yield "ffn_gate_inp.weight", mixture.gate.weight
    if mixture.gate.config.topk_method == "noaux_tc":
        yield "exp_probs_b.bias", mixture.gate.e_score_correction_bias
    gate, up = mixture.experts.gate_up_proj.chunk(2, dim=1)
    yield "ffn_gate_exps.weight", gate
    yield "ffn_up_exps.weight", up
    yield "ffn_down_exps.weight", mixture.experts.down_proj
    yield from _dense(mixture.shared_experts, "_shexp")


def _stored(tensor: tuple[str, Tensor], plain: str) -> WrittenTensor:
    name, values = tensor[0], tensor[1].detach().cpu().contiguous().numpy()
    # As llama.cpp's quantizer has it: norms and the gate stay exact.
    narrow = plain == "F16" and values.ndim > 1 and "ffn_gate_inp" not in name
    return WrittenTensor(name, values.astype(np.float16 if narrow else np.float32))
