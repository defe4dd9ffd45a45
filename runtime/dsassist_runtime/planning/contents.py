"""What a model's files hold, part by part: what each token needs, the experts of each layer, and the KV cache.

From the headers alone; no model is loaded. A *routed expert* is a slice of a merged tensor
`blk.N.ffn_{gate,up,down,gate_up}_exps.weight`; whatever else a layer has is its *dense part*, shared experts included.
"""

from __future__ import annotations

import mmap
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dsassist_runtime.errors import ModelInvalid, ModelUnsupported
from dsassist_runtime.gguf import GgufHeader, Tensor
from dsassist_runtime.models.description import is_mla
from dsassist_runtime.planning import kv_cache
from dsassist_runtime.planning.buffers import buffers
from dsassist_runtime.planning.engine_use import N_CONTEXTS, N_SEQUENCES, n_cells
from dsassist_runtime.planning.keys import largest
from dsassist_runtime.planning.shards import read_shards

__all__ = ["Contents", "Layer", "read_contents"]

_BLOCK = re.compile(r"blk\.(?P<layer>[0-9]{1,6})\.(?P<name>.+)")
_EXPERTS = re.compile(r"ffn_(gate|up|down|gate_up)_exps\.weight")
_SEPARATE_EXPERT = re.compile(r"ffn_(gate|up|down)\.\d+\.weight")
_INPUT = ("token_embd", "per_layer_token_embd")  # llama.cpp keeps these on the CPU, and reads a row a token


@dataclass(frozen=True)
class Layer:
    """One layer; `shared_bytes` (its shared experts) are a part of `dense_bytes`, `n_experts` is 0 in a dense one.

    `page_bytes` is what its experts take on top when they are streamed: each slice then has whole pages of its own.
    """

    index: int
    dense_bytes: int
    shared_bytes: int = 0
    expert_bytes: int = 0  # of all its routed experts
    n_experts: int = 0
    kv_bytes_per_cell: int = 0
    state_bytes: int = 0  # of all sequences
    page_bytes: int = 0

    @property
    def one_expert_bytes(self) -> int:
        """The slices of one routed expert."""
        return self.expert_bytes // self.n_experts if self.n_experts else 0

    @property
    def streamed_bytes(self) -> int:
        """What all its experts take when they are streamed, at most."""
        return self.expert_bytes + self.page_bytes

    def streamed_token_bytes(self, n_used: int) -> int:
        """What the experts of one token take then."""
        return n_used * -(-self.streamed_bytes // self.n_experts) if self.n_experts else 0

    def kv_bytes(self, n_ctx: int) -> int:
        """Its part of the engine's caches."""
        return self.kv_bytes_per_cell * n_cells(n_ctx) + self.state_bytes


@dataclass(frozen=True)
class Contents:
    """A model, taken apart. All bytes of weights are in `input_bytes`, `output_bytes`, `layers` or `unused_bytes`."""

    path: Path
    name: str
    n_files: int
    architecture: str
    n_ctx_train: int
    n_used: int  # routed experts of a layer that a token uses; 0 for a dense model
    n_shared: int
    input_bytes: int
    output_bytes: int
    is_tied: bool  # the input's table serves as the output's as well
    unused_bytes: int  # layers that predict further tokens, which the engine does not run
    layers: tuple[Layer, ...] = field(repr=False)
    buffer_bytes: int  # of one context, see `buffers`
    buffer_bytes_per_cell: int
    warnings: tuple[str, ...] = ()
    token_bytes: Mapping[int, int] = field(default_factory=dict)  # of weights that a token reads, by ggml's type
    n_operations: int = 0  # of a token's graph, an estimate

    @property
    def n_experts(self) -> int:
        """Routed experts of a layer; 0 for a dense model."""
        return max((layer.n_experts for layer in self.layers), default=0)

    @property
    def dense_bytes(self) -> int:
        """What every token needs: all but routed experts and what is not used."""
        return self.input_bytes + self.output_bytes + sum(layer.dense_bytes for layer in self.layers)

    @property
    def shared_bytes(self) -> int:
        """The shared experts' part of `dense_bytes`."""
        return sum(layer.shared_bytes for layer in self.layers)

    @property
    def expert_bytes(self) -> int:
        """All routed experts."""
        return sum(layer.expert_bytes for layer in self.layers)

    @property
    def weight_bytes(self) -> int:
        """All tensors of all files."""
        return self.dense_bytes + self.expert_bytes + self.unused_bytes

    @property
    def kv_bytes_per_token(self) -> int:
        """The KV cache's growth with each token."""
        return sum(layer.kv_bytes_per_cell for layer in self.layers)

    def kv_bytes(self, n_ctx: int) -> int:
        """The engine's caches for a context of `n_ctx` tokens."""
        return sum(layer.kv_bytes(n_ctx) for layer in self.layers)

    def compute_bytes(self, n_ctx: int) -> int:
        """The estimate of llama.cpp's buffers for a context of `n_ctx` tokens."""
        return N_CONTEXTS * self.buffer_bytes + self.buffer_bytes_per_cell * n_cells(n_ctx)


def read_contents(path: Path, header: GgufHeader | None = None) -> Contents:
    """Take a model apart; of a split one `path` is the first file. `header`: that file's, where it was read already.

    Raises what `read_shards` raises (`ModelUnsupported` for a tensor type that is not known), `ModelUnsupported` for
    experts in tensors of their own, and `ModelInvalid` where metadata and tensors do not go together.
    """
    headers = read_shards(path, header)
    header = headers[0]
    tensors = [tensor for each in headers for tensor in each.tensors]
    blocks, others = _by_layer(header, tensors)
    n_layers = header.integer("{arch}.block_count") - header.integer("{arch}.nextn_predict_layers")
    used = {index: block for index, block in blocks.items() if index < n_layers}
    cell_bytes = kv_cache.bytes_per_cell(header, {index: block.keys() for index, block in used.items()})
    layers = tuple(_layer(header, index, block, cell_bytes[index]) for index, block in sorted(used.items()))
    inputs = [tensor for tensor in others if tensor.name.startswith(_INPUT)]
    unused = [tensor for index, block in blocks.items() if index >= n_layers for tensor in block.values()]
    n_vocab = next((tensor.shape[-1] for tensor in inputs if tensor.name == "token_embd.weight"), 0)
    fixed_bytes, per_cell = buffers(header, n_vocab, _n_expert_ff(used.values()))
    return Contents(
        path=path,
        name=header.text("general.name") or path.stem,
        n_files=len(headers),
        architecture=header.architecture,
        n_ctx_train=header.integer("{arch}.context_length"),
        n_used=largest(header, "{arch}.expert_used_count") if any(layer.n_experts for layer in layers) else 0,
        n_shared=header.integer("{arch}.expert_shared_count"),
        input_bytes=_bytes(inputs),
        output_bytes=_bytes(others) - _bytes(inputs),
        is_tied=all(tensor.name != "output.weight" for tensor in others),
        unused_bytes=_bytes(unused),
        layers=layers,
        buffer_bytes=fixed_bytes,
        buffer_bytes_per_cell=per_cell,
        warnings=tuple(_warnings(header, used, sum(cell_bytes.values()))),
        token_bytes=_token_bytes(header, used, others),
        n_operations=2 * len(others) + sum(_n_operations(block) for block in used.values()),
    )


def _token_bytes(header: GgufHeader, blocks: dict[int, dict[str, Tensor]], others: list[Tensor]) -> dict[int, int]:
    """All but the tables of which a token reads a row; of routed experts those that it uses."""
    is_tied = all(tensor.name != "output.weight" for tensor in others)
    n_used = largest(header, "{arch}.expert_used_count")
    found: defaultdict[int, int] = defaultdict(int)
    for tensor in others:
        if not tensor.name.startswith(_INPUT) or (is_tied and tensor.name == "token_embd.weight"):
            found[tensor.type] += tensor.n_bytes
    for block in blocks.values():
        for name, tensor in block.items():
            is_routed = _EXPERTS.fullmatch(name)
            found[tensor.type] += tensor.n_bytes // tensor.shape[-1] * n_used if is_routed else tensor.n_bytes
    return dict(found)


def _n_operations(block: dict[str, Tensor]) -> int:
    """About what llama.cpp's graphs of qwen2 and deepseek2 have."""
    return 2 * len(block) + (12 if any(map(_EXPERTS.fullmatch, block)) else 0)


def _by_layer(header: GgufHeader, tensors: Iterable[Tensor]) -> tuple[dict[int, dict[str, Tensor]], list[Tensor]]:
    """The tensors of each layer by their names without `blk.N.`, and those of no layer."""
    blocks: defaultdict[int, dict[str, Tensor]] = defaultdict(dict)
    others = []
    for tensor in tensors:
        found = _BLOCK.fullmatch(tensor.name)
        if found is None:
            others.append(tensor)
            continue
        if _SEPARATE_EXPERT.fullmatch(found["name"]):
            raise ModelUnsupported(
                f"{header.path} has each expert in a tensor of its own ({tensor.name}), as conversions of early 2024 "
                "did; take a newer conversion of the model"
            )
        blocks[int(found["layer"])][found["name"]] = tensor
    return blocks, others


def _layer(header: GgufHeader, index: int, block: dict[str, Tensor], cell_bytes: int) -> Layer:
    experts = [tensor for name, tensor in block.items() if _EXPERTS.fullmatch(name)]
    counts = {tensor.shape[-1] for tensor in experts}
    n_used = largest(header, "{arch}.expert_used_count")
    if experts and (len(counts) > 1 or not 0 < n_used <= min(counts)):
        raise ModelInvalid(
            f"{header.path} does not go together: layer {index} has {' or '.join(map(str, sorted(counts)))} experts, "
            f"and {header.architecture}.expert_used_count is {n_used}; pull it again"
        )
    return Layer(
        index,
        dense_bytes=_bytes(block.values()) - _bytes(experts),
        shared_bytes=_bytes(tensor for name, tensor in block.items() if "_shexp." in name),
        expert_bytes=_bytes(experts),
        n_experts=counts.pop() if counts else 0,
        kv_bytes_per_cell=cell_bytes,
        state_bytes=kv_cache.state_bytes(header) * N_SEQUENCES if kv_cache.has_state(block.keys()) else 0,
        page_bytes=sum(_page_bytes(tensor) for tensor in experts),
    )


def _page_bytes(experts: Tensor) -> int:
    """The rest of the pages that the slices of a tensor begin and end in, where they lie worst."""
    n_experts = experts.shape[-1]
    slice_bytes = experts.n_bytes // n_experts
    pages = (slice_bytes + 2 * (mmap.PAGESIZE - 1)) // mmap.PAGESIZE
    return n_experts * (pages * mmap.PAGESIZE - slice_bytes)


def _n_expert_ff(blocks: Iterable[dict[str, Tensor]]) -> int:
    """The width of a routed expert: rows of its `down` projection."""
    downs = (block["ffn_down_exps.weight"] for block in blocks if "ffn_down_exps.weight" in block)
    return max((tensor.shape[0] for tensor in downs), default=0)


def _warnings(header: GgufHeader, blocks: dict[int, dict[str, Tensor]], cell_bytes: int) -> Iterable[str]:
    small = kv_cache.bytes_with_mla(header) * len(blocks)
    if small and cell_bytes > small and not is_mla(header):
        yield (
            f"converted before llama.cpp knew MLA: its KV cache takes {cell_bytes:,} bytes a token, "
            f"{cell_bytes / small:.1f} times as much as the {small:,} in a newer conversion of the same model"
        )
    if window := header.integer("{arch}.attention.sliding_window"):
        yield f"some layers look back {window} tokens only; the engine keeps whole caches for them all the same"
    if not cell_bytes:
        yield "its keys do not tell the size of the KV cache, which is left out"
    if any(kv_cache.has_state(block.keys()) for block in blocks.values()) and not kv_cache.state_bytes(header):
        yield "its recurrent layers keep a state of unknown size for each sequence, which is left out"


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.n_bytes for tensor in tensors)
