"""Runs the cells of each case in turns, each in a process of its own, on a machine set as the cell says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from dsassist.bench.offload.arm import Outcome
from dsassist.bench.offload.cases import Case, Cell, Models, Sizes, make_case
from dsassist.bench.offload.figures import Round, case_figures
from dsassist.bench.offload.memory_cap import memory_cap
from dsassist.bench.offload.names import CaseName
from dsassist.bench.offload.read_ahead import read_ahead, read_ahead_kb
from dsassist.bench.report import Figure, Report
from dsassist_runtime.errors import NotDone
from dsassist_runtime.llama.library import barrier_environment
from dsassist_runtime.planning.disk import measure_disk
from dsassist_runtime.planning.memory import free_memory

__all__ = ["OffloadBench", "run_offload_bench"]

_DISK_WINDOW_S = 0.4  # for each number of lanes
_STREAMED_SLACK = 1.25
_SPARE_BYTES = 1_500_000_000  # that must be left beside a model that is held whole


@dataclass(frozen=True)
class OffloadBench:
    """What is asked for."""

    cases: Sequence[CaseName]
    sizes: Sizes
    models: Models


@dataclass
class _Notes:
    """What the report says beside its figures."""

    settings: dict[str, Any] = field(default_factory=dict)
    left_out: dict[str, None] = field(default_factory=dict)  # each once

    def leave_out(self, what: str) -> None:
        self.left_out[what] = None


def run_offload_bench(bench: OffloadBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure; `machine` is what it was before."""
    folder = bench.models.folder
    folder.mkdir(parents=True, exist_ok=True)
    found_kb = read_ahead_kb(folder)
    notes = _Notes({"read-ahead as found": "not known" if found_kb is None else f"{found_kb} KB"})
    figures: list[Figure] = []
    for name in bench.cases:
        case = make_case(name, bench.sizes, bench.models, found_kb, progress)
        size = case.model.stat().st_size
        notes.settings[case.name] = f"{case.title} ({size / 1e9:.2f} GB)"
        rounds = _rounds(case, bench.sizes, notes, progress)
        figures += case_figures(case, rounds, bench.sizes.small)
        speeds = ", ".join(f"{one.disk_bytes_s / 1e9:.2f}" for one in rounds)
        notes.settings[f"{case.name}, disk"] = f"{speeds} GB/s with direct I/O"
        if case.name != "c":
            notes.settings[f"{case.name}, tokens"] = (
                f"{case.order.n_prompt} to warm up, then {case.order.n_tokens} or {case.order.limit_s:g} s"
            )
    notes.settings["threads"] = case.order.n_threads
    notes.settings["ratios"] = "of a round, over the tokens that both wrote"
    return Report("offload", notes.settings, figures, tuple(notes.left_out), machine)


def _rounds(case: Case, sizes: Sizes, notes: _Notes, progress: Callable[[str], None]) -> list[Round]:
    rounds = []
    for number in range(sizes.repeats):
        _drop_cached(case.model)
        speed = measure_disk(case.model, _DISK_WINDOW_S).best_bytes_s
        outcomes: dict[Cell, Outcome] = {}
        for cell in case.cells if number % 2 == 0 else case.cells[::-1]:
            progress(f"{case.name}, round {number + 1} of {sizes.repeats}: {cell.name}")
            try:
                outcomes[cell] = _run(case, cell, notes)
            except NotDone as error:
                notes.leave_out(f"{case.name}: {cell.name}: {error}")
        rounds.append(Round(outcomes, speed))
    return rounds


def _run(case: Case, cell: Cell, notes: _Notes) -> Outcome:
    cap_bytes = cell.cap.cap_bytes if cell.cap is not None else None
    if cap_bytes is None:
        _check_room(case.model)
    with ExitStack() as stack:
        if cell.read_ahead_kb is not None:
            stack.enter_context(read_ahead(case.model, cell.read_ahead_kb))
        # More than the cap for ours: that it keeps within it by itself is what is to be shown.
        slack = _STREAMED_SLACK if cell.arm == "streamed" else 1.0
        cap = stack.enter_context(memory_cap(None if cap_bytes is None else int(slack * cap_bytes)))
        if cap_bytes is not None:
            notes.settings["memory cap"] = (
                cap.kind if cap.path is not None else "none could be set: not what a machine with little memory shows"
            )
        _drop_cached(case.model)
        order = replace(
            case.order,
            arm=cell.arm,
            beside_bare=case.order.beside_bare and cell.arm == "resident",
            budget_bytes=cell.cap.budget_bytes if cell.cap is not None else 0,
            cap_kind=cap.kind,
            cap_path=str(cap.path or ""),
        )
        return _ordered(json.dumps(asdict(order)))


def _ordered(order: str) -> Outcome:
    """What a process of its own makes of it; `NotDone` with its last words when it ends otherwise."""
    ended = subprocess.run(
        [sys.executable, "-m", "dsassist.bench.offload.arm"],
        input=order + "\n",
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **barrier_environment(os.environ)},
    )
    if ended.returncode != 0:
        words = ended.stderr.strip().splitlines()
        raise NotDone(f"its process ended with code {ended.returncode}: {words[-1] if words else 'no reason given'}")
    return Outcome.from_json(ended.stdout)


def _drop_cached(path: Path) -> None:
    """Nothing of a file that nobody maps is in memory any more: what is read is charged to who reads it."""
    if not hasattr(os, "posix_fadvise"):
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)


def _check_room(path: Path) -> None:
    size, free = path.stat().st_size, free_memory().n_bytes
    if size + _SPARE_BYTES > free:
        raise NotDone(f"{size / 1e9:.1f} GB and some to spare do not fit into the {free / 1e9:.1f} GB that are free")
