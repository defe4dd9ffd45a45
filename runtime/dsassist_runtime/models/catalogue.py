"""The models that `dsassist model pull` knows: `catalogue.json`, and what `DSASSIST_CATALOGUE` adds to it.

`DSASSIST_CATALOGUE=FILE` names a JSON file of the same form, for a team's own models; an entry there replaces one of
the same name.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from dsassist_runtime.errors import DsassistError

__all__ = ["CatalogueEntry", "IndexSlices", "entry_of", "in_words", "load"]

_PACKAGED = Path(__file__).with_name("catalogue.json")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_FILE = re.compile(r"(?!\.)(?:[\w .+-]+/)*[\w+-][\w .+-]*\.gguf")
_PIN = re.compile(r"[A-Za-z0-9][\w.-]*==[\w.!+-]+")  # nothing that pip could take for an option or an address
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class IndexSlices:
    """A model cut into packages: their members whose names end in `member`, joined in this order, are the file."""

    packages: tuple[str, ...]
    member: str


@dataclass(frozen=True)
class CatalogueEntry:
    """One model: where it comes from, what it is, what it needs.

    `bytes` and `sha256` are None where no source stated them; `experts` 0 is a dense model; `memory_gb` is for the
    weights, 8192 tokens of KV cache (F16) and llama.cpp's buffers.
    """

    name: str
    title: str
    note: str
    repository: str
    file: str
    revision: str | None
    bytes: int | None
    sha256: str | None
    licence: str
    architecture: str
    experts: int
    parameters_b: float
    active_parameters_b: float
    fim: str | None
    chat: bool
    memory_gb: float
    index: IndexSlices | None

    @property
    def file_name(self) -> str:
        """The name under which the file lies among the user's models: the maker's."""
        return self.file.rpartition("/")[2]

    @property
    def size_in_words(self) -> str:
        """The download's size for a person."""
        return in_words(self.bytes) if self.bytes is not None else "size not stated"


def in_words(n_bytes: int) -> str:
    """Bytes for a person, in decimal units as download pages write them: 491400064 -> "491 MB"."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if n_bytes >= size:
            return f"{n_bytes / size:.1f} {unit}" if n_bytes < 10 * size else f"{n_bytes / size:.0f} {unit}"
    return f"{n_bytes} bytes"


def load() -> dict[str, CatalogueEntry]:
    """Every known model by name, in the catalogue's order; `DsassistError` names the file, entry and field at fault."""
    entries = _read(_PACKAGED)
    if added := os.environ.get("DSASSIST_CATALOGUE"):
        entries.update(_read(Path(added).expanduser()))
    by_file: dict[str, str] = {}
    for entry in entries.values():
        if (other := by_file.setdefault(entry.file_name, entry.name)) != entry.name:
            raise DsassistError(
                f"the catalogue's models {other} and {entry.name} have the same file name {entry.file_name}"
            )
    return entries


def entry_of(name: str) -> CatalogueEntry:
    """The entry of that name; `DsassistError` with close names when there is none."""
    from difflib import get_close_matches

    entries = load()
    if name in entries:
        return entries[name]
    close = get_close_matches(name, entries, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(close)}?" if close else "`dsassist model list` shows them all"
    raise DsassistError(f"the catalogue has no model {name!r}; {hint}")


def _read(path: Path) -> dict[str, CatalogueEntry]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DsassistError(f"the catalogue {path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except ValueError as error:
        raise DsassistError(f"the catalogue {path} is no JSON: {error}") from error
    models = found.get("models") if isinstance(found, dict) else None
    if not isinstance(models, list):
        raise DsassistError(f'the catalogue {path} has no list "models"')
    entries: dict[str, CatalogueEntry] = {}
    for number, model in enumerate(models, 1):
        try:
            entry = _entry(model)
        except ValueError as error:
            name = model.get("name") if isinstance(model, dict) else None
            raise DsassistError(f"the catalogue {path}, model {name or number}: {error}") from error
        if entry.name in entries:
            raise DsassistError(f"the catalogue {path}, model {entry.name}: it is there twice")
        entries[entry.name] = entry
    return entries


def _entry(model: Any) -> CatalogueEntry:
    """A checked entry; ValueError tells the field and what it may be."""
    if not isinstance(model, dict):
        raise ValueError("it is not an object")
    names = [field.name for field in fields(CatalogueEntry)]
    if missing := [name for name in names if name not in model]:
        raise ValueError(f"the field {missing[0]} is missing")
    if unknown := [name for name in model if name not in names]:
        raise ValueError(f"there is no field {unknown[0]!r}")
    for name, allowed, check in _RULES:
        if not check(model[name]):
            raise ValueError(f"{name} is {model[name]!r}, and must be {allowed}")
    return CatalogueEntry(**{**model, "index": _index(model["index"])})


def _index(found: Any) -> IndexSlices | None:
    if found is None:
        return None
    if not isinstance(found, dict) or set(found) != {"packages", "member"}:
        raise ValueError('index must be null or have exactly "packages" and "member"')
    packages, member = found["packages"], found["member"]
    if not isinstance(packages, list) or not packages or not all(_matches(_PIN, package) for package in packages):
        raise ValueError(f"index.packages is {packages!r}, and must be a list of pins such as name==1.0")
    if not _is_text(member):
        raise ValueError(f"index.member is {member!r}, and must be how the member's name ends")
    return IndexSlices(tuple(packages), member)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _matches(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


def _is_count(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


_RULES = (
    (
        "name",
        'small letters, digits, ".", "_" and "-", and not builtin or all',
        lambda v: _matches(_NAME, v) and v not in ("builtin", "all"),
    ),
    ("title", "a text", _is_text),
    ("note", "a text", lambda v: isinstance(v, str)),
    ("repository", "owner/name", lambda v: _matches(_REPOSITORY, v)),
    ("file", "the path of a .gguf file in the repository", lambda v: _matches(_FILE, v)),
    ("revision", "a commit, branch or tag, or null", lambda v: v is None or _is_text(v)),
    ("bytes", "a whole number above 0, or null", lambda v: v is None or _is_count(v, 1)),
    ("sha256", "64 hexadecimal digits in small letters, or null", lambda v: v is None or _matches(_SHA256, v)),
    ("licence", "a text", _is_text),
    ("architecture", "a text", _is_text),
    ("experts", "a whole number, 0 for a dense model", lambda v: _is_count(v, 0)),
    ("parameters_b", "a number above 0", _is_number),
    ("active_parameters_b", "a number above 0", _is_number),
    ("fim", '"psm", "spm", "spm,psm", "psm,spm" or null', lambda v: v in ("psm", "spm", "spm,psm", "psm,spm", None)),
    ("chat", "true or false", lambda v: isinstance(v, bool)),
    ("memory_gb", "a number above 0", _is_number),
)
