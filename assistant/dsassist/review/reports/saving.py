"""A report in a file: written whole or not at all, for a CI job may read it at any time."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["check_output", "save"]


def check_output(path: str) -> None:
    """Refuse a file that cannot be one, before anything is reviewed."""
    target = Path(path)
    if target.is_dir():
        raise DsassistError(f"--output {path} is a folder: name a file in it")
    if not target.parent.is_dir():
        raise DsassistError(f"--output {path}: there is no folder {target.parent}; make it first")


def save(text: str, path: str) -> None:
    """Put the text into the file, in the place of what stood there; `NotDone` when that fails."""
    content = f"{text}\n".encode("utf-8", "backslashreplace") if text else b""
    target = Path(os.path.realpath(path))
    try:
        if target.exists() and not target.is_file():  # /dev/stdout, a pipe
            target.write_bytes(content)
        else:
            _replace(target, content)
    except OSError as error:
        raise NotDone(f"cannot write the report to {path}: {(error.strerror or str(error)).lower()}") from error


def _replace(target: Path, content: bytes) -> None:
    part = target.with_name(f".dsassist-{secrets.token_hex(8)}")
    # Not `tempfile`: its files are for their owner only, and another job may have to read the report.
    mode = target.stat().st_mode & 0o777 if target.exists() else 0o666
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
