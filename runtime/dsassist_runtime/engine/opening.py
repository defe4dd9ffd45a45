"""Opens a model as its plan says: all of it in memory, or its experts streamed from disk.

Whether it fits is a matter of headers and of what is free, asked in a moment. So a model that fits is loaded as
llama.cpp does it, with nothing in its way; only where experts must be streamed are memory and disk measured, and is a
trial due.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from dsassist_runtime.api import EngineSettings, ExpectedSpeed
from dsassist_runtime.engine.trial import try_streaming
from dsassist_runtime.errors import DsassistError, ModelInvalid, ModelUnsupported, NotDone
from dsassist_runtime.gguf import GgufHeader
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.placement import Placement
from dsassist_runtime.lora import check_fits, is_adapter, read_adapter
from dsassist_runtime.offload import StreamedModel, open_streamed
from dsassist_runtime.planning.bandwidth import memory_bandwidth
from dsassist_runtime.planning.computing import computing_speed
from dsassist_runtime.planning.contents import Contents, read_contents
from dsassist_runtime.planning.devices import devices
from dsassist_runtime.planning.disk import disk_speed
from dsassist_runtime.planning.machine import Wanted, limits_for
from dsassist_runtime.planning.memory import FreeMemory, free_memory
from dsassist_runtime.planning.plan import Plan, Speeds, make_plan

__all__ = ["OpenedModel", "open_model", "placement_of", "plan_for"]

_LEAST_LANES = 4
_ENDLESS = FreeMemory(1 << 60, "nobody")
_SETTLING_S, _LOOK_S, _SETTLED_BYTES = 3.0, 0.3, 64_000_000

Progress = Callable[[float], None]


class OpenedModel(NamedTuple):
    """A loaded model; `streamed` owns it where its experts wait on disk. The caller closes it."""

    model: Model
    streamed: StreamedModel | None = None
    expected: tuple[ExpectedSpeed, ...] = ()

    def close(self) -> None:
        """Free it; contexts must be closed before."""
        (self.model if self.streamed is None else self.streamed).close()


def open_model(settings: EngineSettings, header: GgufHeader, on_progress: Progress | None = None) -> OpenedModel:
    """Load the model whose header was read; `ModelError` when it cannot serve, `PlanImpossible` when it has no room."""
    if is_adapter(header):
        raise ModelInvalid(
            f"{header.path} is a LoRA adapter, and no model; name the model that it is for, and this file by --lora"
        )
    if settings.lora_path is None:
        return _open(settings, header, on_progress)
    adapter = read_adapter(settings.lora_path)
    check_fits(adapter, header)
    opened = _open(settings, header, on_progress)
    try:
        opened.model.adapt(adapter.path)
    except BaseException:
        opened.close()
        raise
    return opened


def _open(settings: EngineSettings, header: GgufHeader, on_progress: Progress | None) -> OpenedModel:
    found = plan_for(settings, header)
    if found is None:
        return OpenedModel(Model(settings.model_path, Placement(settings.n_gpu_layers), on_progress))
    contents, plan = found
    placement = placement_of(contents, plan)
    if not plan.is_streamed:
        return OpenedModel(Model(settings.model_path, placement, on_progress))
    return _open_streamed(contents, plan, placement, on_progress)


def placement_of(contents: Contents, plan: Plan) -> Placement:
    """The plan's part in VRAM, as llama.cpp is told; nothing is said of experts where none must stay behind."""
    others = {layer.index for layer in contents.layers if layer.n_experts} - set(plan.expert_layers_in_vram)
    return Placement(plan.n_gpu_layers, plan.expert_layers_in_vram if others else None)


def plan_for(
    settings: EngineSettings, header: GgufHeader, free: Callable[[], FreeMemory] = free_memory
) -> tuple[Contents, Plan] | None:
    """The plan, without speeds; None where none is made, and llama.cpp is left to itself.

    That is so with the plan off, or where a number of layers for the GPU is named; and for what a plan has no words
    for, such as experts in tensors of their own, unless somebody named limits that must be kept. `free` tells how much
    memory is free, or raises `NotDone`.
    """
    is_limited = settings.ram_bytes is not None or settings.vram_bytes is not None
    if settings.plan == "off":
        return None
    if settings.n_gpu_layers:
        if is_limited:
            raise DsassistError(
                "engine.n_gpu_layers takes the place of a plan, and engine.ram and engine.vram are limits for one;"
                " leave out the one or the other"
            )
        return None
    try:
        contents = read_contents(settings.model_path, header)
    except ModelUnsupported:
        if is_limited:
            raise
        return None
    plan = _plan(contents, Wanted(settings.ram_bytes, settings.vram_bytes, settings.n_ctx), free)
    return contents, plan


def _plan(contents: Contents, wanted: Wanted, free: Callable[[], FreeMemory]) -> Plan:
    found = devices()
    whole = make_plan(contents, limits_for(contents, wanted, _ENDLESS, found), None)
    if wanted.ram_bytes is not None:
        return whole
    try:
        settled = _settled_memory(contents, wanted, whole.ram.n_bytes, free)
    except NotDone:  # this system does not tell, and nobody named a limit
        return whole
    limits = limits_for(contents, wanted, settled, found)
    if not contents.n_experts and limits.ram_bytes < whole.ram.n_bytes:
        return whole  # nothing of it can wait on disk: the system pages it, as it would any program
    return make_plan(contents, limits, None)


def _settled_memory(
    contents: Contents, wanted: Wanted, needed_bytes: int, free: Callable[[], FreeMemory]
) -> FreeMemory:
    """What is free. An engine that ended a moment ago may not have given all of its memory back yet."""
    until, found = time.monotonic() + _SETTLING_S, free()
    while limits_for(contents, wanted, found, ()).ram_bytes < needed_bytes and time.monotonic() < until:
        time.sleep(_LOOK_S)
        before, found = found, free()
        if found.n_bytes < before.n_bytes + _SETTLED_BYTES:
            break
    return found


def _open_streamed(contents: Contents, plan: Plan, placement: Placement, on_progress: Progress | None) -> OpenedModel:
    speeds, n_lanes = _measured(contents)
    streamed = open_streamed(
        contents.path, plan.ram.expert_bytes, n_lanes=n_lanes, placement=placement, on_progress=on_progress
    )
    try:
        try_streaming(streamed)
    except BaseException:
        streamed.close()
        raise
    expected = make_plan(contents, plan.limits, speeds).expected
    told = tuple(ExpectedSpeed(each.routing, each.tokens_s, each.hit_rate) for each in expected)
    return OpenedModel(streamed.model, streamed, told)


def _measured(contents: Contents) -> tuple[Speeds | None, int]:
    """The speeds, as far as they can be had, and how many lanes read best."""
    try:
        disk = disk_speed(contents.path)
        speeds = Speeds(memory_bandwidth().bytes_s, disk.best_bytes_s, computing_speed(contents.token_bytes))
        return speeds, max(_LEAST_LANES, disk.lanes)
    except NotDone:
        return None, _LEAST_LANES
