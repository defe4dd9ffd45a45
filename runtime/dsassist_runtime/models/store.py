"""The model files on this disk: what a configuration's `model` names, what was pulled, and its record.

A pulled file lies as `models_dir()/FILE.gguf` with `FILE.gguf.json` beside it: source, bytes, SHA-256 and date. The
record is written first and the file renamed into place after it, so a file with a record is a verified one.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from dsassist_runtime import places
from dsassist_runtime.errors import DsassistError, ModelInvalid, ModelMissing
from dsassist_runtime.models import catalogue
from dsassist_runtime.models.catalogue import CatalogueEntry

__all__ = [
    "BUILTIN_NOTE",
    "BUILTIN_PATH",
    "Record",
    "ResolvedModel",
    "installed_path",
    "is_installed",
    "read_record",
    "resolve",
    "write_record",
]

BUILTIN_PATH = Path(__file__).with_name("builtin.gguf")

BUILTIN_NOTE = (
    "this is a small test model, not one whose code to keep; "
    "get a real one: dsassist model pull qwen2.5-coder-0.5b && dsassist model use qwen2.5-coder-0.5b"
)


@dataclass(frozen=True)
class ResolvedModel:
    """The file behind a name, and the LoRA adapter that it is held with."""

    name: str
    path: Path
    kind: Literal["builtin", "catalogue", "file"]
    title: str
    lora: Path | None = None


@dataclass(frozen=True)
class Record:
    """What is known of a pulled file; `date` is ISO 8601 in UTC."""

    source: str
    bytes: int
    sha256: str
    date: str


def resolve(name: str, base: Path | None = None) -> ResolvedModel:
    """The model that a configuration names: "builtin", a catalogue name, or a path.

    A path is relative to `base` (None: the working directory). Looks at names and sizes only; whether the file is a
    whole GGUF is for who opens it (`gguf.read_header`).
    Raises `ModelMissing`, `ModelInvalid` for a directory or a wrong size, `DsassistError` for a name of nothing.
    """
    if name == "builtin":
        return ResolvedModel(name, BUILTIN_PATH, "builtin", "the builtin test model")
    if "://" in name:
        raise DsassistError(
            f"{name!r} is an address, which has no file; name a file or a catalogue model (`dsassist model list`)"
        )
    entries = catalogue.load()
    if name in entries:
        return _resolve_entry(entries[name])
    path = Path(name)
    with contextlib.suppress(RuntimeError):  # "~nobody/x.gguf": no such user
        path = path.expanduser()
    path = (base or Path.cwd()) / path
    try:
        if path.is_dir():
            raise ModelInvalid(f"{path} is a directory; name the GGUF file inside it")
        if path.exists():
            return ResolvedModel(name, path, "file", path.name)
    except OSError as error:  # a folder that may not be entered, a name that is too long
        raise ModelInvalid(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    if "/" in name or name.endswith(".gguf"):
        raise ModelMissing(f"there is no file {path}; check the path, or see `dsassist model list`")
    catalogue.entry_of(name)  # raises, with close names
    raise AssertionError(name)


def installed_path(entry: CatalogueEntry) -> Path:
    """Where a catalogue model lies once it is pulled."""
    return places.models_dir() / entry.file_name


def is_installed(entry: CatalogueEntry) -> bool:
    """Whether the model is on this disk, as far as name and size tell."""
    path = installed_path(entry)
    return path.is_file() and entry.bytes in (None, path.stat().st_size)


def read_record(path: Path) -> Record | None:
    """The record beside a model file; None without one, or when it is damaged."""
    try:
        return Record(**json.loads(_record_path(path).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write_record(path: Path, record: Record) -> None:
    """Write the record beside a model file, whole or not at all."""
    target = _record_path(path)
    part = target.with_name(f".{target.name}.part")
    part.write_text(json.dumps(asdict(record), indent=2) + "\n", encoding="utf-8")
    part.replace(target)


def _record_path(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _resolve_entry(entry: CatalogueEntry) -> ResolvedModel:
    path = installed_path(entry)
    if path.is_dir():
        raise ModelInvalid(f"{path} is a directory where a model file belongs; move it away and pull {entry.name}")
    if not path.exists():
        raise ModelMissing(
            f"{entry.name} is not on this disk; get it with `dsassist model pull {entry.name}` ({entry.size_in_words})"
        )
    if not is_installed(entry):
        raise ModelInvalid(
            f"{path} has {path.stat().st_size} bytes and not {entry.bytes}; "
            f"get it again with `dsassist model pull {entry.name}`"
        )
    return ResolvedModel(entry.name, path, "catalogue", entry.title)
