"""The names of the cases; a command line needs no more of them."""

from __future__ import annotations

from typing import Literal

__all__ = ["CASES", "CaseName"]

CaseName = Literal["a", "b", "c"]
CASES: tuple[CaseName, ...] = ("a", "b", "c")
