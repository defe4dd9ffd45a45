"""A LoRA adapter as a file: a GGUF of its own, with two thin matrices for each matrix of a model that it changes.

llama.cpp computes W x + (alpha / rank) B (A x), where the adapter has `W.lora_a` and `W.lora_b` (llama-adapter.cpp). It
takes any adapter whose shapes fit, so one of another model of the same sizes would be used without a word: adapters of
ours name their model by its norms, which every quantisation leaves as they are.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.errors import ModelInvalid, ModelMissing, ModelUnsupported
from dsassist_runtime.gguf import GgufHeader, read_header

__all__ = ["BASE_KEY", "LORA_A", "LORA_B", "Adapter", "check_fits", "is_adapter", "norms_digest", "read_adapter"]

LORA_A, LORA_B = ".lora_a", ".lora_b"
BASE_KEY = "dsassist.lora.base"
"""The metadata key with `norms_digest` of the model that an adapter of ours was trained on."""

_F32 = 0


@dataclass(frozen=True)
class Adapter:
    """What its header says. `names` are the tensors that it changes, `base_name` the model as its maker calls it."""

    header: GgufHeader
    names: tuple[str, ...]
    rank: int
    alpha: float
    base_name: str

    @property
    def path(self) -> Path:
        """The file."""
        return self.header.path

    @property
    def name(self) -> str:
        """What it calls itself, or else its file's name."""
        return self.header.text("general.name") or self.path.stem


def is_adapter(header: GgufHeader) -> bool:
    """Is this no model, but what changes one?"""
    return header.text("general.type") == "adapter"


def read_adapter(path: Path) -> Adapter:
    """Read an adapter's header; `ModelMissing`, `ModelInvalid`, or `ModelUnsupported` for another kind of adapter."""
    try:
        header = read_header(path)
    except ModelMissing:
        raise ModelMissing(f"there is no adapter {path}; check the path (engine.lora, --lora)") from None
    if not is_adapter(header):
        raise ModelInvalid(f"{path} is a model, and no adapter; name it as the model, or leave out --lora")
    if (kind := header.text("adapter.type")) != "lora":
        raise ModelUnsupported(f"{path} is an adapter of the type {kind or 'nothing'!r}; only LoRA can be used")
    shapes = {tensor.name: tensor.shape for tensor in header.tensors}
    names = tuple(name.removesuffix(LORA_A) for name in shapes if name.endswith(LORA_A))
    if not names or any(len(shapes.get(name + end, ())) < 2 for name in names for end in (LORA_A, LORA_B)):
        raise ModelInvalid(f"{path} lacks matrices that an adapter has in pairs; make or get it again")
    alpha = header.metadata.get("adapter.lora.alpha")
    return Adapter(
        header,
        names,
        rank=shapes[names[0] + LORA_A][1],
        alpha=float(alpha) if isinstance(alpha, (int, float)) else 0.0,
        base_name=header.text("general.base_model.0.name"),
    )


def check_fits(adapter: Adapter, model: GgufHeader) -> None:
    """`ModelUnsupported` unless this is the model that the adapter was made for, as far as can be told."""
    other = _otherness(adapter, model)
    if other:
        base = f", which is {adapter.base_name}" if adapter.base_name else ""
        raise ModelUnsupported(
            f"{adapter.path} is an adapter of another model than {model.path} ({other}); name its own model{base}, or "
            "leave out --lora (engine.lora)"
        )


def norms_digest(model: GgufHeader) -> str:
    """What a model is known by in any quantisation: the SHA-256 of its vectors, which all of them keep in F32."""
    vectors = sorted(tensor for tensor in model.tensors if len(tensor.shape) == 1 and tensor.type == _F32)
    digest = hashlib.sha256()
    with model.path.open("rb") as file:
        for tensor in vectors:
            file.seek(model.data_offset + tensor.offset)
            digest.update(tensor.name.encode() + b"\0" + file.read(tensor.n_bytes))
    return digest.hexdigest()


def _otherness(adapter: Adapter, model: GgufHeader) -> str:
    if adapter.header.architecture != model.architecture:
        return f"{adapter.header.architecture or 'no'} architecture, not {model.architecture}"
    theirs = {tensor.name: tensor.shape for tensor in model.tensors}
    ours = {tensor.name: tensor.shape for tensor in adapter.header.tensors}
    for name in adapter.names:
        if name not in theirs:
            if model.integer("split.count") > 1:  # it stands in another of the model's files
                continue
            return f"it has no {name}"
        n_in, n_out = ours[name + LORA_A][0], ours[name + LORA_B][1]
        if not name.startswith("token_embd") and theirs[name][:2] != (n_in, n_out):
            return f"its {name} is {' x '.join(map(str, theirs[name][:2]))}, not {n_in} x {n_out}"
    base = adapter.header.text(BASE_KEY)
    return "its weights are others" if base and base != norms_digest(model) else ""
