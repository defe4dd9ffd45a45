"""A model file while it comes in: written, counted and hashed at once, and kept partial under a hidden name."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

from dsassist_runtime.errors import PullError
from dsassist_runtime.models.catalogue import in_words

__all__ = ["BLOCK", "Notice", "PartialFile", "SourceError", "check_free_space", "sha256_of"]

BLOCK = 1 << 20

Notice = Callable[[str], None]


class SourceError(PullError):
    """One source could not give the file; another may, and what came so far can be resumed."""


class PartialFile:
    """The file on its way in. `size` and `sha256` are of what it holds, an earlier part of the same download included.

    A context manager that closes the file and leaves it where it is: keeping or deleting it is the caller's decision.
    """

    def __init__(self, path: Path, limit_bytes: int | None = None) -> None:
        self.path = path
        self.size = 0
        self._limit_bytes = limit_bytes
        self._digest = hashlib.sha256()
        # Not "ab": a server that ignores the range makes us begin again. 0o666 leaves the permissions to the umask.
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+b", buffering=0)
        while block := self._file.read(BLOCK):
            self._digest.update(block)
            self.size += len(block)

    @property
    def sha256(self) -> str:
        """The digest so far, in hexadecimal."""
        return self._digest.hexdigest()

    def write(self, block: bytes) -> None:
        """Append; `PullError` when the disk is full, or the source gives more than it should."""
        if self._limit_bytes is not None and self.size + len(block) > self._limit_bytes:
            raise PullError(
                f"more than the {self._limit_bytes} bytes that {self.path.name} should have came; nothing was kept"
            )
        rest = memoryview(block)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise _disk_error(self.path, self.size, error) from error
        self._digest.update(block)
        self.size += len(block)

    def begin_again(self) -> None:
        """Drop what the file holds."""
        self._file.seek(0)
        self._file.truncate()
        self._digest = hashlib.sha256()
        self.size = 0

    def flush_to_disk(self) -> None:
        """Return when the bytes would survive a loss of power."""
        try:
            os.fsync(self._file.fileno())
        except OSError as error:
            raise _disk_error(self.path, self.size, error) from error

    def __enter__(self) -> PartialFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()


def check_free_space(directory: Path, needed_bytes: int) -> None:
    """`PullError` when the disk of `directory` has less room than that."""
    free = shutil.disk_usage(directory).free
    if free < needed_bytes:
        raise PullError(
            f"the pull needs {in_words(needed_bytes)} free in {directory}, and {in_words(free)} are; make room"
        )


def sha256_of(path: Path, progress: Callable[[int], object] = lambda _: None) -> str:
    """The SHA-256 of a file, in hexadecimal; `progress` gets the bytes of each block."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            progress(len(block))
    return digest.hexdigest()


def _disk_error(path: Path, size: int, error: OSError) -> PullError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = f"the disk of {path.parent} is full"
    elif error.errno == errno.EFBIG:
        what = f"{path.parent} takes no larger file (a limit of the file system or of this process)"
    else:
        what = f"writing in {path.parent} failed: {(error.strerror or str(error)).lower()}"
    return PullError(f"{what}, after {in_words(size)}; nothing was kept")
