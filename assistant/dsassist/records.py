"""Small records of what the user decided: JSON objects in the state directory, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import Any

from dsassist_runtime import places
from dsassist_runtime.errors import NotDone

__all__ = ["read_record", "write_record"]


def read_record(name: str) -> dict[str, Any]:
    """What was recorded; nothing, if the record is missing or damaged: then the user is asked again."""
    try:
        recorded = json.loads(_path(name).read_bytes())
    except (OSError, ValueError):
        return {}
    return recorded if isinstance(recorded, dict) else {}


def write_record(name: str, value: dict[str, Any]) -> None:
    """Replace a record; `NotDone` when it cannot be written."""
    directory = places.make_writable(places.state_dir())
    temporary = ""
    try:
        with tempfile.NamedTemporaryFile("w", dir=directory, prefix=f"{name}-", delete=False) as file:
            temporary = file.name
            json.dump(value, file, indent=2, sort_keys=True)
        Path(temporary).replace(_path(name))
    except OSError as error:
        if temporary:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
        raise NotDone(f"cannot write {_path(name)}: {(error.strerror or str(error)).lower()}") from error


def _path(name: str) -> Path:
    return places.state_dir() / f"{name}.json"
