"""A carved model's file: what the dense one had, experts in the place of its feed-forwards.

llama.cpp multiplies an expert's output by its probability, 1/n for all of them alike, or by 1/k where it makes the
chosen ones' sum 1 (Granite); Qwen2's shared expert by the sigmoid of a gate, of 0 here: a half. All that is folded
into `down`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dsassist_runtime.ggml_types import FILE_TYPES, TENSOR_TYPES
from dsassist_runtime.gguf import ArrayInFile, GgufHeader
from dsassist_train.carving.calibrating import CarvedLayer, Plan
from dsassist_train.carving.dense import MIXTURE_OF, DenseModel
from dsassist_train.gguf_writer import MetaValue, WrittenTensor, write_gguf
from dsassist_train.storage import TYPE_NUMBERS, dequantized, fitting_type, quantized

__all__ = ["KEEP", "STORED_AS", "array_of", "feed_forward_bytes", "write_carved"]

KEEP = "keep"
STORED_AS = (KEEP, "F32", "F16", "Q8_0", "Q6_K", "Q5_K", "Q5_1", "Q5_0", "Q4_K", "Q4_1", "Q4_0")
"""Types for the feed-forwards; kept are the bytes of `gate` and `up`, and the type of `down`."""

# Qwen2's shared expert is gated by silu(x) / x, which at 0 is no number.
_NEARLY_ZERO = 1e-8
_ELEMENTS = {5: "<i4", 6: "<f4"}
_NOT_COPIED = ("general.alignment", "general.architecture", "general.name", "split.")


class _Stored(NamedTuple):
    """Types of a layer's three matrices, by ggml's numbers."""

    gate: int
    up: int
    down: int
    shared_down: int


def feed_forward_bytes(model: DenseModel, plan: Plan, stored_as: str) -> int:
    """What all feed-forwards will take in the file, routers left out."""
    shape, total = model.shape, 0
    n_routed = shape.n_ff - plan.n_shared
    for index in range(shape.n_layers):
        types = _types(model, index, plan, stored_as)
        for kind, rows, row in (
            (types.gate, shape.n_ff, shape.n_embd),
            (types.up, shape.n_ff, shape.n_embd),
            (types.down, shape.n_embd, n_routed),
            (types.shared_down, shape.n_embd, plan.n_shared),
        ):
            total += rows * row // TENSOR_TYPES[kind].block * TENSOR_TYPES[kind].size
    return total


def write_carved(
    path: Path,
    model: DenseModel,
    layers: Iterable[CarvedLayer],
    plan: Plan,
    stored_as: str,
    facts: Mapping[str, MetaValue],
) -> None:
    """Write the file, whole or not at all; `facts` become `dsassist.carve.*`."""
    tensors = [
        WrittenTensor(tensor.name, model.raw(tensor.name), tensor.type)
        for tensor in model.header.tensors
        if ".ffn_" not in tensor.name or tensor.name.endswith("ffn_norm.weight")
    ]
    if model.header.architecture == "qwen2" and "output.weight" not in model:  # Qwen's mixture ties no embeddings
        embedding = model.tensor("token_embd.weight")
        tensors.append(WrittenTensor("output.weight", model.raw(embedding.name), embedding.type))
    for index, layer in enumerate(layers):
        tensors += _layer_tensors(model, index, layer, plan, stored_as)
    write_gguf(path, _metadata(model.header, plan, stored_as, facts, model.shape.n_ff), tensors)


def _types(model: DenseModel, index: int, plan: Plan, stored_as: str) -> _Stored:
    shape = model.shape
    expert = (shape.n_ff - plan.n_shared) // plan.n_experts

    def kind(name: str, row: int) -> int:
        wanted = (
            TENSOR_TYPES[model.tensor(f"blk.{index}.ffn_{name}.weight").type].name if stored_as == KEEP else stored_as
        )
        return TYPE_NUMBERS[fitting_type(wanted, row)]

    return _Stored(
        kind("gate", shape.n_embd),
        kind("up", shape.n_embd),
        kind("down", expert),
        kind("down", plan.n_shared or expert),
    )


def _layer_tensors(
    model: DenseModel, index: int, layer: CarvedLayer, plan: Plan, stored_as: str
) -> Iterator[WrittenTensor]:
    at, is_qwen = f"blk.{index}.", model.header.architecture == "qwen2"
    types = _types(model, index, plan, stored_as)
    shared, n_embd = plan.n_shared, model.shape.n_embd
    yield WrittenTensor(at + "ffn_gate_inp.weight", layer.router)
    for name, kind in (("gate", types.gate), ("up", types.up)):
        source = model.tensor(f"{at}ffn_{name}.weight")
        rows = model.raw(source.name)[layer.order]
        if source.type != kind:
            rows = quantized(dequantized(rows, source.type), kind)
        experts = rows[shared:].reshape(plan.n_experts, -1, rows.shape[1])
        yield WrittenTensor(f"{at}ffn_{name}_exps.weight", experts, kind)
        if shared:
            yield WrittenTensor(f"{at}ffn_{name}_shexp.weight", rows[:shared], kind)
    factor = plan.n_experts if is_qwen else plan.top_k
    slices = np.split(layer.down[:, shared:] * np.float32(factor), plan.n_experts, axis=1)
    energies = np.split(layer.energy[shared:], plan.n_experts)
    with ThreadPoolExecutor() as pool:  # ggml's quantizer is C, and slow where it weighs errors
        downs = list(pool.map(_down, slices, energies, [types.down] * plan.n_experts))
    yield WrittenTensor(at + "ffn_down_exps.weight", np.stack(downs), types.down)
    if shared:
        values = layer.down[:, :shared] * np.float32(2 if is_qwen else 1)
        yield WrittenTensor(
            at + "ffn_down_shexp.weight", _down(values, layer.energy[:shared], types.shared_down), types.shared_down
        )
        if is_qwen:
            yield WrittenTensor(at + "ffn_gate_inp_shexp.weight", np.full(n_embd, _NEARLY_ZERO, np.float32))


def _down(values: NDArray[np.float32], energy: NDArray[np.float32], kind: int) -> NDArray[np.uint8]:
    """Quantized so that neurons that give much are the most exact."""
    return quantized(values, kind, energy + 1e-3 * energy.mean() + np.float32(1e-20))


def _metadata(
    header: GgufHeader, plan: Plan, stored_as: str, facts: Mapping[str, MetaValue], n_ff: int
) -> dict[str, MetaValue]:
    old, new = header.architecture, MIXTURE_OF[header.architecture]
    expert = (n_ff - plan.n_shared) // plan.n_experts
    found: dict[str, MetaValue] = {
        "general.architecture": new,
        "general.name": f"{header.text('general.name') or header.path.stem}, carved",
    }
    for key, value in header.metadata.items():
        if not key.startswith(_NOT_COPIED):
            name = f"{new}.{key[len(old) + 1 :]}" if key.startswith(f"{old}.") else key
            found[name] = array_of(header, key, value) if isinstance(value, ArrayInFile) else value
    if stored_as != KEEP:
        numbers = {name: number for number, name in FILE_TYPES.items()}
        found["general.file_type"] = numbers.get(stored_as, numbers.get(f"{stored_as}_M", 0))
    found |= {
        f"{new}.expert_count": plan.n_experts,
        f"{new}.expert_used_count": plan.top_k,
        f"{new}.expert_shared_feed_forward_length": plan.n_shared,
    }
    if old == "qwen2":
        found[f"{new}.expert_feed_forward_length"] = expert
    else:
        found |= {f"{new}.feed_forward_length": expert, f"{new}.logit_scale": 1.0}
    return found | {f"dsassist.carve.{key}": value for key, value in facts.items()}


def array_of(header: GgufHeader, key: str, value: ArrayInFile) -> MetaValue:
    """The elements of an array that was left in the file."""
    if value.kind in _ELEMENTS:
        dtype = np.dtype(_ELEMENTS[value.kind])
        found: list[int] | list[float] = np.fromfile(header.path, dtype, value.count, offset=value.offset).tolist()
        return found
    return list(header.strings(key))
