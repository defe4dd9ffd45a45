"""A function that waits for its body, and texts for it, known by heart to the tests' server."""

from __future__ import annotations

__all__ = ["ADD", "SUM", "TWO_LINES"]

ADD = "def add(first, second):\n    \n"
SUM = "    return first + second"
TWO_LINES = "    total = first + second\n    return total"
