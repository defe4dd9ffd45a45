"""The first completion in a file of a thousand lines that was just opened: one key is typed in it, at once."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dsassist.bench.typing.person import Arm, replay
from dsassist.bench.typing.trace import Edit, Trace

__all__ = ["ColdFile", "cold_files", "first_text_ms"]

_MODULES = ("argparse", "inspect", "typing", "tarfile", "zipfile", "doctest", "subprocess", "pickle")
_LINES = 1000
_ROW = 600  # the place is looked for from here on
_LEAST_LINE = 24
_LIMIT_S = 30.0
_SILENCE_S = 0.5  # without a request out, after which nothing will be shown


@dataclass(frozen=True)
class ColdFile:
    """A file with a line that is half typed, and the character to type next."""

    name: str
    text: str
    cursor: int
    key: str


def cold_files(count: int) -> Iterator[ColdFile]:
    """Modules of the standard library, cut to a thousand lines."""
    for name in _MODULES[:count]:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        lines = Path(spec.origin).read_text(encoding="utf-8").splitlines(keepends=True)[:_LINES]
        row = next(row for row in range(_ROW, len(lines)) if _is_code(lines[row]))
        line = lines[row]
        half = len(line) - len(line.lstrip()) + len(line.strip()) // 2
        above = "".join(lines[:row]) + line[:half]
        yield ColdFile(f"{name}.py", above + "\n" + "".join(lines[row + 1 :]), len(above), line[half])


async def first_text_ms(arm: Arm, file: ColdFile) -> float | None:
    """From the key to the first text on the screen; None when there is none."""
    trace = Trace(file.name, file.name, file.text, "", (Edit(0.0, "type", file.cursor, 0, file.key, file.cursor + 1),))
    await replay(trace, arm, seed=0, last_look_s=0.0)
    typed_at, quiet_since = arm.screen.timeline.keystrokes[0].at, time.perf_counter()
    while arm.screen.ghost is None:
        now = time.perf_counter()
        quiet_since = now if arm.is_busy else quiet_since
        if now - quiet_since > _SILENCE_S or now - typed_at > _LIMIT_S:
            return None
        await arm.screen.change(0.1)
        arm.check()
    return 1000 * (arm.screen.timeline.screen[-1].at - typed_at)


def _is_code(line: str) -> bool:
    code = line.strip()
    return len(code) >= _LEAST_LINE and code.isascii() and not code.startswith(("#", '"', "'")) and "(" in code
