"""Prompts of a wanted length: Python source that lies on every machine, the standard library's."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from dsassist.bench.engine.servers import Server

__all__ = ["Texts"]

_LINES_APART = 37  # the texts of a run begin at different lines


@dataclass
class Texts:
    """Cuts source into prompts that share no beginning, so that no prompt finds another one in a cache."""

    server: Server  # whose tokenizer counts
    _lines: tuple[str, ...] = tuple(Path(argparse.__file__).read_text(encoding="utf-8").splitlines(keepends=True))
    _given: int = 0

    async def code(self, n_tokens: int) -> str:
        """Whole lines, of at most `n_tokens` tokens and nearly so many."""
        self._given += 1
        start = self._given * _LINES_APART % len(self._lines)
        lines = [f"# part {self._given}\n", *self._lines[start:], *self._lines[:start]]
        least, most = 1, min(len(lines), n_tokens)  # how many lines fit
        while least < most:
            middle = (least + most + 1) // 2
            if len(await self.server.tokenize("".join(lines[:middle]))) <= n_tokens:
                least = middle
            else:
                most = middle - 1
        return "".join(lines[:least])
