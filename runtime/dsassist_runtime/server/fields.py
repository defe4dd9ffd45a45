"""Reads the bodies that other people's clients send: unknown fields are theirs, wrong types and values are refused.

A field that is null counts as absent, as in OpenAI's API.
"""

from __future__ import annotations

import json
import math
from typing import Any

from dsassist_runtime.errors import RequestRefused
from dsassist_runtime.server.error_answer import BadField

__all__ = ["Fields", "parse_object"]

_LARGEST = 2**31 - 1


def parse_object(data: bytes) -> dict[str, Any]:
    """The JSON object in a body; `RequestRefused` for anything else."""
    try:
        body = json.loads(data)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else error
        raise RequestRefused(f"the body is not JSON: {reason}") from error
    if not isinstance(body, dict):
        raise RequestRefused("the body must be a JSON object")
    return body


class Fields:
    """An object whose fields are read one by one, each with its type, range and default; raises `BadField`."""

    def __init__(self, values: dict[str, Any], name: str = "") -> None:
        self._values = values
        self._name = name

    def get(self, key: str) -> Any:
        """The unchecked value; None when it is absent or null."""
        return self._values.get(key)

    def named(self, key: str) -> str:
        """The field's name for a message, with those of the objects around it."""
        return f"{self._name}.{key}" if self._name else key

    def refuse(self, key: str, message: str) -> BadField:
        """The error to raise for a field."""
        return BadField(self.named(key), message)

    def integer(self, key: str, default: int, low: int = -_LARGEST, high: int = _LARGEST) -> int:
        """A whole number within [low, high]; 3.0 is one."""
        value = self._values.get(key)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.refuse(key, f"must be a whole number, not {_shown(value)}")
        if not low <= value <= high:
            raise self.refuse(key, f"is {_shown(value)}; it must be {_range(low, high)}")
        return value

    def number(self, key: str, default: float, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number within [low, high]."""
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise self.refuse(key, f"must be a number, not {_shown(value)}")
        try:
            number = float(value)
        except OverflowError:  # a whole number of 400 digits
            number = math.inf
        if not math.isfinite(number) or not low <= number <= high:
            raise self.refuse(key, f"is {_shown(value)}; it must be {_range(low, high)}")
        return number

    def boolean(self, key: str, *, default: bool = False) -> bool:
        """True or false."""
        value = self._values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self.refuse(key, f"must be true or false, not {_shown(value)}")
        return value

    def text(self, key: str, default: str = "") -> str:
        """A text that can be written as UTF-8."""
        value = self._values.get(key)
        if value is None:
            return default
        return self._checked_text(key, value)

    def texts(self, key: str) -> tuple[str, ...]:
        """A text or a list of texts; () when absent."""
        value = self._values.get(key)
        if value is None:
            return ()
        if isinstance(value, str):
            return (self._checked_text(key, value),)
        return tuple(self._checked_text(f"{key}[{i}]", item) for i, item in enumerate(self.sequence(key)))

    def sequence(self, key: str) -> list[Any]:
        """A list; empty when absent."""
        value = self._values.get(key)
        if value is None:
            return []
        if not isinstance(value, list):
            raise self.refuse(key, f"must be a list, not {_shown(value)}")
        return value

    def tokens(self, key: str) -> tuple[int, ...]:
        """A list of token numbers."""
        return self.checked_tokens(key, self.sequence(key))

    def checked_tokens(self, key: str, values: list[Any]) -> tuple[int, ...]:
        """The same, of a list that is at hand."""
        for value in values:
            if type(value) is not int or not 0 <= value <= _LARGEST:
                raise self.refuse(key, f"must be a list of token numbers, and has {_shown(value)}")
        return tuple(values)

    def inner(self, key: str) -> Fields:
        """An object inside; one without fields when absent."""
        value = self._values.get(key)
        if value is None:
            value = {}
        if not isinstance(value, dict):
            raise self.refuse(key, f"must be an object, not {_shown(value)}")
        return Fields(value, self.named(key))

    def items(self) -> list[tuple[str, Any]]:
        """All fields."""
        return list(self._values.items())

    def one_of(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        """One of a few words."""
        value = self._values.get(key)
        if value is None:
            return default
        if value not in allowed:
            raise self.refuse(key, f"is {_shown(value)}; allowed are {', '.join(allowed)}")
        return str(value)

    def _checked_text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.refuse(key, f"must be a text, not {_shown(value)}")
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self.refuse(key, "has a half of a surrogate pair, which is no text") from error
        return value


def _shown(value: object) -> str:
    """A value for a message, short: what a person sent by mistake may be a whole file."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _range(low: float, high: float) -> str:
    if math.isinf(low) and math.isinf(high):
        return "finite"
    if high in (math.inf, _LARGEST):
        return f"at least {low:g}"
    return f"between {low:g} and {high:g}"
