"""Where the experts of a mixture of experts lie: the byte ranges of each (layer, expert) in the model's files.

From the headers alone; no model is loaded. A GGUF has the experts of a layer merged into a tensor for each projection,
`blk.N.ffn_{gate,up,down,gate_up}_exps.weight`, whose slowest axis is the expert: its weights are one slice of each.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from dsassist_runtime.errors import ModelInvalid, ModelUnsupported
from dsassist_runtime.gguf import GgufHeader, Tensor, read_header

__all__ = ["ByteRange", "ExpertTensor", "Experts", "find_experts"]

_NAME = re.compile(r"blk\.([0-9]{1,6})\.ffn_(gate|up|down|gate_up)_exps\.weight")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})\.gguf$")
_COMPUTED_FIRST = ("up", "gate_up", "gate", "down")  # what the graph needs first is read first


class ByteRange(NamedTuple):
    """`n_bytes` at `offset` of the model's file number `file`."""

    file: int
    offset: int
    n_bytes: int


@dataclass(frozen=True)
class ExpertTensor:
    """One projection of all experts of a layer. `shape` has the fastest axis first, `offset` is the file's."""

    name: str
    layer: int
    projection: str
    file: int
    offset: int
    shape: tuple[int, ...]
    type: int
    slice_bytes: int

    @property
    def n_experts(self) -> int:
        """How many slices there are."""
        return self.shape[2]

    def slice(self, expert: int) -> ByteRange:
        """Where the weights of `expert` lie."""
        assert 0 <= expert < self.n_experts, f"{self.name} has {self.n_experts} experts, and not {expert}"
        return ByteRange(self.file, self.offset + expert * self.slice_bytes, self.slice_bytes)


@dataclass(frozen=True)
class Experts:
    """The expert tensors of a model, those of a layer in the order in which they are computed."""

    headers: tuple[GgufHeader, ...]  # one for each file
    tensors: tuple[ExpertTensor, ...]
    n_used: int  # of a layer, by a token

    @property
    def paths(self) -> tuple[Path, ...]:
        """The model's files."""
        return tuple(header.path for header in self.headers)

    @functools.cached_property
    def by_layer(self) -> dict[int, tuple[ExpertTensor, ...]]:
        """The tensors of each layer that has experts."""
        layers: dict[int, list[ExpertTensor]] = {}
        for tensor in self.tensors:
            layers.setdefault(tensor.layer, []).append(tensor)
        return {layer: tuple(tensors) for layer, tensors in sorted(layers.items())}

    def slices(self, layer: int, expert: int) -> tuple[ByteRange, ...]:
        """The weights of one expert."""
        return tuple(tensor.slice(expert) for tensor in self.by_layer[layer])

    def without(self, names: Iterable[str]) -> Experts:
        """The same without these tensors."""
        left_out = frozenset(names)
        kept = tuple(tensor for tensor in self.tensors if tensor.name not in left_out)
        return Experts(self.headers, kept, self.n_used)


def find_experts(path: Path) -> Experts:
    """Read the headers of a model, of all its files where it is split.

    Raises `ModelError` for files that are missing or damaged, and `ModelUnsupported` where no merged experts are found.
    """
    headers = tuple(_headers(path))
    tensors = [
        _expert_tensor(header, number, tensor)
        for number, header in enumerate(headers)
        for tensor in header.tensors
        if _NAME.fullmatch(tensor.name)
    ]
    if not tensors:
        raise ModelUnsupported(
            f"{path} has no merged experts, so nothing of it can wait on disk; a model like this must fit in memory"
        )
    tensors.sort(key=lambda tensor: (tensor.layer, _COMPUTED_FIRST.index(tensor.projection)))
    experts = Experts(headers, tuple(tensors), _n_used(headers[0]))
    for layer, own in experts.by_layer.items():
        if len({tensor.n_experts for tensor in own}) > 1:
            raise ModelInvalid(f"{path}: the expert tensors of layer {layer} do not have the same number of experts")
    return experts


def _headers(path: Path) -> Iterable[GgufHeader]:
    first = read_header(path)
    yield first
    n_files = first.integer("split.count", 1)
    if n_files <= 1:
        return
    numbers = _SHARD.search(path.name)
    if not numbers or int(numbers[2]) != n_files:
        raise ModelInvalid(f"{path} is one of {n_files} files, and must be named NAME-00001-of-{n_files:05}.gguf")
    names = [f"{path.name[: numbers.start()]}-{number:05}-of-{n_files:05}.gguf" for number in range(1, n_files + 1)]
    if first.integer("split.no") != 0:
        raise ModelInvalid(f"{path} is a later part of a split model; name its first file, {path.with_name(names[0])}")
    for name in names[1:]:
        yield read_header(path.with_name(name))


def _expert_tensor(header: GgufHeader, file: int, tensor: Tensor) -> ExpertTensor:
    found = _NAME.fullmatch(tensor.name)
    assert found, tensor.name
    if len(tensor.shape) != 3 or not tensor.shape[2]:
        raise ModelInvalid(f"{header.path}: {tensor.name} has the shape {tensor.shape}, and must have three axes")
    return ExpertTensor(
        name=tensor.name,
        layer=int(found[1]),
        projection=found[2],
        file=file,
        offset=header.data_offset + tensor.offset,
        shape=tensor.shape,
        type=tensor.type,
        slice_bytes=tensor.n_bytes // tensor.shape[2],
    )


def _n_used(header: GgufHeader) -> int:
    key = f"{header.architecture}.expert_used_count"
    value = header.metadata.get(key)
    per_layer = value if isinstance(value, tuple) else (value,)  # a few models choose another number in each layer
    counts = [count for count in per_layer if isinstance(count, int) and not isinstance(count, bool)]
    if not counts or max(counts) < 1:
        raise ModelInvalid(f"{header.path} does not tell how many experts a token uses ({key})")
    return max(counts)
