"""What this machine has for a model: free memory of both kinds, and how fast memory and disk are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.planning.bandwidth import Bandwidth, memory_bandwidth
from dsassist_runtime.planning.devices import Device, devices
from dsassist_runtime.planning.disk import DiskSpeed, disk_speed
from dsassist_runtime.planning.memory import FreeMemory, free_memory

__all__ = ["Machine", "look_at_machine"]

_SYSTEM_BYTES = 1_500_000_000  # left to everything else
_DEVICE_BYTES = 1 << 30  # left on each device, as `llama-server --fit` does


@dataclass(frozen=True)
class Machine:
    """Sizes in bytes, speeds in bytes/s."""

    free_ram: FreeMemory
    devices: tuple[Device, ...]
    memory: Bandwidth
    disk: DiskSpeed

    @property
    def ram_for_model_bytes(self) -> int:
        """What a plan takes of the free memory by itself."""
        return max(0, self.free_ram.n_bytes - _SYSTEM_BYTES)

    @property
    def free_vram_bytes(self) -> int:
        """Of the devices that have memory of their own."""
        return sum(device.free_bytes for device in self.devices if not device.shares_memory)

    @property
    def vram_for_model_bytes(self) -> int:
        """What a plan takes of it by itself."""
        own = (device.free_bytes for device in self.devices if not device.shares_memory)
        return sum(max(0, free - _DEVICE_BYTES) for free in own)


def look_at_machine(model: Path, *, measure_again: bool = False) -> Machine:
    """Look, and measure what is not kept of earlier measurements; the disk is the one under `model`."""
    return Machine(
        free_memory(), devices(), memory_bandwidth(again=measure_again), disk_speed(model, again=measure_again)
    )
