"""The arguments of `dsassist bench offload`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.bench.arguments import whole_number
from dsassist.bench.offload.names import CASES, CaseName

if TYPE_CHECKING:
    from dsassist.bench.report import Report

__all__ = ["add_arguments", "run"]

_MOST = 1000
_MOST_LANES = 64
_TEXT_ALONE: tuple[CaseName, ...] = ("c",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them, all but `--json`, which every bench has."""
    parser.add_argument(
        "--folder",
        type=Path,
        metavar="DIR",
        help="where the models of a (9.2 GB) and b (11.4 GB) are, or are written the first time; without it c alone",
    )
    parser.add_argument(
        "--only",
        action="append",
        choices=CASES,
        help="may be repeated; a: DeepSeek-V2-Lite's shapes, experts by lot; b: recorded choices of 128 experts;"
        " c: the text of a real model",
    )
    parser.add_argument("--model", default="builtin", metavar="MODEL", help="of c, a model's name or path (builtin)")
    parser.add_argument(
        "--routing",
        type=Path,
        metavar="FILE",
        help="of b: a CSV of step, layer and expert (default: the one carried)",
    )
    parser.add_argument("--repeats", type=whole_number(_MOST), metavar="N", help="rounds (default: 3)")
    parser.add_argument("--tokens", type=whole_number(_MOST), metavar="N", help="that are timed a run (default: 96)")
    parser.add_argument(
        "--limit", type=whole_number(_MOST), metavar="SECONDS", help="of the timed part of a run (default: 20)"
    )
    parser.add_argument("--lanes", type=whole_number(_MOST_LANES), metavar="N", help="reads at once (default: 4)")
    parser.add_argument("--quick", action="store_true", help="tiny models: to try the bench, not to judge by")


def run(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    """Measure."""
    from dsassist.bench.interruptible import sigterm_as_ctrl_c
    from dsassist.bench.offload.cases import Models, Sizes
    from dsassist.bench.offload.routing import read_recording
    from dsassist.bench.offload.run import OffloadBench, run_offload_bench
    from dsassist.bench.report import machine
    from dsassist_runtime.errors import DsassistError
    from dsassist_runtime.models.store import resolve

    before = machine()
    names: tuple[CaseName, ...] = tuple(name for name in CASES if name in (args.only or CASES))
    if args.folder is None:
        if args.only and names != _TEXT_ALONE:
            raise DsassistError("a and b need 9.2 and 11.4 GB on the disk; name a folder for them: --folder DIR")
        names = _TEXT_ALONE
    given = {"repeats": args.repeats, "tokens": args.tokens, "limit_s": args.limit, "lanes": args.lanes}
    sizes = Sizes(small=True, tokens=16, repeats=1, warm_up=4) if args.quick else Sizes()
    if args.routing is not None:
        read_recording(args.routing)  # says what is wrong with it before anything is measured
    bench = OffloadBench(
        cases=names,
        sizes=replace(sizes, **{name: value for name, value in given.items() if value}),
        models=Models(
            folder=args.folder.expanduser().absolute() if args.folder else Path.cwd(),
            text=resolve(args.model).path,
            recording=args.routing.expanduser().absolute() if args.routing else None,
        ),
    )
    with sigterm_as_ctrl_c():
        return run_offload_bench(bench, before, progress)
