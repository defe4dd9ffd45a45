"""What the benches' command lines have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from dsassist_runtime.errors import DsassistError

__all__ = ["day", "folders", "whole_number"]


def whole_number(most: int, least: int = 1) -> Callable[[str], int]:
    """An argument's type: a number from `least` to `most`."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and least <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is a whole number from {least} to {most}")

    return read


def day(text: str) -> date:
    """An argument's type: a day as ISO 8601 writes it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is a day such as 2025-01-31") from None


def folders(option: str, paths: Iterable[Path]) -> tuple[Path, ...]:
    """Repositories that an option names, each once and absolute; `DsassistError` where one is no folder."""
    found = []
    for path in paths:
        if not path.expanduser().is_dir():
            raise DsassistError(f"{option} {path} is no directory; name the folder of a git repository")
        found.append(path.expanduser().absolute())
    return tuple(dict.fromkeys(found))
