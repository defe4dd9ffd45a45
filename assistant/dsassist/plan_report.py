"""What `dsassist plan` says: a table of what lies where, the speed to expect, and what one should know of both."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from dsassist.output import visible
from dsassist_runtime.ggml_types import TENSOR_TYPES
from dsassist_runtime.models.catalogue import in_words
from dsassist_runtime.planning.contents import Contents
from dsassist_runtime.planning.disk import LANES
from dsassist_runtime.planning.machine import Machine
from dsassist_runtime.planning.plan import Expected, Held, Plan

__all__ = ["PlanReport"]

_WIDTH = 80
_ROUTINGS = {
    "even": "routing asks for all experts equally often: the worst case",
    "local": "routing repeats itself as Qwen3-30B-A3B's did in a recorded chat",
}


@dataclass(frozen=True)
class PlanReport:
    """A plan with what it was made from."""

    model: str
    contents: Contents
    machine: Machine
    plan: Plan

    def notes(self) -> list[str]:
        """What one should know beside the plan and `contents.warnings`, a sentence each."""
        return [*_limit_notes(self), *_placement_notes(self)]

    def as_json(self) -> dict[str, Any]:
        """Everything: sizes in bytes, speeds in bytes/s and tokens/s."""
        contents, machine, plan = self.contents, self.machine, self.plan
        return {
            "model": self.model,
            "path": str(contents.path),
            "contents": {
                **asdict(contents),
                "path": str(contents.path),
                "n_experts": contents.n_experts,
                "dense_bytes": contents.dense_bytes,
                "shared_bytes": contents.shared_bytes,
                "expert_bytes": contents.expert_bytes,
                "weight_bytes": contents.weight_bytes,
                "kv_bytes_per_token": contents.kv_bytes_per_token,
            },
            "machine": {
                **asdict(machine),
                "free_ram": machine.free_ram._asdict(),
                "free_vram_bytes": machine.free_vram_bytes,
                "disk": {
                    "bytes_s_by_lanes": dict(zip(map(str, LANES), machine.disk.bytes_s, strict=True)),
                    "method": machine.disk.method,
                    "busy": machine.disk.busy,
                    "lanes": machine.disk.lanes,
                },
            },
            "plan": asdict(plan),
            "notes": self.notes(),
        }

    def as_text(self, *, color: bool) -> str:
        """80 columns."""
        from rich.console import Console
        from rich.table import Table

        buffer = io.StringIO()
        console = Console(
            file=buffer,
            width=_WIDTH,
            force_terminal=color,
            no_color=not color,
            color_system="standard" if color else None,
            legacy_windows=False,
        )
        console.print(visible(_title(self.contents)), markup=False, highlight=False)
        console.print()
        places = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        for index, column in enumerate(("", "dense", "experts", "KV cache", "buffers", "all", "limit")):
            places.add_column(column, justify="right" if index else "left", no_wrap=True)
        for row in _places(self):
            places.add_row(*row)
        console.print(places)
        console.print()
        facts = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
        facts.add_column(style="bold", no_wrap=True)
        facts.add_column()
        for label, text in _facts(self):
            facts.add_row(label, text)
        console.print(facts, markup=False, highlight=False)
        return "\n".join(line.rstrip() for line in buffer.getvalue().splitlines())


def _title(contents: Contents) -> str:
    experts = "dense"
    if contents.n_experts:
        experts = f"{contents.n_experts} experts a layer, {contents.n_used} used"
        experts += f", {contents.n_shared} shared" if contents.n_shared else ""
    files = f" in {contents.n_files} files" if contents.n_files > 1 else ""
    weights = f"{in_words(contents.weight_bytes)} of weights{files}"
    return f"{contents.name} ({contents.architecture}): {len(contents.layers)} layers, {experts}, {weights}"


def _places(report: PlanReport) -> Iterator[Sequence[str]]:
    plan = report.plan
    if plan.limits.vram_bytes:
        yield _row("VRAM", plan.vram, plan.limits.vram_bytes)
    yield _row("RAM", plan.ram, plan.limits.ram_bytes)
    if plan.disk_bytes:
        yield ("disk alone", "", in_words(plan.disk_bytes), "", "", in_words(plan.disk_bytes), "")


def _row(label: str, held: Held, limit_bytes: int) -> Sequence[str]:
    sizes = (held.dense_bytes, held.expert_bytes, held.kv_bytes, held.buffer_bytes, held.n_bytes)
    return (label, *(in_words(size) if size else "-" for size in sizes), in_words(limit_bytes))


def _facts(report: PlanReport) -> Iterator[tuple[str, str]]:
    contents, plan, machine = report.contents, report.plan, report.machine
    kv = f"{contents.kv_bytes_per_token:,} bytes of KV cache a token"
    yield "context", f"{plan.limits.n_ctx:,} tokens; {kv}"
    if plan.n_gpu_layers:
        layers = f"n_gpu_layers = {plan.n_gpu_layers}"
        if contents.n_experts:
            layers += f", with the experts of {_layers(plan.expert_layers_in_vram)}"
        yield "GPU", layers
    for expected in plan.expected:
        yield "expected", _expected(expected, plan)
    lanes = ", ".join(f"{speed / 1e9:.2f}" for speed in machine.disk.bytes_s)
    how = "around the page cache" if machine.disk.method == "direct" else "through the page cache, as it must be here"
    yield "measured", f"memory {machine.memory.bytes_s / 1e9:.1f} GB/s"
    computed = {TENSOR_TYPES[kind].name: n_bytes for kind, n_bytes in contents.token_bytes.items()}
    speeds = [
        f"{machine.computing.best_bytes_s(name) / 1e9:.1f} of {name}"
        for name in sorted(computed, key=lambda name: -computed[name])
        if machine.computing.best_bytes_s(name)
    ]
    if speeds:
        yield "", f"computing with {', '.join(speeds)} GB/s"
    yield "", f"disk {lanes} GB/s with {', '.join(map(str, LANES))} reads at once, {how}"
    yield "free", f"{in_words(machine.free_ram.n_bytes)} of RAM, says {machine.free_ram.source}"
    for device in machine.devices:
        yield "", f"{in_words(device.free_bytes)} on {device.name} ({device.description})"


def _expected(expected: Expected, plan: Plan) -> str:
    speed = f"{expected.tokens_s:.3g}" if expected.tokens_s < 100 else f"{expected.tokens_s:,.0f}"
    most = "" if plan.n_gpu_layers else "at most "  # the speed of VRAM is not known
    said = f"{most}{speed} tokens/s, bound by {'the disk' if expected.bound == 'disk' else expected.bound}"
    if not plan.is_streamed:
        return f"{said}: {in_words(plan.read_bytes_per_token)} to read from memory for each"
    missed = f"{in_words(expected.missed_bytes_per_token)} a token from disk"
    return f"{said}, if {_ROUTINGS[expected.routing]} ({100 * expected.hit_rate:.0f} % hits, {missed})"


def _layers(indices: tuple[int, ...]) -> str:
    """They are neighbours, but for dense layers between them."""
    if not indices:
        return "no layer"
    return f"layer {indices[0]}" if len(indices) == 1 else f"{len(indices)} layers, {indices[0]} to {indices[-1]}"


def _limit_notes(report: PlanReport) -> Iterator[str]:
    contents, plan, machine = report.contents, report.plan, report.machine
    limits, free_ram, free_vram = plan.limits, machine.free_ram.n_bytes, machine.free_vram_bytes
    if contents.n_ctx_train and limits.n_ctx > contents.n_ctx_train:
        yield f"it was trained for {contents.n_ctx_train:,} tokens; more will not serve it well"
    if limits.ram_bytes > free_ram:
        yield f"{in_words(limits.ram_bytes)} of RAM were named, and {in_words(free_ram)} are free now"
    if limits.vram_bytes > free_vram:
        free = f"{in_words(free_vram)} are free now" if free_vram else "this llama.cpp has no device with memory for it"
        yield f"{in_words(limits.vram_bytes)} of VRAM were named, and {free}"
    for device in machine.devices:
        if device.shares_memory:
            yield f"{device.name} has no memory of its own: what it holds is counted as RAM"


def _placement_notes(report: PlanReport) -> Iterator[str]:
    contents, plan = report.contents, report.plan
    if not contents.n_experts:
        yield "a dense model: there are no experts to stream, so offload has nothing to do"
    if contents.unused_bytes:
        unused = in_words(contents.unused_bytes)
        yield f"{unused} are layers that predict further tokens; the engine does not run them, and they stay on disk"
    if plan.limits.vram_bytes and not plan.n_gpu_layers:
        yield "the VRAM is too small for the output and llama.cpp's buffers, so nothing goes there"
    if plan.n_gpu_layers:
        yield "the speed of VRAM is not measured, and counted as that of RAM: a GPU will be faster"
    if report.machine.memory.busy or report.machine.disk.busy or report.machine.computing.busy:
        yield "other programs ran while this machine was measured; `--measure` on a quiet one tells more"
