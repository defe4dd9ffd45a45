"""Memory for the experts: addresses for all of them, of which only what is cached takes any room.

Each slice has pages of its own, so that it goes without a trace when it is evicted, and lies at the same place within a
page as in the file, so that it can be read with direct I/O without a copy. Both follow from one rule: from a slice to
the next it is a page more than in the file. ggml finds an expert by the tensor's `nb[2]`, which is set accordingly.

                        page           page           page           page           page
    file        |----aaaa|aaaaaaa-bbbbbbbbb|bbbccccccc|ccccc---|
    region      |----aaaa|aaaaaaa-|--------|------bbbb|bbbbbbbb|--------|...
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import sys
from collections.abc import Iterable
from typing import NamedTuple

from dsassist_runtime.errors import NotDone
from dsassist_runtime.offload.experts import ExpertTensor

__all__ = ["PAGE", "Layout", "Locked", "Region", "drop_pages", "lock_pages"]

PAGE = mmap.PAGESIZE
# Python has named it since 3.11; the value is Linux's for the machines that we run on.
_MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


class Layout:
    """Where in the region each slice lies, counted from its start. Pure."""

    def __init__(self, tensors: Iterable[ExpertTensor]) -> None:
        self._bases: dict[str, int] = {}
        end = 0
        for tensor in tensors:
            self._bases[tensor.name] = end + tensor.offset % PAGE
            end = _up(self._bases[tensor.name] + tensor.n_experts * self.stride(tensor))
        self.n_bytes = end

    @staticmethod
    def stride(tensor: ExpertTensor) -> int:
        """Bytes from an expert of `tensor` to the next."""
        return tensor.slice_bytes + PAGE

    def at(self, tensor: ExpertTensor, expert: int) -> int:
        """Where the slice of `expert` begins."""
        return self._bases[tensor.name] + expert * self.stride(tensor)

    def pages(self, tensor: ExpertTensor, expert: int) -> tuple[int, int]:
        """The whole pages [start, end) that hold this slice and nothing else."""
        start = self.at(tensor, expert)
        return start // PAGE * PAGE, _up(start + tensor.slice_bytes)


class Region:
    """Anonymous memory with a place for each slice; `room` is all of it, for who reads into it."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _MAP_NORESERVE
        try:
            self._memory = mmap.mmap(-1, layout.n_bytes, flags=flags)
        except OSError as error:
            raise NotDone(
                f"the system does not give {layout.n_bytes / 1e9:.1f} GB of addresses for the experts"
                f" ({(error.strerror or str(error)).lower()}); look at `ulimit -v` and vm.overcommit_memory"
            ) from error
        self._advise("MADV_NOHUGEPAGE")  # a huge page would hold what was not asked for, beyond the budget
        self._advise("MADV_DONTFORK")  # open(2): direct I/O into private memory must not meet a fork
        self.room = memoryview(self._memory)
        self._address = ctypes.addressof(ctypes.c_char.from_buffer(self._memory))

    def address(self, tensor: ExpertTensor) -> int:
        """Where the first expert of `tensor` lies in memory."""
        return self._address + self.layout.at(tensor, 0)

    def evict(self, tensor: ExpertTensor, expert: int) -> None:
        """Give the memory of a slice back; it reads as zeros from now on."""
        start, end = self.layout.pages(tensor, expert)
        self._memory.madvise(mmap.MADV_DONTNEED, start, end - start)

    def close(self) -> None:
        """Give everything back; nobody may read or write there any more."""
        self.room.release()
        self._memory.close()

    def _advise(self, name: str) -> None:
        advice = getattr(mmap, name, None)
        if advice is not None:
            try:
                self._memory.madvise(advice)
            except OSError:
                return  # a kernel built without it has no such pages either


class Locked(NamedTuple):
    """What became of the wish to keep pages in memory; `reason` is empty when all of them are locked."""

    n_bytes: int
    reason: str


def lock_pages(ranges: Iterable[tuple[int, int]]) -> Locked:
    """Keep the memory at the addresses [start, end) from being paged out, as far as the system allows."""
    pages = _merged(ranges)
    libc = ctypes.CDLL(None, use_errno=True)
    done = 0
    for start, end in pages:
        if libc.mlock(ctypes.c_void_p(start), ctypes.c_size_t(end - start)) != 0:
            wanted = sum(end - start for start, end in pages)
            reason = os.strerror(ctypes.get_errno()).lower()
            limit = resource.getrlimit(resource.RLIMIT_MEMLOCK)[0]
            hint = "" if limit == resource.RLIM_INFINITY else f", `ulimit -l` allows {limit / 1e6:.0f} MB"
            return Locked(done, f"{(wanted - done) / 1e6:.0f} of {wanted / 1e6:.0f} MB are not ({reason}{hint})")
        done += end - start
    return Locked(done, "")


def drop_pages(ranges: Iterable[tuple[int, int]]) -> None:
    """Let go of the whole pages inside [start, end) of a mapped file; they are read again when somebody looks."""
    libc = ctypes.CDLL(None)
    for start, end in ranges:
        first, last = _up(start), end // PAGE * PAGE
        if first < last:
            libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED)


def _merged(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Whole pages, each once."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted((start // PAGE * PAGE, _up(end)) for start, end in ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _up(n_bytes: int) -> int:
    return -(-n_bytes // PAGE) * PAGE
