"""The bench as a whole: which models, which servers run for which group, and the report.

A group says with which options llama-server runs for it; groups with the same ones follow each other, and share it.
"""

from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from dsassist.bench.engine import busy, cancel, decode, preemption, reuse, storm, streams
from dsassist.bench.engine.servers import Server, our_server, peer_server
from dsassist.bench.engine.texts import Texts
from dsassist.bench.engine.trial import QUICK, BenchModel, Measured, Sizes, Trial
from dsassist.bench.interruptible import run_interruptible
from dsassist.bench.report import Figure, Report
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.gguf import fim_orders, read_header
from dsassist_runtime.models import catalogue
from dsassist_runtime.models.store import is_installed, resolve
from dsassist_runtime.places import models_dir

__all__ = ["GROUPS", "MODELS", "EngineBench", "Group", "on_this_disk", "run_engine_bench"]

SYNTHETIC = "synthetic-moe"
MODELS = ("builtin", "qwen2.5-coder-0.5b", "qwen2.5-coder-1.5b", SYNTHETIC)

_LARGEST_CONTEXT = 8192
_VERSION_LIMIT_S = 30.0


@dataclass(frozen=True)
class Group:
    """Figures that are measured together."""

    title: str
    measure: Callable[[Trial], Awaitable[Measured]]
    needs_peer: bool = True  # False where nothing is compared with it
    peer_options: tuple[str, ...] = ()
    every_model: bool = True  # False where the first model tells all


GROUPS = {
    "decode": Group("one stream, beside a bare loop", decode.measure),
    "preemption": Group("a completion while a review's prompt is read", preemption.measure),
    "busy": Group("one stream while other programs keep the cores busy", busy.measure),
    "reuse": Group("the second turn of a chat, and the second completion in a file", reuse.measure),
    "streams": Group(
        "eight streams at once", streams.measure, peer_options=("-np", "8", "-kvu", "-c", str(_LARGEST_CONTEXT))
    ),
    "cancel": Group("from a client's leaving to an idle engine", cancel.measure, needs_peer=False),
    "storm": Group("2,000 requests of clients that leave", storm.measure, needs_peer=False, every_model=False),
}


@dataclass(frozen=True)
class EngineBench:
    """What to measure. `models` empty stands for those of `MODELS` that are on this disk."""

    peer: Path | None = None
    models: tuple[str, ...] = ()
    groups: tuple[str, ...] = tuple(GROUPS)
    repeats: int = 3
    quick: bool = False

    @property
    def sizes(self) -> Sizes:
        """How much is asked."""
        return QUICK if self.quick else Sizes()


def run_engine_bench(bench: EngineBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    """Measure; whatever was started is ended before this returns or raises, on Ctrl-C and SIGTERM too.

    `machine` is `report.machine()` from before: the load that the report gives must not be the bench's own.
    """
    return run_interruptible(_run(bench, machine, progress))


async def _run(bench: EngineBench, machine: dict[str, Any], progress: Callable[[str], None]) -> Report:
    settings = _settings(bench)
    # A model that was asked for by name and is not there is an error; one of the usual ones is left out.
    names, left_out = (list(dict.fromkeys(bench.models)), []) if bench.models else on_this_disk(MODELS)
    models = [_model(name, progress) for name in names]
    if bench.peer is None:
        left_out.append("what is compared with llama-server: give its program with --peer")
    figures: list[Figure] = []
    for model in models:
        groups = [GROUPS[name] for name in bench.groups if GROUPS[name].every_model or model is models[0]]
        for measured in await _measure_model(bench, model, groups, progress):
            figures += [replace(figure, name=f"{model.name}: {figure.name}") for figure in measured.figures]
            left_out += [f"{model.name}: {reason}" for reason in measured.left_out]
    if not figures:
        raise NotDone(f"nothing could be measured: {'; '.join(left_out)}")
    return Report("engine", settings, figures, left_out, machine)


async def _measure_model(
    bench: EngineBench, model: BenchModel, groups: Sequence[Group], progress: Callable[[str], None]
) -> list[Measured]:
    found = []
    async with our_server(model.path) as ours:
        texts = Texts(ours)
        for (needs_peer, options), members in groupby(groups, lambda group: (group.needs_peer, group.peer_options)):
            async with _peer(bench.peer if needs_peer else None, model, options) as peer:
                for group in members:
                    progress(f"{model.name}: {group.title}")
                    trial = Trial(model, ours, peer, texts, bench.sizes, bench.repeats)
                    found.append(await group.measure(trial))
    return found


@asynccontextmanager
async def _peer(binary: Path | None, model: BenchModel, options: Sequence[str]) -> AsyncIterator[Server | None]:
    if binary is None:
        yield None
        return
    async with peer_server(binary, model.path, options) as server:
        yield server


def _settings(bench: EngineBench) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "what": "medians of rounds in which the servers take turns",
        "rounds": bench.repeats,
        "requests": "greedy, ignore_eos, no speculation, over TCP",
        "dsassist": "serve --model MODEL --listen 127.0.0.1:PORT",
    }
    if bench.peer is not None:
        settings["llama-server"] = f"{_version(bench.peer)}, -m MODEL --port PORT"
        settings |= {
            f"llama-server for {name}": " ".join(group.peer_options)
            for name, group in GROUPS.items()
            if name in bench.groups and group.peer_options
        }
    return settings | asdict(bench.sizes)


def _version(binary: Path) -> str:
    try:
        done = subprocess.run(
            [binary, "--version"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_VERSION_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = "it does not answer" if isinstance(error, subprocess.TimeoutExpired) else error.strerror
        raise DsassistError(f"--peer {binary} cannot be run ({reason}); name the program llama-server") from error
    lines = (done.stdout + done.stderr).splitlines()
    return next((line.strip() for line in lines if "version" in line), "of unknown version")


def on_this_disk(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Those of the models that can be measured, and of each other one the reason why not."""
    there, left_out = [], []
    for name in names:
        if name in ("builtin", SYNTHETIC) or is_installed(catalogue.entry_of(name)):
            there.append(name)
        else:
            left_out.append(f"{name}: not on this disk (dsassist model pull {name})")
    return there, left_out


def _model(name: str, progress: Callable[[str], None]) -> BenchModel:
    if name == SYNTHETIC:
        path = models_dir() / f"{SYNTHETIC}.gguf"
        if not path.exists():
            from dsassist.bench.synthetic import write_synthetic  # needs numpy, and --help does not

            progress(f"writing {path}")
            write_synthetic(path)
    else:
        path = resolve(name).path
    header = read_header(path)
    return BenchModel(
        path.stem if "/" in name else name,
        path,
        min(header.integer("{arch}.context_length", _LARGEST_CONTEXT), _LARGEST_CONTEXT),
        bool(fim_orders(header)),
        bool(header.text("tokenizer.chat_template")),
    )
