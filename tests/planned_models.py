"""Writes models of the real sizes whose files take no room: whole headers, and holes where the weights would be."""

from __future__ import annotations

from pathlib import Path

from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.planning.kept import keep
from gguf_files import Field, gguf_bytes

__all__ = [
    "F32",
    "Q4_K",
    "Q5_0",
    "Tensors",
    "deepseek_v2_lite",
    "keep_speeds",
    "size_of",
    "write_holes",
    "write_split",
]

F32, Q5_0, Q4_K = 0, 6, 12

Tensors = dict[str, tuple[int, tuple[int, ...]]]  # name -> type, shape with the fastest axis first

_LAYERS, _HIDDEN, _HEADS, _LATENT, _ROPE, _NOPE, _VALUE = 27, 2048, 16, 512, 64, 128, 128
_EXPERTS, _EXPERT_FF, _SHARED_FF, _DENSE_FF, _VOCABULARY = 64, 1408, 2816, 10944, 102400


def keep_speeds(*devices_of: Path) -> None:
    """Have this machine measured already: 30 GB/s of memory, also when computing, and 1 GB/s of these files' disks."""
    keep("bytes/s that memory is read with", {"bytes_s": 30_000_000_000})
    speeds = {kind.name: 30e9 for kind in TENSOR_TYPES.values()}
    paces = [{"n_threads": 1, "node_s": 0.0, "bytes_s": speeds}]
    keep("bytes/s that weights are multiplied with", {"paces": paces, "busy": False})
    for path in devices_of:
        value = {"bytes_s": [5e8, 9e8, 1e9, 1e9], "method": "direct"}
        keep(f"bytes/s of device {path.stat().st_dev} with 1, 2, 4, 8 lanes", value)


def size_of(kind: int, shape: tuple[int, ...]) -> int:
    """The bytes of a tensor."""
    _, block, size = TENSOR_TYPES[kind]
    n_elements = 1
    for axis in shape:
        n_elements *= axis
    return n_elements // block * size


def write_holes(path: Path, metadata: dict[str, Field], tensors: Tensors) -> Path:
    """A GGUF whose tensors all begin at the same place: what a header says of each is what matters here."""
    head = gguf_bytes(metadata, {name: (kind, shape, 0) for name, (kind, shape) in tensors.items()})
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + max((size_of(*tensor) for tensor in tensors.values()), default=0))
    return path


def write_split(folder: Path, metadata: dict[str, Field], tensors: Tensors, count: int) -> Path:
    """The same in `count` files, named as llama.cpp's own tool names them; the first one's path."""
    names = list(tensors)
    paths = []
    for number in range(count):
        own: dict[str, Field] = {"split.no": number, "split.count": count, "split.tensors.count": len(names)}
        part = {name: tensors[name] for name in names[number::count]}
        path = folder / f"model-{number + 1:05}-of-{count:05}.gguf"
        paths.append(write_holes(path, own if number else {**metadata, **own}, part))
    return paths[0]


def deepseek_v2_lite(*, mla: bool = True) -> tuple[dict[str, Field], Tensors]:
    """DeepSeek-V2-Lite in Q4_K and Q5_0; without `mla` as it was converted in 2024."""
    metadata: dict[str, Field] = {
        "general.architecture": "deepseek2",
        "general.name": "DeepSeek-V2-Lite",
        "deepseek2.context_length": 163840,
        "deepseek2.embedding_length": _HIDDEN,
        "deepseek2.block_count": _LAYERS,
        "deepseek2.feed_forward_length": _DENSE_FF,
        "deepseek2.attention.head_count": _HEADS,
        "deepseek2.attention.head_count_kv": 1 if mla else _HEADS,
        "deepseek2.attention.kv_lora_rank": _LATENT,
        "deepseek2.attention.key_length": _LATENT + _ROPE if mla else _NOPE + _ROPE,
        "deepseek2.attention.value_length": _LATENT if mla else _VALUE,
        "deepseek2.rope.dimension_count": _ROPE,
        "deepseek2.expert_count": _EXPERTS,
        "deepseek2.expert_used_count": 6,
        "deepseek2.expert_shared_count": 2,
    }
    if mla:
        metadata["deepseek2.attention.key_length_mla"] = _NOPE + _ROPE
        metadata["deepseek2.attention.value_length_mla"] = _VALUE
    tensors: Tensors = {"token_embd.weight": (Q4_K, (_HIDDEN, _VOCABULARY))}
    for layer in range(_LAYERS):
        tensors.update({f"blk.{layer}.{name}": tensor for name, tensor in _layer(layer == 0, mla).items()})
    tensors["output_norm.weight"] = (F32, (_HIDDEN,))
    tensors["output.weight"] = (Q4_K, (_HIDDEN, _VOCABULARY))
    return metadata, tensors


def _layer(is_dense: bool, mla: bool) -> Tensors:
    tensors: Tensors = {
        "attn_norm.weight": (F32, (_HIDDEN,)),
        "attn_q.weight": (Q4_K, (_HIDDEN, _HEADS * (_NOPE + _ROPE))),
        "attn_kv_a_mqa.weight": (Q4_K, (_HIDDEN, _LATENT + _ROPE)),
        "attn_output.weight": (Q4_K, (_HEADS * _VALUE, _HIDDEN)),
        "ffn_norm.weight": (F32, (_HIDDEN,)),
    }
    if mla:
        tensors["attn_k_b.weight"] = (Q5_0, (_NOPE, _LATENT, _HEADS))
        tensors["attn_v_b.weight"] = (Q4_K, (_LATENT, _VALUE, _HEADS))
    else:
        tensors["attn_kv_b.weight"] = (Q4_K, (_LATENT, _HEADS * (_NOPE + _VALUE)))
    if is_dense:
        return tensors | {
            "ffn_gate.weight": (Q4_K, (_HIDDEN, _DENSE_FF)),
            "ffn_up.weight": (Q4_K, (_HIDDEN, _DENSE_FF)),
            "ffn_down.weight": (Q5_0, (_DENSE_FF, _HIDDEN)),
        }
    return tensors | {
        "ffn_gate_inp.weight": (F32, (_HIDDEN, _EXPERTS)),
        "ffn_gate_exps.weight": (Q4_K, (_HIDDEN, _EXPERT_FF, _EXPERTS)),
        "ffn_up_exps.weight": (Q4_K, (_HIDDEN, _EXPERT_FF, _EXPERTS)),
        "ffn_down_exps.weight": (Q5_0, (_EXPERT_FF, _HIDDEN, _EXPERTS)),
        "ffn_gate_shexp.weight": (Q4_K, (_HIDDEN, _SHARED_FF)),
        "ffn_up_shexp.weight": (Q4_K, (_HIDDEN, _SHARED_FF)),
        "ffn_down_shexp.weight": (Q4_K, (_SHARED_FF, _HIDDEN)),
    }
