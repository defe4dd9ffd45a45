"""How fast the disk under a model gives up slices of it, at 1, 2, 4 and 8 reads at once ("lanes").

Reads go around the page cache where the system allows it (O_DIRECT; F_NOCACHE on macOS), as the bytes that are in
memory already say nothing of the disk. Where it does not, reads are buffered behind a request to drop what is cached.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import random
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from dsassist_runtime.errors import NotDone
from dsassist_runtime.planning.kept import is_busy, keep, kept

__all__ = ["LANES", "DiskSpeed", "Method", "disk_speed", "measure_disk"]

LANES = (1, 2, 4, 8)
Method = Literal["direct", "buffered"]

_BLOCK = 1 << 20  # about a slice of an expert
_ALIGNMENT = 4096
_ST_BLOCK = 512  # the unit of `st_blocks`, whatever the file system
_WINDOW_S = 0.3  # for each number of lanes
_TELLING_BYTES = 64 << 20  # a smaller file may be in the disk's own memory


@dataclass(frozen=True)
class DiskSpeed:
    """Bytes/s by number of lanes, in the order of `LANES`."""

    bytes_s: tuple[float, ...]
    method: Method
    busy: bool = False  # other programs ran meanwhile, and it may be more

    @property
    def best_bytes_s(self) -> float:
        """What the best number of lanes gives."""
        return max(self.bytes_s)

    @property
    def lanes(self) -> int:
        """The fewest lanes that come within 5 % of the best."""
        return next(
            lanes for lanes, speed in zip(LANES, self.bytes_s, strict=True) if speed >= 0.95 * self.best_bytes_s
        )


def disk_speed(path: Path, *, again: bool = False, window_s: float = _WINDOW_S) -> DiskSpeed:
    """Of the device that holds `path`, measured unless a measurement is kept; `again` measures all the same.

    Each number of lanes reads for `window_s`. What a small file or one with holes gave is not kept for the others of
    its device. `NotDone` when the file cannot be read.
    """
    try:
        found = path.stat()
    except OSError as error:
        raise _not_measured(path, error) from error
    what = f"bytes/s of device {found.st_dev} with {', '.join(map(str, LANES))} lanes"
    earlier = None if again else _from_kept(kept(what))
    if earlier is not None:
        return earlier
    measured = measure_disk(path, window_s)
    if found.st_size >= _TELLING_BYTES and found.st_blocks * _ST_BLOCK >= found.st_size:
        keep(what, asdict(measured))
    return measured


def measure_disk(path: Path, window_s: float) -> DiskSpeed:
    """Measure now, with reads at random places of the file; `NotDone` when it cannot be read."""
    try:
        descriptor, method = _open(path)
        try:
            return DiskSpeed(
                tuple(_read_for(descriptor, method, lanes, window_s) for lanes in LANES), method, is_busy()
            )
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _not_measured(path, error) from error


def _not_measured(path: Path, error: OSError) -> NotDone:
    return NotDone(f"the disk under {path} cannot be measured: {(error.strerror or str(error)).lower()}")


def _open(path: Path) -> tuple[int, Method]:
    """Around the page cache if the file system takes part; some refuse when a file is opened, some when it is read."""
    if hasattr(os, "O_DIRECT"):
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
            try:
                with mmap.mmap(-1, _ALIGNMENT) as room:
                    os.preadv(descriptor, [room], 0)
                return descriptor, "direct"
            except OSError:
                os.close(descriptor)
                raise
    descriptor = os.open(path, os.O_RDONLY)
    if hasattr(fcntl, "F_NOCACHE"):
        fcntl.fcntl(descriptor, fcntl.F_NOCACHE, 1)
        return descriptor, "direct"
    return descriptor, "buffered"


def _read_for(descriptor: int, method: Method, lanes: int, window_s: float) -> float:
    """Bytes/s of so many threads, each reading one block after another, and one at least."""
    size = os.fstat(descriptor).st_size
    block = min(_BLOCK, max(_ALIGNMENT, size // _ALIGNMENT * _ALIGNMENT))
    last = max(0, (size - block) // _ALIGNMENT)
    counts, errors = [0] * lanes, list[OSError]()
    began = time.perf_counter()

    def read(lane: int) -> None:
        places = random.Random(lane)  # noqa: S311  # where to read is no secret
        try:
            with mmap.mmap(-1, block) as room:
                while not errors and (not counts[lane] or time.perf_counter() - began < window_s):
                    offset = places.randint(0, last) * _ALIGNMENT
                    if method == "buffered":
                        _drop(descriptor, offset, block)
                    got = os.preadv(descriptor, [room], offset)
                    if not got:
                        raise OSError("it became shorter meanwhile")
                    counts[lane] += got
        except OSError as error:
            errors.append(error)

    threads = [threading.Thread(target=read, args=(lane,)) for lane in range(lanes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return sum(counts) / (time.perf_counter() - began)


def _drop(descriptor: int, offset: int, n_bytes: int) -> None:
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(descriptor, offset, n_bytes, os.POSIX_FADV_DONTNEED)


def _from_kept(value: dict[str, Any] | None) -> DiskSpeed | None:
    if value is None or value.get("method") not in get_args(Method):
        return None
    speeds = value.get("bytes_s")
    if not isinstance(speeds, list) or len(speeds) != len(LANES):
        return None
    if not all(isinstance(speed, int | float) and speed > 0 for speed in speeds):
        return None
    return DiskSpeed(tuple(map(float, speeds)), value["method"], bool(value.get("busy")))
