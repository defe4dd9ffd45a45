"""What the system tells of its memory: what is left, and whether somebody waits for it.

Linux counts the time in which processes waited (pressure stall information, Documentation/accounting/psi.rst), for all
of them and for each control group of version 2; macOS has a level. What a system does not tell is as if all were well.
"""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from dsassist_runtime.errors import NotDone

__all__ = ["Level", "Memory", "MemorySigns"]

Level = Literal["normal", "warning", "critical"]

_LEVELS: dict[int, Level] = {2: "warning", 4: "critical"}  # DISPATCH_MEMORYPRESSURE_* of dispatch/source.h


class Memory(NamedTuple):
    """What is seen of the memory at one moment."""

    free_bytes: int | None = None  # what this process could still take; None where nobody tells
    own_stall: float = 0.0  # the share of the time that a process of this control group waited for memory
    system_stall: float = 0.0  # the same of any process
    level: Level = "normal"


class MemorySigns:
    """Reads what the system tells. `free_bytes` gives what this process could still take, or raises `NotDone`."""

    def __init__(self, free_bytes: Callable[[], int], root: Path = Path("/")) -> None:
        """`root` has the proc and sys folders. `free_bytes` is not asked on macOS, where it starts a program."""
        self._free_bytes = None if sys.platform == "darwin" else free_bytes
        self._own = _Stall(_own_pressure(root))
        self._system = _Stall(root / "proc/pressure/memory")
        self._level = _level_of_macos if sys.platform == "darwin" else None

    def look(self, now: float) -> Memory:
        """What there is to see; stalls count from the last look."""
        return Memory(
            self._free(), self._own.share(now), self._system.share(now), self._level() if self._level else "normal"
        )

    @property
    def tells(self) -> bool:
        """Does this system tell anything?"""
        return self._level is not None or self._free() is not None or self._own.tells or self._system.tells

    def _free(self) -> int | None:
        if self._free_bytes is None:
            return None
        try:
            return self._free_bytes()
        except NotDone:
            return None


class _Stall:
    """The share of time that somebody waited for memory, between two looks at a file of pressure stall information."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._last: tuple[float, int] | None = None

    @property
    def tells(self) -> bool:
        return self._total_us() is not None

    def share(self, now: float) -> float:
        last, total = self._last, self._total_us()
        self._last = None if total is None else (now, total)
        if last is None or total is None or now <= last[0]:
            return 0.0
        return min(1.0, max(0.0, (total - last[1]) / 1e6 / (now - last[0])))

    def _total_us(self) -> int | None:
        try:
            text = self._path.read_text() if self._path is not None else ""
        except OSError:  # no such file, or a kernel that was told not to count: EOPNOTSUPP
            return None
        found = re.search(r"^some .*\btotal=(\d+)", text, re.MULTILINE)
        return int(found[1]) if found else None


def _own_pressure(root: Path) -> Path | None:
    """The file of this process' control group, of version 2; the root has none of its own."""
    try:
        groups = (root / "proc/self/cgroup").read_text()
    except OSError:
        return None
    found = re.search(r"^0::/(.+)$", groups, re.MULTILINE)
    return root / "sys/fs/cgroup" / found[1] / "memory.pressure" if found else None


def _level_of_macos() -> Level:
    value, size = ctypes.c_int32(0), ctypes.c_size_t(4)
    sysctl = ctypes.CDLL(None).sysctlbyname
    name = b"kern.memorystatus_vm_pressure_level"
    if sysctl(name, ctypes.byref(value), ctypes.byref(size), None, ctypes.c_size_t(0)) != 0:
        return "normal"
    return _LEVELS.get(value.value, "normal")
