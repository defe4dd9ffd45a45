"""The values of `api` as JSON and back, for the pipe to the engine and for HTTP.

Both directions follow the dataclasses' own annotations, so a field is declared once. What comes from outside is checked
here: a missing, unknown or wrongly typed field is a `RequestRefused` that names it.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from pathlib import Path
from typing import Any, Literal, TypeVar

from dsassist_runtime.errors import RequestRefused

__all__ = ["from_wire", "to_wire"]

T = TypeVar("T")


def to_wire(value: Any) -> Any:
    """A frozen dataclass of `api` as plain JSON values."""
    if dataclasses.is_dataclass(value):
        return {field.name: to_wire(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [to_wire(item) for item in value]
    return str(value) if isinstance(value, Path) else value  # what is JSON already stays as it is


def from_wire(kind: type[T], value: object, name: str = "request") -> T:
    """The dataclass `kind` from what `to_wire` made of it; `RequestRefused` names the field that does not fit."""
    return typing.cast(T, _read(kind, value, name))


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _read(kind: Any, value: object, name: str) -> object:
    if kind is Any:
        return value
    origin = typing.get_origin(kind)
    if origin is dict:
        if not isinstance(value, dict):
            raise RequestRefused(f"{name} must be an object, not {type(value).__name__}")
        return {key: _read(typing.get_args(kind)[1], item, f"{name}.{key}") for key, item in value.items()}
    if origin is Literal:
        if value not in typing.get_args(kind):
            raise RequestRefused(f"{name} is {value!r}; allowed are {', '.join(map(repr, typing.get_args(kind)))}")
        return value
    if origin in (types.UnionType, typing.Union):
        (inner,) = (arg for arg in typing.get_args(kind) if arg is not type(None))
        return None if value is None else _read(inner, value, name)
    if origin is tuple:
        if not isinstance(value, list):
            raise RequestRefused(f"{name} must be a list, not {type(value).__name__}")
        return tuple(_read(typing.get_args(kind)[0], item, f"{name}[{i}]") for i, item in enumerate(value))
    if dataclasses.is_dataclass(kind):
        return _read_fields(typing.cast(type, kind), value, name)
    return _read_scalar(kind, value, name)


def _read_fields(kind: type, value: object, name: str) -> object:
    if not isinstance(value, dict):
        raise RequestRefused(f"{name} must be an object, not {type(value).__name__}")
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := set(value) - set(fields):
        raise RequestRefused(f"{name} has the unknown field {sorted(unknown)[0]!r}")
    for field in fields.values():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in value:
            raise RequestRefused(f"{name} lacks the field {field.name!r}")
    hints = _hints(kind)
    return kind(**{key: _read(hints[key], item, f"{name}.{key}") for key, item in value.items()})


def _read_scalar(kind: type, value: object, name: str) -> object:
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise RequestRefused(f"{name} must be {kind.__name__}, not {type(value).__name__}")
    return value
