"""What is run: models, how much memory they get, and the ways that take turns."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from dsassist.bench.offload.arm import Arm, Order, Routing
from dsassist.bench.offload.names import CaseName
from dsassist.bench.synthetic import Shapes, write_synthetic
from dsassist_runtime.engine.local import default_threads
from dsassist_runtime.offload import least_budget_bytes
from dsassist_runtime.offload.experts import find_experts
from dsassist_runtime.offload.region import Layout
from dsassist_runtime.offload.streamed_model import expert_bytes

__all__ = ["LAPTOP_KB", "Cap", "Case", "Cell", "Models", "Sizes", "make_case"]

LAPTOP_KB = 128  # how far Linux reads ahead unless told otherwise
_PROCESS_BYTES = 320_000_000  # what the process takes beside weights: Python, libraries, KV cache and buffers
_PROMPT_STEPS = 28  # of the recording that we carry, before those of its answer
_TEXT_PROMPT = 64


@dataclass(frozen=True)
class Sizes:
    """How much is done."""

    repeats: int = 3
    tokens: int = 96  # that are timed, at most
    limit_s: float = 20.0  # no token is begun later, of those that are timed
    warm_up: int = 16  # tokens before them
    lanes: int = 4
    small: bool = False  # tiny shapes: to try the bench


class Models(NamedTuple):
    """The files: where the synthetic ones are, or are written; whose text; whose choices, None for the ones carried."""

    folder: Path
    text: Path
    recording: Path | None


class Cap(NamedTuple):
    """The memory that a process gets, and what of it is for experts where we stream them."""

    name: str
    cap_bytes: int | None
    budget_bytes: int


@dataclass(frozen=True)
class Cell:
    """One way to run, at one setting of the device; `read_ahead_kb` None is as found."""

    arm: Arm
    cap: Cap | None = None
    read_ahead_kb: int | None = None

    @property
    def name(self) -> str:
        """As a report has it."""
        parts: list[str] = [self.arm]
        if self.read_ahead_kb is not None:
            parts.append(f"read-ahead {self.read_ahead_kb} KB")
        if self.cap is not None:
            parts.insert(0, self.cap.name)
        return ", ".join(parts)


@dataclass(frozen=True)
class Case:
    """A model, and what is run with it, in this order."""

    name: CaseName
    title: str
    order: Order  # without arm and cap
    cells: tuple[Cell, ...]

    @property
    def model(self) -> Path:
        """Its file."""
        return Path(self.order.model)


_LITE = Shapes(hidden_size=2048, intermediate_size=10944, moe_intermediate_size=1408, has_expert_bias=True)
_WIDE = Shapes(
    num_hidden_layers=49,  # one without experts before the 48 that were recorded
    hidden_size=2048,
    intermediate_size=6144,
    moe_intermediate_size=512,
    n_routed_experts=128,
    n_shared_experts=1,
    has_expert_bias=True,
)
_TINY: dict[str, Any] = {
    "num_hidden_layers": 4,
    "hidden_size": 256,
    "num_attention_heads": 2,
    "kv_lora_rank": 64,
    "intermediate_size": 512,
    "moe_intermediate_size": 96,
}


def make_case(
    name: CaseName, sizes: Sizes, models: Models, found_kb: int | None, progress: Callable[[str], None]
) -> Case:
    """The case of that name; a model that is missing is written first. `found_kb` is how far the device reads ahead."""
    if name == "c":
        return _text(models.text, sizes)
    shapes = _LITE if name == "a" else _WIDE
    path = models.folder / f"offload-{name}{'-small' if sizes.small else ''}.gguf"
    if not path.exists():
        progress(f"{path} is written")
        write_synthetic(path, replace(shapes, **_TINY) if sizes.small else shapes)
        os.sync()  # pages that are not written yet cannot be dropped
    return _uniform(path, sizes, found_kb) if name == "a" else _recorded(path, sizes, models.recording, found_kb)


def _uniform(path: Path, sizes: Sizes, found_kb: int | None) -> Case:
    cap = _cap_of(path, 4_000_000_000) if not sizes.small else _share_of(path, 0.4)
    order = _order(path, sizes, n_prompt=min(sizes.warm_up, 8), batch=1, routing="drawn")
    cells = (Cell("resident"), *_capped(cap, found_kb))
    return Case("a", "DeepSeek-V2-Lite's shapes, experts by lot", replace(order, beside_bare=True), cells)


def _recorded(path: Path, sizes: Sizes, recording: Path | None, found_kb: int | None) -> Case:
    n_prompt = sizes.warm_up if sizes.small else _PROMPT_STEPS
    order = _order(path, sizes, n_prompt=n_prompt, batch=1, routing="recorded")
    order = replace(order, recording=str(recording or ""), first_step=0 if recording else _PROMPT_STEPS - n_prompt)
    cells = (Cell("resident"), *(cell for share in (0.5, 0.3) for cell in _capped(_share_of(path, share), found_kb)))
    return Case("b", "128 experts of 48 layers, chosen as Qwen3-30B-A3B did", order, cells)


def _text(path: Path, sizes: Sizes) -> Case:
    caps = [Cap(f"{share:.0%}", None, _budget(path, share)) for share in (1.0, 0.75, 0.5, 0.3)]
    least = least_budget_bytes(path)
    caps = [cap for cap in caps if cap.budget_bytes > least]
    caps.append(Cap(f"{least / _all_experts(path):.0%} (the least)", None, least))
    order = _order(path, sizes, n_prompt=_TEXT_PROMPT, batch=_TEXT_PROMPT, routing="own")
    cells = (Cell("resident"), *(Cell("streamed", cap) for cap in caps))
    return Case("c", f"a text of {path.name}", order, cells)


def _order(path: Path, sizes: Sizes, *, n_prompt: int, batch: int, routing: Routing) -> Order:
    return Order(
        arm="resident",
        model=str(path),
        n_threads=1 if sizes.small else default_threads(),  # barriers take a busy machine's time
        n_prompt=n_prompt,
        batch=batch,
        n_tokens=sizes.tokens,
        limit_s=sizes.limit_s,
        n_lanes=sizes.lanes,
        routing=routing,
    )


def _capped(cap: Cap, found_kb: int | None) -> Iterator[Cell]:
    """The ways that a cap is for; at the laptop's setting as well where the device has another one."""
    settings = [found_kb] if found_kb in (None, LAPTOP_KB) else [found_kb, LAPTOP_KB]
    mapped: tuple[Arm, ...] = ("mmap", "advised")
    for kilobytes in settings:
        for arm in mapped:
            yield Cell(arm, cap, kilobytes)
    yield Cell("streamed", cap)


def _share_of(path: Path, share: float) -> Cap:
    budget = _budget(path, share)
    return Cap(f"{share:.0%} of the experts", _others(path) + budget + _PROCESS_BYTES, budget)


def _cap_of(path: Path, cap_bytes: int) -> Cap:
    return Cap(f"{cap_bytes / 1e9:.0f} GB", cap_bytes, cap_bytes - _others(path) - _PROCESS_BYTES)


def _budget(path: Path, share: float) -> int:
    return max(int(share * _all_experts(path)), least_budget_bytes(path))


def _all_experts(path: Path) -> int:
    experts = find_experts(path)
    return sum(expert_bytes(experts, Layout(experts.tensors)).values())


def _others(path: Path) -> int:
    """The bytes of the weights that each token uses."""
    experts = find_experts(path)
    own = {tensor.name for tensor in experts.tensors}
    return sum(tensor.n_bytes for header in experts.headers for tensor in header.tensors if tensor.name not in own)
