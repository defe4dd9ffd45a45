"""What a GGUF is and what it needs, in the words of `dsassist model info`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from pathlib import Path

from dsassist_runtime.api import FimOrder
from dsassist_runtime.ggml_types import FILE_TYPES, TENSOR_TYPES
from dsassist_runtime.gguf import FimTokens, GgufHeader, fim_orders, fim_tokens, read_header

__all__ = ["ModelDescription", "describe", "is_mla"]

_DEFAULT_CTX = 8192  # what the engine takes of a longer context unless it is told otherwise
_KV_BYTES = 2  # the cache is F16
_BATCH = 512  # tokens that llama.cpp evaluates at once


@dataclass(frozen=True)
class ModelDescription:
    """A model file, described.

    `kv_bytes_per_token` is None where the architecture's keys do not tell it. `memory_bytes` holds the weights, the KV
    cache for `n_ctx` tokens and `compute_bytes`, an allowance for llama.cpp's buffers.
    """

    path: Path
    name: str
    architecture: str
    parameters: int
    quantisation: str
    layers: int
    context_length: int
    experts: int
    experts_used: int
    experts_shared: int
    vocabulary: int
    has_chat_template: bool
    fim: FimTokens | None
    fim_orders: tuple[FimOrder, ...]
    file_bytes: int
    weight_bytes: int
    kv_bytes_per_token: int | None
    n_ctx: int
    compute_bytes: int
    memory_bytes: int
    notes: tuple[str, ...]


def describe(path: Path, n_ctx: int = 0) -> ModelDescription:
    """Describe a GGUF, with the memory that it needs at `n_ctx` tokens (0: what the engine would take).

    Raises what `read_header` raises. An architecture that llama.cpp does not know is described as far as its keys go.
    """
    header = read_header(path)
    context_length = header.integer("{arch}.context_length")
    n_ctx = n_ctx or min(context_length or _DEFAULT_CTX, _DEFAULT_CTX)
    vocabulary = header.length("tokenizer.ggml.tokens") or header.integer("{arch}.vocab_size")
    kv = _kv_bytes_per_token(header)
    weights = sum(tensor.n_bytes for tensor in header.tensors)
    compute = _compute_bytes(header, vocabulary)
    fim = fim_tokens(header)
    return ModelDescription(
        path=path,
        name=header.text("general.name") or path.stem,
        architecture=header.architecture,
        parameters=sum(prod(tensor.shape) for tensor in header.tensors),
        quantisation=_quantisation(header),
        layers=header.integer("{arch}.block_count"),
        context_length=context_length,
        experts=header.integer("{arch}.expert_count"),
        experts_used=header.integer("{arch}.expert_used_count"),
        experts_shared=header.integer("{arch}.expert_shared_count"),
        vocabulary=vocabulary,
        has_chat_template=bool(header.text("tokenizer.chat_template")),
        fim=fim,
        fim_orders=fim_orders(header) if fim else (),
        file_bytes=header.file_bytes,
        weight_bytes=weights,
        kv_bytes_per_token=kv,
        n_ctx=n_ctx,
        compute_bytes=compute,
        memory_bytes=weights + (kv or 0) * n_ctx + compute,
        notes=_notes(header, kv),
    )


def is_mla(header: GgufHeader) -> bool:
    """Does the cache hold latent keys alone (`llama_hparams::is_mla`)?"""
    return all(header.integer(f"{{arch}}.attention.{what}_length_mla") > 0 for what in ("key", "value"))


def _heads_kv(header: GgufHeader) -> list[int]:
    """Heads of keys and values by layer, empty if unknown; a file has one number, or one per layer (0: none)."""
    layers = header.integer("{arch}.block_count")
    found = header.integers("{arch}.attention.head_count_kv")
    if found is not None:
        return list(found[:layers])
    heads = header.integer("{arch}.attention.head_count_kv") or header.integer("{arch}.attention.head_count")
    return [heads] * layers if heads else []


def _kv_bytes_per_token(header: GgufHeader) -> int | None:
    """Mirrors the constructor of `llama_kv_cache`: per layer, heads * (key + value) elements; with MLA only the keys.

    DeepSeek-V2-Lite: 27 layers * 1 head * 576 * 2 B = 31,104; converted without the MLA keys
    27 * 16 * (192 + 128) * 2 B = 276,480.
    """
    heads = _heads_kv(header)
    n_head = header.integer("{arch}.attention.head_count")
    width = header.integer("{arch}.embedding_length") // n_head if n_head else 0
    key = header.integer("{arch}.attention.key_length", width)
    value = 0 if is_mla(header) else header.integer("{arch}.attention.value_length", width)
    return sum(heads) * (key + value) * _KV_BYTES or None


def _compute_bytes(header: GgufHeader, vocabulary: int) -> int:
    """An allowance: logits of a whole batch as llama.cpp reserves them, activations, and 64 MB for the rest."""
    widest = max(header.integer("{arch}.feed_forward_length"), 4 * header.integer("{arch}.embedding_length"))
    return _BATCH * 4 * (vocabulary + 2 * widest) + (64 << 20)


def _quantisation(header: GgufHeader) -> str:
    """`general.file_type` in words, else the type that most bytes have; a file may mix several."""
    file_type = header.integer("general.file_type", -1)
    if file_type & ~1024 in FILE_TYPES:  # 1024: LLAMA_FTYPE_GUESSED
        return FILE_TYPES[file_type & ~1024]
    by_type: Counter[int] = Counter()
    for tensor in header.tensors:
        by_type[tensor.type] += tensor.n_bytes
    return TENSOR_TYPES[by_type.most_common(1)[0][0]].name if by_type else "unknown"


def _notes(header: GgufHeader, kv: int | None) -> tuple[str, ...]:
    notes = []
    rank, rope = header.integer("{arch}.attention.kv_lora_rank"), header.integer("{arch}.rope.dimension_count")
    if rank and kv and not is_mla(header):
        small = (rank + rope) * _KV_BYTES * header.integer("{arch}.block_count")
        notes.append(
            f"converted before llama.cpp knew MLA: its cache takes {kv:,} bytes a token, "
            f"and {small:,} in a newer conversion of the same model"
        )
    if window := header.integer("{arch}.attention.sliding_window"):
        notes.append(f"some layers look back {window} tokens only, so the KV cache may be smaller than stated")
    if (shards := header.integer("split.count")) > 1:
        notes.append(f"this is one of {shards} files that make the model; sizes are of this file alone")
    if kv is None:
        notes.append("its keys do not tell the size of the KV cache; the memory is stated without it")
    return tuple(notes)
