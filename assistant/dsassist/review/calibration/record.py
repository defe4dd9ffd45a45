"""What was measured on unchanged functions, a JSON file in the state directory for each model file.

A model is known by its size and its first and last bytes: a path may hold another file tomorrow. Functions are known
by the digest of what the model read, so that none is measured twice, whichever repository it lies in.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

from dsassist.review.calibration.fit import Reached
from dsassist.review.likelihood.site import Family
from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_private, state_dir

if TYPE_CHECKING:
    from dsassist.review.likelihood.tasks import Task

__all__ = ["Record", "function_key", "read_record", "record_path"]

_VERSION = 4
"""Raise it where the same function would reach other numbers: families, evidence, what the model reads."""

_END_BYTES = 64 * 1024
_MOST_FUNCTIONS = 2000


@dataclass
class Record:
    """The functions that were measured with a model, oldest first, and where this is kept."""

    path: Path
    functions: dict[str, Reached] = field(default_factory=dict)

    def add(self, key: str, reached: Reached) -> None:
        """Add a function and write the file, so that nothing is lost when the work is interrupted.

        What another process has added meanwhile is kept. `NotDone` where it cannot be written.
        """
        self.functions = _read(self.path) | self.functions | {key: reached}
        for old in list(self.functions)[:-_MOST_FUNCTIONS]:
            del self.functions[old]
        make_private(self.path.parent)
        part = self.path.with_name(f".{self.path.name}.{os.getpid()}.part")
        try:
            part.write_text(json.dumps({"version": _VERSION, "functions": self.functions}), encoding="utf-8")
            part.replace(self.path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            raise NotDone(f"cannot write {self.path}: {(error.strerror or str(error)).lower()}") from error


def read_record(model: Path, lora: Path | None = None) -> Record:
    """What is known of a model file; nothing where nothing was measured yet, or the record is damaged."""
    path = record_path(model, lora)
    return Record(path, _read(path))


def record_path(model: Path, lora: Path | None = None) -> Path:
    """Where the record of a model file lies, held with this adapter; `NotDone` where either cannot be read."""
    digest = hashlib.sha256()
    for path in [model] if lora is None else [model, lora]:
        try:
            size = path.stat().st_size
            with path.open("rb") as file:
                digest.update(f"{size}:".encode() + file.read(_END_BYTES))
                file.seek(max(size - _END_BYTES, 0))
                digest.update(file.read(_END_BYTES))
        except OSError as error:
            raise NotDone(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    return state_dir() / "calibration" / f"{digest.hexdigest()[:32]}.json"


def function_key(task: Task) -> str:
    """The name of a function in a record."""
    return hashlib.sha256(f"{task.context}\0{task.function.text}".encode()).hexdigest()[:16]


def _read(path: Path) -> dict[str, Reached]:
    try:
        read = json.loads(path.read_bytes())
        if read["version"] == _VERSION:
            return {str(key): _reached(row) for key, row in read["functions"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        pass
    return {}


def _reached(row: object) -> Reached:
    if not isinstance(row, dict) or not all(value is None or isinstance(value, (int, float)) for value in row.values()):
        raise ValueError("no function's numbers")
    known = get_args(Family)
    return {cast(Family, family): value for family, value in row.items() if family in known}
