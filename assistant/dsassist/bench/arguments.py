"""What the benches' command lines have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable

__all__ = ["whole_number"]


def whole_number(most: int) -> Callable[[str], int]:
    """An argument's type: a number from 1 to `most`."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and 1 <= int(text) <= most:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is a whole number from 1 to {most}")

    return read
