"""What a bench reports: figures with their bars, as a table for people and as one JSON object for scripts."""

from __future__ import annotations

import json
import math
import os
import platform
import statistics
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dsassist_runtime.version import __version__

__all__ = ["Better", "Figure", "Report", "machine", "p95"]

Better = Literal["lower", "higher"]

_TABLE_WIDTH = 120


@dataclass(frozen=True)
class Figure:
    """One measured value: what `statistic` makes of the samples, against a bar if there is one."""

    name: str
    samples: tuple[float, ...]
    unit: str
    better: Better = "lower"
    bar: float | None = None
    statistic: Literal["median", "p95"] = "median"

    @property
    def value(self) -> float:
        """The median, or the sample that 95 in 100 do not exceed."""
        if self.statistic == "median":
            return statistics.median(self.samples)
        return p95(self.samples)

    @property
    def ok(self) -> bool | None:
        """Is the bar reached? None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.better == "lower" else self.value >= self.bar


@dataclass(frozen=True)
class Report:
    """What a bench measured, where and how; `left_out` says what could not be measured, and why."""

    bench: str
    settings: dict[str, Any]
    figures: Sequence[Figure]
    left_out: Sequence[str] = ()
    machine: dict[str, Any] = field(default_factory=lambda: machine())

    @property
    def ok(self) -> bool:
        """Is no bar missed?"""
        return all(figure.ok is not False for figure in self.figures)

    def as_json(self) -> str:
        """One object, as docs/benchmarks.md describes it."""
        return json.dumps(
            {
                "bench": self.bench,
                "machine": self.machine,
                "settings": self.settings,
                "figures": [
                    {**asdict(figure), "samples": list(figure.samples), "value": figure.value, "ok": figure.ok}
                    for figure in self.figures
                ],
                "left_out": list(self.left_out),
            },
            indent=2,
        )

    def as_table(self) -> str:
        """A line a figure: its median, its spread, its bar."""
        width = max((len(figure.name) for figure in self.figures), default=4)
        on = self.machine
        lines = [
            f"{self.bench} on {on['cpu']}, {on['cores']} cores, load {on['load'][0]}, {on['system']}",
            *textwrap.wrap("; ".join(f"{key}: {value}" for key, value in self.settings.items()), _TABLE_WIDTH),
            "",
            f"{'':{width}}    value    least     most   bar",
        ]
        for figure in self.figures:
            bar = "" if figure.bar is None else f"{figure.bar:5.2f}  {'reached' if figure.ok else 'MISSED'}"
            numbers = "  ".join(f"{number:7.2f}" for number in (figure.value, min(figure.samples), max(figure.samples)))
            lines.append(f"{figure.name:{width}}  {numbers}  {bar}  {figure.unit}")
        return "\n".join([*lines, *(f"left out: {reason}" for reason in self.left_out)])


def p95(values: Sequence[float]) -> float:
    """The value that 95 in 100 do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "dsassist": __version__,
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
