"""What the declaration of an option is: a dataclass field with its meaning, and the check of a value against it.

The options themselves stand in `dsassist.options`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from dsassist.sizes import AUTOMATIC, limit_bytes

__all__ = ["Option", "OptionValue", "declare"]

OptionValue = bool | int | float | str | tuple[str, ...]

_YES = ("1", "true", "yes", "on")
_NO = ("0", "false", "no", "off")


def declare(
    default: OptionValue,
    description: str,
    *,
    choices: tuple[str, ...] = (),
    known: Collection[str] = (),
    minimum: float | None = None,
    maximum: float | None = None,
    flag: str | None = None,
    is_size: bool = False,
    repository_may_set: bool = True,
) -> Any:
    """A dataclass field that carries an option's declaration; `Any`, as `dataclasses.field` is typed by its default.

    Entries of a list that are not `known`, in lower case, are taken all the same, and told. A text that `is_size` is
    one of `dsassist.sizes`, or "auto".
    """
    metadata = {
        "description": description,
        "choices": choices,
        "known": known,
        "minimum": minimum,
        "maximum": maximum,
        "flag": flag,
        "is_size": is_size,
        "repository_may_set": repository_may_set,
    }
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Option:
    """One declaration, by its key: "completion.temperature"."""

    key: str
    default: OptionValue
    description: str
    choices: tuple[str, ...]
    known: Collection[str]
    minimum: float | None
    maximum: float | None
    flag: str
    is_size: bool
    repository_may_set: bool

    @property
    def variable(self) -> str:
        """The environment variable that sets it: DSASSIST_COMPLETION_TEMPERATURE."""
        return "DSASSIST_" + self.key.replace(".", "_").upper()

    @property
    def allowed(self) -> str:
        """What it takes, in words that follow "allowed is"."""
        if self.choices:
            return " or ".join(f'"{choice}"' for choice in self.choices)
        if self.is_size:
            return f'a size such as "6G" or "512M", or "{AUTOMATIC}"'
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, int):
            return f"a whole number from {self.minimum} to {self.maximum}"
        if isinstance(self.default, float):
            return f"a number from {_plain(self.minimum)} to {_plain(self.maximum)}"
        return "a list of strings" if isinstance(self.default, tuple) else "a string of visible characters"

    def check(self, value: object) -> OptionValue:
        """The value in the option's own type; ValueError, with `allowed` as its text, for any other."""
        checked = _CHECKS[type(self.default)](value)
        if checked is None or (self.choices and checked not in self.choices) or not self._in_range(checked):
            raise ValueError(self.allowed)
        if self.is_size and not _is_limit(str(checked)):
            raise ValueError(self.allowed)
        return checked

    def unknown(self, value: OptionValue) -> tuple[str, ...]:
        """The entries of a checked list that nobody knows."""
        if not self.known or not isinstance(value, tuple):
            return ()
        return tuple(entry for entry in value if entry.casefold() not in self.known)

    def parse(self, text: str) -> OptionValue:
        """`check` for text from the environment or the command line; a list is separated by commas."""
        return self.check(_PARSERS[type(self.default)](text))

    def _in_range(self, value: OptionValue) -> bool:
        if self.minimum is None or self.maximum is None or isinstance(value, (str, tuple)):
            return True
        return self.minimum <= value <= self.maximum


def _is_limit(text: str) -> bool:
    try:
        limit_bytes(text)
    except ValueError:
        return False
    return True


def _check_bool(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _check_int(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _check_float(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _check_str(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() and value.isprintable() else None


def _check_list(value: object) -> tuple[str, ...] | None:
    if isinstance(value, (list, tuple)) and all(_check_str(item) is not None for item in value):
        return tuple(value)
    return None


def _parse_number(kind: type[int] | type[float]) -> Callable[[str], object]:
    def parse(text: str) -> object:
        try:
            return kind(text)
        except ValueError:
            return None

    return parse


def _parse_bool(text: str) -> object:
    word = text.strip().lower()
    return word in _YES if word in _YES + _NO else None


def _parse_list(text: str) -> object:
    return [part.strip() for part in text.split(",") if part.strip()]


_CHECKS: dict[type, Callable[[object], OptionValue | None]] = {
    bool: _check_bool,
    int: _check_int,
    float: _check_float,
    str: _check_str,
    tuple: _check_list,
}
_PARSERS: dict[type, Callable[[str], object]] = {
    bool: _parse_bool,
    int: _parse_number(int),
    float: _parse_number(float),
    str: str,
    tuple: _parse_list,
}


def _plain(number: float | None) -> str:
    return "" if number is None else f"{number:g}"
