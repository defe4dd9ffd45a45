"""Memory for the experts: addresses for all of them, of which only what is cached takes any room.

Each slice has pages of its own, so that it goes without a trace when it is evicted, and lies at the same place within a
page as in the file, so that it can be read with direct I/O without a copy. Both follow from one rule: from a slice to
the next it is a page more than in the file. ggml finds an expert by the tensor's `nb[2]`, which is set accordingly.

                        page           page           page           page           page
    file        |----aaaa|aaaaaaa-bbbbbbbbb|bbbccccccc|ccccc---|
    region      |----aaaa|aaaaaaa-|--------|------bbbb|bbbbbbbb|--------|...

Pages that were given back come again one by one, cleared by the system, which takes longer than to read them where the
disk is quick. So where Linux can move pages to other addresses, a slice takes over those of the one that goes for it.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from dsassist_runtime.errors import NotDone
from dsassist_runtime.offload.experts import ExpertTensor

__all__ = ["PAGE", "Layout", "Locked", "Region", "Slice", "advise_pages", "drop_pages", "lock_pages"]

PAGE = mmap.PAGESIZE
# mremap(2): move, to a given address, and leave the old addresses mapped with nothing there (Linux 5.7).
_MREMAP_FLAGS = 1 | 2 | 4
_MAPPINGS_PER_SLICE = 3  # itself, a page of it that was not moved, and what lies before it
_OTHER_MAPPINGS = 8192  # the program's: libraries, threads, the model's file
# Python has named it since 3.11; the value is Linux's for the machines that we run on.
_MAP_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if sys.platform == "linux" else 0)


class Layout:
    """Where in the region each slice lies, counted from its start. Pure."""

    def __init__(self, tensors: Iterable[ExpertTensor]) -> None:
        self._bases: dict[str, int] = {}
        self.n_slices = 0
        end = 0
        for tensor in tensors:
            self.n_slices += tensor.n_experts
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


class Slice(NamedTuple):
    """The weights of one expert in one tensor."""

    tensor: ExpertTensor
    expert: int


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
        self._mremap = _page_mover(layout.n_slices)
        self._moved_bytes: dict[int, int] = {}  # of a place that pages came to, by its start: they are one mapping

    def address(self, tensor: ExpertTensor) -> int:
        """Where the first expert of `tensor` lies in memory."""
        return self._address + self.layout.at(tensor, 0)

    def evict(self, tensor: ExpertTensor, expert: int) -> None:
        """Give the memory of a slice back; it reads as zeros from now on."""
        start, end = self.layout.pages(tensor, expert)
        self._memory.madvise(mmap.MADV_DONTNEED, start, end - start)

    def replace(self, old: Slice, new: Slice) -> None:
        """Give the memory of a slice to another one, of which nothing is in memory; what that reads as is undefined.

        Where the new one is larger by more than a page, it is given back as by `evict`.

        From any thread, as long as nobody else looks at either of them.
        """
        start, end = self.layout.pages(*old)
        place, place_end = self.layout.pages(*new)
        # Out of one mapping only: of two Linux before 6.17 moves nothing, and has unmapped the new place by then.
        size = min(end - start, place_end - place, self._moved_bytes.get(start, end - start))
        fits = size + PAGE >= place_end - place  # so that a place is never in many pieces
        if self._mremap is None or not fits or not self._mremap(self._address + start, self._address + place, size):
            self.evict(*old)
            return
        self._moved_bytes[place] = size
        if start + size < end:
            self._memory.madvise(mmap.MADV_DONTNEED, start + size, end - start - size)

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


def advise_pages(ranges: Iterable[tuple[int, int]], advice: int) -> None:
    """Give the system an advice (`mmap.MADV_...`) about the memory at the addresses [start, end)."""
    libc = ctypes.CDLL(None)
    for start, end in _merged(ranges):
        libc.madvise(ctypes.c_void_p(start), ctypes.c_size_t(end - start), advice)


def drop_pages(ranges: Iterable[tuple[int, int]]) -> None:
    """Let go of the whole pages inside [start, end) of a mapped file; they are read again when somebody looks."""
    libc = ctypes.CDLL(None)
    for start, end in ranges:
        first, last = _up(start), end // PAGE * PAGE
        if first < last:
            libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(last - first), mmap.MADV_DONTNEED)


def _page_mover(n_slices: int) -> Callable[[int, int, int], bool] | None:
    """What moves pages, from an address to another one, so many bytes, and tells whether it did; None where none can.

    Moved pages stay a mapping of their own, of which a process may have only so many (vm.max_map_count).
    """
    try:
        most = int(Path("/proc/sys/vm/max_map_count").read_text())
    except (OSError, ValueError):
        return None  # no Linux
    if _MAPPINGS_PER_SLICE * n_slices + _OTHER_MAPPINGS > most:
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    move = getattr(libc, "mremap", None)
    if move is None:
        return None
    move.restype = ctypes.c_void_p
    move.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p)

    def moved(old: int, new: int, n_bytes: int) -> bool:
        return bool(move(old, n_bytes, n_bytes, _MREMAP_FLAGS, new) == new)

    return moved


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
