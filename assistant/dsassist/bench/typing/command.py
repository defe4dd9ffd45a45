"""The arguments of `dsassist bench typing`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.bench.arguments import whole_number

if TYPE_CHECKING:
    from dsassist.bench.report import Report

__all__ = ["add_arguments", "run"]

_MOST = 100
_MODEL = "qwen2.5-coder-0.5b"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add them, all but `--json`, which every bench has."""
    parser.add_argument(
        "--repo",
        action="append",
        type=Path,
        default=[],
        metavar="DIR",
        help="a git repository whose history is typed again; may be repeated (default: that of the current folder)",
    )
    parser.add_argument("--peer", type=Path, metavar="PROGRAM", help="llama-server, for what llama.vim does with it")
    parser.add_argument("--model", default=_MODEL, metavar="MODEL", help=f"a model's name or path (default: {_MODEL})")
    parser.add_argument(
        "--traces", type=whole_number(_MOST), metavar="N", help="changes that are typed a round (default: 4)"
    )
    parser.add_argument("--repeats", type=whole_number(_MOST), metavar="N", help="rounds of each arm (default: 3)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the choice and the typing (default: 1)")
    parser.add_argument(
        "--details", type=Path, metavar="FILE", help="write the traces and all that happened, as JSON lines"
    )
    parser.add_argument("--quick", action="store_true", help="type little: to try the bench, not to judge by")


def run(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    """Measure."""
    from dsassist.bench.report import machine
    from dsassist.bench.typing.run import QUICK, Sizes, TypingBench, run_typing_bench
    from dsassist_runtime.models.store import resolve

    before = machine()
    given = {"traces": args.traces, "repeats": args.repeats}
    sizes = replace(QUICK if args.quick else Sizes(), **{name: value for name, value in given.items() if value})
    bench = TypingBench(
        model=resolve(args.model).path,
        repositories=tuple(repository.expanduser() for repository in args.repo) or (Path.cwd(),),
        peer=args.peer.expanduser() if args.peer else None,
        sizes=sizes,
        seed=args.seed,
        details=args.details,
    )
    return run_typing_bench(bench, before, progress)
