"""How much memory this process could still take: the system's answer, and any limit of its control groups.

What a limit counts as used holds the page cache too, which the kernel gives back; so that is not subtracted.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dsassist_runtime.errors import NotDone

__all__ = ["FreeMemory", "free_memory", "free_of_vm_stat"]


class FreeMemory(NamedTuple):
    """Bytes, and who says so."""

    n_bytes: int
    source: str


def free_memory(root: Path = Path("/")) -> FreeMemory:
    """What is free; `root` has the proc and sys folders. `NotDone` where the system does not tell."""
    if sys.platform == "darwin":
        return _of_macos()
    system = _numbers(root / "proc/meminfo").get("MemAvailable")
    if system is None:
        raise NotDone("this system does not tell how much memory is free; name it with --ram")
    return min([FreeMemory(system * 1024, "the system"), *_of_groups(root)])


def free_of_vm_stat(text: str) -> int:
    """The bytes that macOS can give, from what its `vm_stat` prints: free, or kept only as a cache."""
    page = re.search(r"page size of (\d+) bytes", text)
    pages = dict(re.findall(r"^Pages (free|inactive|speculative|purgeable):\s+(\d+)\.", text, re.MULTILINE))
    if page is None or "free" not in pages:
        raise NotDone("vm_stat does not tell how much memory is free; name it with --ram")
    return int(page[1]) * sum(map(int, pages.values()))


def _of_macos() -> FreeMemory:
    try:
        done = subprocess.run(["/usr/bin/vm_stat"], capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotDone(f"vm_stat does not run ({error}); name the memory with --ram") from error
    return FreeMemory(free_of_vm_stat(done.stdout), "vm_stat")


def _of_groups(root: Path) -> Iterator[FreeMemory]:
    """What is left below the limit of each control group that this process is in, of either version."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, name = rest.partition(":")
        if controllers and "memory" not in controllers.split(","):
            continue
        base = root / "sys/fs/cgroup" / ("memory" if controllers else "")
        own = Path(name.lstrip("/"))
        for group in (own, *own.parents):  # the last parent is the root; in a container its own group is mounted there
            left = _left(base / group, version=1 if controllers else 2)
            if left is not None:
                yield FreeMemory(max(0, left), f"the limit of the control group /{'' if group == Path() else group}")


def _left(group: Path, version: int) -> int | None:
    """None without a limit: no such file, or the word `max`. Version 1 writes a huge number, which never wins."""
    limits, usage, prefix = {
        1: (("memory.limit_in_bytes",), "memory.usage_in_bytes", "total_"),
        2: (("memory.max", "memory.high"), "memory.current", ""),
    }[version]
    found = [int(text) for limit in limits if (text := _text(group / limit).strip()).isdecimal()]
    used = _text(group / usage).strip()
    if not found or not used.isdecimal():
        return None
    stat = _numbers(group / "memory.stat")
    cached = stat.get(f"{prefix}inactive_file", 0) + stat.get(f"{prefix}active_file", 0)
    return min(found) - max(0, int(used) - cached)


def _numbers(path: Path) -> dict[str, int]:
    """Lines of a name and a number."""
    return {name: int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", _text(path), re.MULTILINE)}


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
