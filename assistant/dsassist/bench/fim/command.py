"""The command line of `dsassist bench fim`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.bench.arguments import day, folders, whole_number
from dsassist.options import CompletionConfig

if TYPE_CHECKING:
    from dsassist.bench.report import Report

__all__ = ["add_arguments", "run"]

_SINCE = "2025-01-01"
_MOST_HOLES = 10_000
_MOST_PROMPT_TOKENS = 32_768


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, but `--json`."""
    parser.add_argument(
        "--repo",
        action="append",
        type=Path,
        required=True,
        metavar="DIR",
        help="a git repository whose commits holes are cut from, best one younger than the model; may be repeated",
    )
    parser.add_argument(
        "--since",
        type=day,
        default=_SINCE,
        metavar="DATE",
        help=f"only commits of this day or later, YYYY-MM-DD (default: {_SINCE}, after the models were trained)",
    )
    parser.add_argument(
        "--holes", type=whole_number(_MOST_HOLES), default=200, metavar="N", help="holes to fill (default: 200)"
    )
    parser.add_argument("--model", default="builtin", metavar="MODEL", help="a model's name or path (builtin)")
    parser.add_argument("--peer", type=Path, metavar="PROGRAM", help="llama-server, to be asked as llama.vim asks it")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the choice of holes (default: 1)")
    parser.add_argument(
        "--ablation",
        action="store_true",
        help="also weigh the true lines by prompts with each source of context alone, and by shorter and longer ones",
    )
    parser.add_argument(
        "--prompt-tokens",
        type=whole_number(_MOST_PROMPT_TOKENS),
        default=CompletionConfig().max_prompt_tokens,
        metavar="N",
        help="of our prompt at most (default: %(default)s, as completion.max_prompt_tokens)",
    )
    parser.add_argument("--details", type=Path, metavar="FILE", help="write each hole and its answers, a JSON a line")


def run(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    """Measure as the arguments say."""
    from dsassist.bench.fim.run import FimBench, run_fim_bench
    from dsassist.bench.report import machine

    before = machine()
    bench = FimBench(
        repositories=folders("--repo", args.repo),
        model=args.model,
        peer=args.peer.expanduser().absolute() if args.peer else None,
        since=args.since,
        n_holes=args.holes,
        seed=args.seed,
        ablation=args.ablation,
        options=CompletionConfig(max_prompt_tokens=args.prompt_tokens),
        details=args.details,
    )
    return run_fim_bench(bench, before, progress)
