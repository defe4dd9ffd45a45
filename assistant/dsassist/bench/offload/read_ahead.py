"""How far the system reads ahead on the device under a file: found, set for a while, and put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsassist_runtime.errors import NotDone

__all__ = ["read_ahead", "read_ahead_kb"]

_DEVICES = Path("/sys/dev/block")


def read_ahead_kb(path: Path) -> int | None:
    """What the device under `path` is set to; None where the system does not tell."""
    try:
        return int(_setting(path).read_text())
    except (OSError, ValueError):
        return None


@contextmanager
def read_ahead(path: Path, kilobytes: int) -> Iterator[None]:
    """Within the `with`, the device under `path` reads ahead so far, in files opened there; `NotDone` if refused."""
    found = read_ahead_kb(path)
    if found is None:
        raise NotDone(f"the system does not tell how far it reads ahead on the device under {path}")
    if found == kilobytes:
        yield
        return
    setting = _setting(path)
    try:
        setting.write_text(str(kilobytes))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise NotDone(f"{setting} cannot be set to {kilobytes}: {reason}; run as root, or leave it as found") from error
    try:
        yield
    finally:
        setting.write_text(str(found))


def _setting(path: Path) -> Path:
    """The file of the setting; a partition has that of its disk."""
    device = path.stat().st_dev
    folder = (_DEVICES / f"{os.major(device)}:{os.minor(device)}").resolve()
    own = folder / "queue" / "read_ahead_kb"
    return own if own.exists() else folder.parent / "queue" / "read_ahead_kb"
