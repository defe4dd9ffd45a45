"""A memory cgroup for the time of a run: what its processes take, page cache included, is capped, and its peak known.

Version 1 or 2, whichever the machine has, where this user may make one; else there is no cap, and the report says so.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal

__all__ = ["CapKind", "MemoryCap", "Peak", "memory_cap"]

CapKind = Literal["cgroup v1", "cgroup v2", "no cap"]

_V1, _V2 = Path("/sys/fs/cgroup/memory"), Path("/sys/fs/cgroup")
_LEAVING_S = 5.0  # the kernel counts a process for a moment longer than its parent does


@dataclass(frozen=True)
class MemoryCap:
    """A cgroup that processes may join, or none; `kind` tells which in a report."""

    kind: CapKind
    path: Path | None = None

    def join(self) -> None:
        """This process belongs to it from now on; what it has taken already counts elsewhere."""
        if self.path is not None:
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def peak(self) -> Peak | None:
        """The peak from now on; None where there is no cap, or a kernel before Linux 6.12 tells none from now on."""
        if self.path is None:
            return None
        try:
            return Peak(self.path)
        except OSError:
            return None


class Peak:
    """What a cgroup held at most since this was made."""

    def __init__(self, path: Path) -> None:
        v1 = path / "memory.max_usage_in_bytes"
        name = v1 if v1.exists() else path / "memory.peak"
        self._file = name.open("r+b", buffering=0)
        try:
            self._file.write(b"0")  # in version 2 (Linux 6.12) this holds for the open file alone
        except OSError:
            self._file.close()
            raise

    def __enter__(self) -> Peak:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def bytes(self) -> int:
        """The peak so far."""
        self._file.seek(0)
        return int(self._file.read())


@contextmanager
def memory_cap(limit_bytes: int | None) -> Iterator[MemoryCap]:
    """A cgroup of that limit, removed at the end, when its processes are gone; without a limit there is none."""
    cap = _made(limit_bytes) if limit_bytes is not None else MemoryCap("no cap")
    try:
        yield cap
    finally:
        if cap.path is not None:
            _remove(cap.path)


def _made(limit_bytes: int) -> MemoryCap:
    name = f"dsassist-bench-{os.getpid()}"
    try:
        if (_V1 / "memory.limit_in_bytes").exists():
            path = _V1 / name
            path.mkdir(exist_ok=True)
            (path / "memory.limit_in_bytes").write_text(str(limit_bytes))
            return MemoryCap("cgroup v1", path)
        if "memory" in (_V2 / "cgroup.subtree_control").read_text().split():
            path = _V2 / name
            path.mkdir(exist_ok=True)
            (path / "memory.max").write_text(str(limit_bytes))
            (path / "memory.swap.max").write_text("0")
            return MemoryCap("cgroup v2", path)
    except OSError:
        return MemoryCap("no cap")  # not this user's to make
    return MemoryCap("no cap")


def _remove(path: Path) -> None:
    deadline = time.monotonic() + _LEAVING_S
    while True:
        try:
            path.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if time.monotonic() > deadline:
                return  # an empty group costs nothing, and is taken again by a later run of this process
            time.sleep(0.05)
