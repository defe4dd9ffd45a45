"""Writes a mixture of experts with DeepSeek-V2's shapes and random weights, for measurements of speed.

Its text is noise, but what a token costs follows the shapes: multi-head latent attention, one dense layer, then layers
of routed and shared experts. The tokenizer is the builtin model's. Storage is Q4_K as in a Q4_K_M file, and Q5_0 where
a row is no multiple of 256 (block layouts: ggml/src/ggml-common.h; keys: gguf-py/gguf/constants.py).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from dsassist_runtime.errors import NotDone
from dsassist_runtime.gguf import ArrayInFile, GgufHeader, Value, read_header
from dsassist_runtime.models.store import BUILTIN_PATH

__all__ = ["Shapes", "write_synthetic"]

_ALIGNMENT = 32
_WEIGHT_DEVIATION = 0.02  # DeepSeek-V2's initializer_range is 0.006; wide enough here for logits that are no tie
_ROUTER_DEVIATION = 0.05
_F32, _Q5_0, _Q4_K = 0, 6, 12
_BLOCK = {_F32: (1, 4), _Q5_0: (32, 22), _Q4_K: (256, 144)}  # weights and bytes of a block
_STRING, _ARRAY = 8, 9
_ELEMENT_BYTES = {4: 4, 5: 4, 6: 4}  # what the arrays of a tokenizer hold: uint32, int32, float32
# What a chat's turns are written with: plain text, for the builtin vocabulary has no marks for turns.
_CHAT_TEMPLATE = (
    "{% for message in messages %}{{ message.role }}: {{ message.content }}\n\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}"
)

_Fill = Literal["ones", "zeros", "router", "weights"]


@dataclass(frozen=True)
class Shapes:
    """The sizes, named as in DeepSeek-V2's `config.json`; the defaults give 1.6 GB with V2-Lite's depth and experts."""

    num_hidden_layers: int = 27
    hidden_size: int = 1024
    num_attention_heads: int = 16
    kv_lora_rank: int = 512
    qk_rope_head_dim: int = 64
    qk_nope_head_dim: int = 128
    v_head_dim: int = 128
    intermediate_size: int = 2816
    moe_intermediate_size: int = 512
    n_routed_experts: int = 64
    num_experts_per_tok: int = 6
    n_shared_experts: int = 2
    max_position_embeddings: int = 8192
    has_expert_bias: bool = False  # what DeepSeek-V3 adds to the router's choice, and to nothing else; zeros


class _Tensor(NamedTuple):
    name: str
    fill: _Fill
    shape: tuple[int, ...]  # slowest axis first; the file has it the other way round

    @property
    def type(self) -> int:
        if self.fill != "weights":
            return _F32
        return _Q4_K if self.shape[-1] % 256 == 0 else _Q5_0

    @property
    def n_bytes(self) -> int:
        weights, size = _BLOCK[self.type]
        return math.prod(self.shape) // weights * size


def write_synthetic(path: Path, shapes: Shapes | None = None, seed: int = 0) -> None:
    """Write the file, whole or not at all; `NotDone` when the disk does not take it."""
    shapes = shapes or Shapes()
    tokenizer = read_header(BUILTIN_PATH)
    tensors = list(_tensors(shapes, tokenizer.length("tokenizer.ggml.tokens")))
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            file.write(_head(tensors, {**_metadata(shapes, tokenizer), **_tokenizer(tokenizer)}))
            _write_weights(file, tensors, np.random.default_rng(seed))
        part.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        size = sum(tensor.n_bytes for tensor in tensors) / 1e9
        raise NotDone(f"cannot write {path} ({size:.1f} GB): {reason}; make room, or leave this model out") from error
    finally:
        part.unlink(missing_ok=True)


def _tensors(shapes: Shapes, n_vocab: int) -> Iterator[_Tensor]:
    hidden, heads, latent = shapes.hidden_size, shapes.num_attention_heads, shapes.kv_lora_rank
    nope, rope, value = shapes.qk_nope_head_dim, shapes.qk_rope_head_dim, shapes.v_head_dim
    expert, n_experts = shapes.moe_intermediate_size, shapes.n_routed_experts
    shared = expert * shapes.n_shared_experts
    yield _Tensor("token_embd.weight", "weights", (n_vocab, hidden))
    for layer in range(shapes.num_hidden_layers):
        at = f"blk.{layer}."
        yield _Tensor(at + "attn_norm.weight", "ones", (hidden,))
        yield _Tensor(at + "attn_kv_a_norm.weight", "ones", (latent,))
        yield _Tensor(at + "attn_q.weight", "weights", (heads * (nope + rope), hidden))
        yield _Tensor(at + "attn_kv_a_mqa.weight", "weights", (latent + rope, hidden))
        yield _Tensor(at + "attn_k_b.weight", "weights", (heads, latent, nope))
        yield _Tensor(at + "attn_v_b.weight", "weights", (heads, value, latent))
        yield _Tensor(at + "attn_output.weight", "weights", (hidden, heads * value))
        yield _Tensor(at + "ffn_norm.weight", "ones", (hidden,))
        if layer == 0:
            yield _Tensor(at + "ffn_gate.weight", "weights", (shapes.intermediate_size, hidden))
            yield _Tensor(at + "ffn_up.weight", "weights", (shapes.intermediate_size, hidden))
            yield _Tensor(at + "ffn_down.weight", "weights", (hidden, shapes.intermediate_size))
            continue
        yield _Tensor(at + "ffn_gate_inp.weight", "router", (n_experts, hidden))
        if shapes.has_expert_bias:
            yield _Tensor(at + "exp_probs_b.bias", "zeros", (n_experts,))
        yield _Tensor(at + "ffn_gate_exps.weight", "weights", (n_experts, expert, hidden))
        yield _Tensor(at + "ffn_up_exps.weight", "weights", (n_experts, expert, hidden))
        yield _Tensor(at + "ffn_down_exps.weight", "weights", (n_experts, hidden, expert))
        yield _Tensor(at + "ffn_gate_shexp.weight", "weights", (shared, hidden))
        yield _Tensor(at + "ffn_up_shexp.weight", "weights", (shared, hidden))
        yield _Tensor(at + "ffn_down_shexp.weight", "weights", (hidden, shared))
    yield _Tensor("output_norm.weight", "ones", (hidden,))
    yield _Tensor("output.weight", "weights", (n_vocab, hidden))


def _metadata(shapes: Shapes, tokenizer: GgufHeader) -> dict[str, bytes]:
    """The model's own keys, encoded."""
    latent, rope = shapes.kv_lora_rank, shapes.qk_rope_head_dim
    values: dict[str, Value] = {
        "general.architecture": "deepseek2",
        "general.name": "synthetic mixture of experts",
        "deepseek2.context_length": shapes.max_position_embeddings,
        "deepseek2.embedding_length": shapes.hidden_size,
        "deepseek2.block_count": shapes.num_hidden_layers,
        "deepseek2.feed_forward_length": shapes.intermediate_size,
        "deepseek2.attention.head_count": shapes.num_attention_heads,
        "deepseek2.attention.head_count_kv": 1,  # attention runs on the latent, one "head" of keys for all
        "deepseek2.attention.layer_norm_rms_epsilon": 1e-6,
        "deepseek2.attention.q_lora_rank": 0,
        "deepseek2.attention.kv_lora_rank": latent,
        "deepseek2.attention.key_length": latent + rope,
        "deepseek2.attention.value_length": latent,
        "deepseek2.attention.key_length_mla": shapes.qk_nope_head_dim + rope,
        "deepseek2.attention.value_length_mla": shapes.v_head_dim,
        "deepseek2.rope.freq_base": 10000.0,
        "deepseek2.rope.dimension_count": rope,
        "deepseek2.leading_dense_block_count": 1,
        "deepseek2.expert_count": shapes.n_routed_experts,
        "deepseek2.expert_used_count": shapes.num_experts_per_tok,
        "deepseek2.expert_feed_forward_length": shapes.moe_intermediate_size,
        "deepseek2.expert_shared_count": shapes.n_shared_experts,
        "deepseek2.expert_weights_scale": 1.0,
        "deepseek2.expert_weights_norm": False,
        "deepseek2.expert_gating_func": 1,  # softmax
        "deepseek2.vocab_size": tokenizer.length("tokenizer.ggml.tokens"),
        "tokenizer.chat_template": _CHAT_TEMPLATE,
    }
    return {key: _scalar(value) for key, value in values.items()}


def _tokenizer(header: GgufHeader) -> dict[str, bytes]:
    """The keys of another file's tokenizer, encoded again."""
    keys = [key for key in header.metadata if key.startswith("tokenizer.ggml.")]
    return {key: _array(header, key) or _scalar(header.metadata[key]) for key in keys}


def _array(header: GgufHeader, key: str) -> bytes:
    value = header.metadata[key]
    if not isinstance(value, ArrayInFile):
        return b""
    head = struct.pack("<IIQ", _ARRAY, value.kind, value.count)
    if value.kind == _STRING:
        return head + b"".join(struct.pack("<Q", len(text)) + text for text in header.strings(key))
    with header.path.open("rb") as file:
        file.seek(value.offset)
        return head + file.read(value.count * _ELEMENT_BYTES[value.kind])


def _scalar(value: Value) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    assert isinstance(value, str), f"{value!r} is no scalar"
    return struct.pack("<I", _STRING) + _text(value)


def _text(value: str) -> bytes:
    raw = value.encode()
    return struct.pack("<Q", len(raw)) + raw


def _head(tensors: list[_Tensor], metadata: dict[str, bytes]) -> bytes:
    parts = [b"GGUF", struct.pack("<IQQ", 3, len(tensors), len(metadata))]
    parts += [_text(key) + value for key, value in metadata.items()]
    offset = 0
    for tensor in tensors:
        axes = tensor.shape[::-1]
        parts.append(_text(tensor.name) + struct.pack(f"<I{len(axes)}QIQ", len(axes), *axes, tensor.type, offset))
        offset += tensor.n_bytes + _padding(tensor.n_bytes)
    head = b"".join(parts)
    return head + bytes(_padding(len(head)))


def _padding(n_bytes: int) -> int:
    return -n_bytes % _ALIGNMENT


def _write_weights(file: BinaryIO, tensors: list[_Tensor], rng: np.random.Generator) -> None:
    for tensor in tensors:
        file.write(_content(tensor, rng).tobytes())
        file.write(bytes(_padding(tensor.n_bytes)))


def _content(tensor: _Tensor, rng: np.random.Generator) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    if tensor.fill == "ones":
        return np.ones(tensor.shape, np.float32)
    if tensor.fill == "zeros":
        return np.zeros(tensor.shape, np.float32)
    if tensor.fill == "router":
        return (rng.standard_normal(tensor.shape) * _ROUTER_DEVIATION).astype(np.float32)
    weights, size = _BLOCK[tensor.type]
    blocks = np.zeros((math.prod(tensor.shape) // weights, size), np.uint8)
    if tensor.type == _Q4_K:
        # w = d * scale * q - dmin * min, with every 6-bit scale and min 32; q is 0..15, of deviation 4.6 around 7.5.
        step = _WEIGHT_DEVIATION / (32 * 4.6)
        blocks[:, :4] = np.array([step, 7.5 * step], np.float16).view(np.uint8)
        blocks[:, 4:12] = 160
        blocks[:, 16:] = rng.integers(0, 256, (len(blocks), size - 16), dtype=np.uint8)
    else:
        # w = d * (q - 16), with q 0..31, of deviation 9.2.
        blocks[:, :2] = np.array([_WEIGHT_DEVIATION / 9.2], np.float16).view(np.uint8)
        blocks[:, 2:] = rng.integers(0, 256, (len(blocks), size - 2), dtype=np.uint8)
    return blocks
