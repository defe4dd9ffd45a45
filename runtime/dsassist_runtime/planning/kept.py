"""What was measured on this machine, kept in the cache folder so that it is measured once a month.

Beside other programs everything is slower, so what was measured on a busy machine is kept for an hour only. It is one
small JSON file, `measured.json`: where it is damaged or cannot be written, it is measured again. A cache folder on a
network disk may serve several machines, so each entry says whose it is.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_writable, models_dir, write_at_once

__all__ = ["is_busy", "keep", "kept", "kept_path"]

_VALID_S = 30 * 24 * 3600
_VALID_BUSY_S = 3600
_BUSY = 0.5  # processes that want to run, for each core
_MOST_KEPT = 64


def kept_path() -> Path:
    """Where the measurements lie: in the cache, beside the models."""
    return models_dir().with_name("measured.json")


def is_busy() -> bool:
    """Did other programs have half of the cores or more in the last minute?"""
    return os.getloadavg()[0] >= _BUSY * (os.cpu_count() or 1)


def kept(what: str) -> dict[str, Any] | None:
    """A measurement on this machine that is still good, if there is one; its values are the reader's to check.

    One that says `busy` is good for an hour, any other for 30 days.
    """
    entry = _read().get(_key(what))
    if not isinstance(entry, dict) or not isinstance(entry.get("value"), dict):
        return None
    at, value = entry.get("measured_at"), entry["value"]
    valid_s = _VALID_BUSY_S if value.get("busy") else _VALID_S
    return value if isinstance(at, int | float) and 0 <= time.time() - at < valid_s else None


def keep(what: str, value: dict[str, Any]) -> None:
    """Keep a measurement; where that cannot be done, it is measured again next time."""
    entries = _read()
    entries.pop(_key(what), None)
    entries[_key(what)] = {"measured_at": int(time.time()), "value": value}
    latest = dict(list(entries.items())[-_MOST_KEPT:])
    path = kept_path()
    with contextlib.suppress(OSError, NotDone):
        make_writable(path.parent)
        write_at_once(path, json.dumps(latest, indent=2) + "\n")


def _key(what: str) -> str:
    return f"{platform.node()}: {what}"


def _read() -> dict[str, Any]:
    try:
        found = json.loads(kept_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
