"""A process that does nothing more for a while, as one that waits for a slow disk."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["freeze", "frozen"]

_LIMIT_S = 60.0


def freeze(pid: int) -> None:
    """Stop a process, and wait until it stands still: on a busy machine its threads go on for a moment."""
    os.kill(pid, signal.SIGSTOP)
    deadline = time.monotonic() + _LIMIT_S
    while _state(pid) != "T":
        assert time.monotonic() < deadline, f"process {pid} does not stand still"
        time.sleep(0.002)


@contextmanager
def frozen(pid: int) -> Iterator[int]:
    """The process stands still in the block; there it may be killed."""
    freeze(pid)
    try:
        yield pid
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def _state(pid: int) -> str:
    of_linux = Path(f"/proc/{pid}/stat")
    if of_linux.exists():
        return of_linux.read_text().rpartition(")")[2].split()[0]
    return subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout[:1]
