"""Reads slices of files into memory, several at a time, around the page cache where the system allows it.

Direct I/O takes whole blocks only. A slice is therefore read from the block's border before it to the one behind it,
straight into place: the memory around it, up to the borders, must be nobody else's (see `region`). Where its place does
not lie like the slice in the file, the blocks go through memory of the lane's own.

Every byte counts: a file that changed since it was opened, ends early or cannot be read is an error, whose message
tells what happened.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import queue
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from dsassist_runtime.errors import ModelInvalid, ModelMissing
from dsassist_runtime.offload.experts import ByteRange

__all__ = ["BLOCK", "Lanes", "OpenedFile", "Piece", "ReadFigures", "Reading"]

BLOCK = 4096  # what every device's and file system's direct I/O is content with
_LOOK_S = 0.02
_O_DIRECT = getattr(os, "O_DIRECT", 0)
_F_NOCACHE = getattr(fcntl, "F_NOCACHE", 0)  # macOS

Preadv = Callable[[int, Sequence[memoryview], int], int]


class Piece(NamedTuple):
    """What is to be read, and where in the room it goes; `before` is done by the lane before it reads."""

    source: ByteRange
    at: int
    before: Callable[[], None] | None = None


class OpenedFile(NamedTuple):
    """A file as it was when it was opened."""

    path: Path
    n_bytes: int
    modified_ns: int


class ReadFigures(NamedTuple):
    """What the lanes did so far: bytes that came from the files, and the time that they spent on it, summed up."""

    n_bytes: int
    busy_s: float


class Reading:
    """Pieces on their way."""

    def __init__(self, n_pieces: int) -> None:
        self._left = n_pieces
        self._lock = threading.Lock()
        self._done = threading.Event()
        self._error: Exception | None = None
        self.cancelled = False
        if not n_pieces:
            self._done.set()

    def wait(self, stop: Callable[[], bool] = lambda: False) -> bool:
        """Return when all pieces are in place: True. False when `stop` said so before; raises what went wrong."""
        while not self._done.wait(_LOOK_S):
            if stop():
                return False
        if self._error is not None:
            raise self._error
        return not self.cancelled

    def cancel(self) -> None:
        """Do not begin with what has not been begun, and return when nothing is written to memory any more."""
        if not self._done.is_set():
            self.cancelled = True
            self._done.wait()

    @property
    def complete(self) -> bool:
        """Is every piece in place?"""
        return self._done.is_set() and self._error is None and not self.cancelled

    def arrived(self, error: Exception | None) -> None:
        """A lane is done with a piece."""
        with self._lock:
            self._left -= 1
            self._error = self._error or error
            if not self._left:
                self._done.set()


class Lanes:
    """Threads that read. One caller at a time; it keeps `room` until `close` returned."""

    def __init__(
        self, paths: Sequence[Path], room: memoryview, *, n_lanes: int = 4, preadv: Preadv | None = None
    ) -> None:
        """Open the files; `room` must begin at a page's border. `ModelError` when one cannot be opened."""
        self.n_lanes = n_lanes
        self._room = room
        self._preadv: Preadv = preadv or os.preadv
        self._jobs: queue.SimpleQueue[tuple[Piece, Reading] | None] = queue.SimpleQueue()
        self._figures = [ReadFigures(0, 0.0)] * n_lanes
        self._sources: list[_Source] = []
        try:
            for path in paths:
                self._sources.append(_Source(path))
        except BaseException:
            self._close_files()
            raise
        self._threads = [
            threading.Thread(target=self._run, args=(lane,), name=f"expert-lane-{lane}", daemon=True)
            for lane in range(n_lanes)
        ]
        for thread in self._threads:
            thread.start()

    def read(self, pieces: Sequence[Piece]) -> Reading:
        """Begin; what was asked for earlier is begun earlier."""
        reading = Reading(len(pieces))
        for piece in pieces:
            self._jobs.put((piece, reading))
        return reading

    def check_unchanged(self) -> None:
        """`ModelError` when a file is not the one that was opened, or another was written into it."""
        for source in self._sources:
            source.check_unchanged()

    @property
    def files(self) -> tuple[OpenedFile, ...]:
        """What is read from."""
        return tuple(source.file for source in self._sources)

    def forget(self, file: int, offset: int, n_bytes: int) -> None:
        """Drop what the page cache has of a part of a file, where nobody maps it."""
        self._sources[file].forget(offset, n_bytes)

    @property
    def buffered(self) -> tuple[Path, ...]:
        """The files for which the system refuses direct I/O, as far as was tried."""
        return tuple(source.path for source in self._sources if not source.is_direct)

    def figures(self) -> ReadFigures:
        """The sum over all lanes."""
        own = list(self._figures)
        return ReadFigures(sum(lane.n_bytes for lane in own), sum(lane.busy_s for lane in own))

    def close(self) -> None:
        """End the lanes and close the files; what has been begun is read to its end."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()
        self._close_files()

    def _close_files(self) -> None:
        for source in self._sources:
            source.close()

    def _run(self, lane: int) -> None:
        bounce = _Bounce()
        while (job := self._jobs.get()) is not None:
            piece, reading = job
            error: Exception | None = None
            started, n_bytes = time.perf_counter(), 0
            if not reading.cancelled:
                source = self._sources[piece.source.file]
                try:
                    if piece.before is not None:
                        piece.before()
                    n_bytes = self._fill(source, piece, bounce)
                    source.check_unchanged()  # after the bytes: none of them may be newer than the answer
                except Exception as failed:
                    error = source.failed(piece.source, failed)
            before = self._figures[lane]
            busy_s = before.busy_s + time.perf_counter() - started
            self._figures[lane] = ReadFigures(before.n_bytes + n_bytes, busy_s)
            reading.arrived(error)
        bounce.close()

    def _fill(self, source: _Source, piece: Piece, bounce: _Bounce) -> int:
        """Read one piece; how many bytes that took."""
        if source.is_direct:
            try:
                return self._fill_directly(source.direct, piece, bounce)
            except OSError as error:
                if error.errno != errno.EINVAL:  # some file systems say so only now
                    raise
                source.is_direct = False
        (_file, offset, n_bytes), at, _before = piece
        with self._room[at : at + n_bytes] as room:
            self._read(source.fd, room, offset, n_bytes, 1)
        source.forget(offset, n_bytes)
        return n_bytes

    def _fill_directly(self, fd: int, piece: Piece, bounce: _Bounce) -> int:
        (_file, offset, n_bytes), at, _before = piece
        start, end = offset // BLOCK * BLOCK, -(-(offset + n_bytes) // BLOCK) * BLOCK
        before, size = offset - start, end - start
        first = at - before
        in_place = first >= 0 and first % BLOCK == 0 and first + size <= len(self._room)
        with self._room[first : first + size] if in_place else bounce.room(size) as room:
            self._read(fd, room, start, before + n_bytes, BLOCK)
            if not in_place:
                self._room[at : at + n_bytes] = room[before : before + n_bytes]
        return size

    def _read(self, fd: int, room: memoryview, offset: int, needed: int, step: int) -> None:
        """Fill the first `needed` bytes of `room`; a short read goes on at a multiple of `step`."""
        got = 0
        while True:
            with room[got:] as rest:  # the traceback of an error would keep the view, and the view the memory
                count = self._preadv(fd, [rest], offset + got)
            if got + count >= needed:
                return
            if count < step:
                raise EOFError(offset + got + count)
            got += count // step * step


class _Bounce:
    """Memory of one lane for blocks that cannot go straight into place."""

    def __init__(self) -> None:
        self._memory: mmap.mmap | None = None

    def room(self, n_bytes: int) -> memoryview:
        if self._memory is None or len(self._memory) < n_bytes:
            self._memory = mmap.mmap(-1, n_bytes)  # the old one goes when nothing looks into it any more
        return memoryview(self._memory)[:n_bytes]

    def close(self) -> None:
        self._memory = None


class _Source:
    """A file that is read from, and what it was when it was opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self.fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            raise ModelMissing(f"there is no file {path}; check the path, or see `dsassist model list`") from None
        except OSError as error:
            raise ModelInvalid(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, 0, 0, os.POSIX_FADV_RANDOM)
        found = os.fstat(self.fd)
        self.file = OpenedFile(path, found.st_size, found.st_mtime_ns)
        self._identity = _identity(found)
        self.direct = self._open_directly()
        self.is_direct = self.direct >= 0

    def _open_directly(self) -> int:
        """A descriptor for direct I/O, -1 where the file system has none."""
        try:
            if _O_DIRECT:
                return os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | _O_DIRECT)
            if _F_NOCACHE:
                fd = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
                fcntl.fcntl(fd, _F_NOCACHE, 1)
                return fd
        except OSError:
            return -1
        return -1

    def check_unchanged(self) -> None:
        try:
            found = _identity(self.path.stat())
        except FileNotFoundError:
            raise ModelMissing(f"{self.path} vanished while it was in use; put it back, and load it again") from None
        if found != self._identity:
            raise ModelInvalid(f"{self.path} changed while it was in use; load it again")

    def forget(self, offset: int, n_bytes: int) -> None:
        """Keep what was read out of the page cache: it would be in memory twice."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.fd, offset, n_bytes, os.POSIX_FADV_DONTNEED)

    def failed(self, source: ByteRange, error: Exception) -> Exception:
        """What a failed read means: that the file changed, if it did."""
        if isinstance(error, (ModelInvalid, ModelMissing)):
            return error
        try:
            self.check_unchanged()
        except (ModelInvalid, ModelMissing, OSError) as changed:
            error = changed
        if isinstance(error, (ModelInvalid, ModelMissing)):
            return error
        if isinstance(error, EOFError):
            what = f"the device gave no more than {error.args[0]} bytes"
        else:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error) or type(error).__name__
            what = reason.lower()
        return ModelInvalid(
            f"{self.path} cannot be read at byte {source.offset}: {what}; look at the disk, or pull the model again"
        )

    def close(self) -> None:
        os.close(self.fd)
        if self.direct >= 0:
            os.close(self.direct)


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
