"""What this machine has for a model: free memory of both kinds, and how fast memory and disk are read.

How much memory is free is asked in a moment; the speeds are measured, and only who wants to know them waits for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dsassist_runtime.planning.bandwidth import Bandwidth, memory_bandwidth
from dsassist_runtime.planning.computing import Computing, computing_speed
from dsassist_runtime.planning.contents import Contents
from dsassist_runtime.planning.devices import Device, devices
from dsassist_runtime.planning.disk import DiskSpeed, disk_speed
from dsassist_runtime.planning.engine_use import automatic_ctx
from dsassist_runtime.planning.memory import FreeMemory, free_memory
from dsassist_runtime.planning.plan import Limits, Speeds

__all__ = ["Machine", "Wanted", "limits_for", "look_at_machine"]

_SYSTEM_BYTES = 1_500_000_000  # left to everything else, unless that were more than half of what is free
_DEVICE_BYTES = 1 << 30  # left on each device, as `llama-server --fit` does


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes, speeds in bytes/s."""

    free_ram: FreeMemory
    devices: tuple[Device, ...]
    memory: Bandwidth
    disk: DiskSpeed
    computing: Computing

    @property
    def speeds(self) -> Speeds:
        """What a plan is made with."""
        return Speeds(self.memory.bytes_s, self.disk.best_bytes_s, self.computing)

    @property
    def free_vram_bytes(self) -> int:
        """Of the devices that have memory of their own."""
        return sum(_free_of_its_own(self.devices))


@dataclass(frozen=True)
class Wanted:
    """What somebody lets a model take; None leaves it to what is free, `n_ctx` 0 to the model."""

    ram_bytes: int | None = None
    vram_bytes: int | None = None
    n_ctx: int = 0


def limits_for(contents: Contents, wanted: Wanted, free_ram: FreeMemory, found: Sequence[Device]) -> Limits:
    """The limits of a plan: what is wanted, else what is free but for a reserve."""
    ram, vram = wanted.ram_bytes, wanted.vram_bytes
    return Limits(
        free_ram.n_bytes - min(_SYSTEM_BYTES, free_ram.n_bytes // 2) if ram is None else ram,
        sum(max(0, free - _DEVICE_BYTES) for free in _free_of_its_own(found)) if vram is None else vram,
        wanted.n_ctx or automatic_ctx(contents.n_ctx_train),
    )


def _free_of_its_own(found: Sequence[Device]) -> list[int]:
    return [device.free_bytes for device in found if not device.shares_memory]


def look_at_machine(contents: Contents, *, measure_again: bool = False) -> Machine:
    """Look, and measure for this model what is not kept of earlier measurements; the disk is the one under it."""
    return Machine(
        free_memory(),
        devices(),
        memory_bandwidth(again=measure_again),
        disk_speed(contents.path, again=measure_again),
        computing_speed(contents.token_bytes, again=measure_again),
    )
