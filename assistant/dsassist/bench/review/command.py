"""The command line of `dsassist bench review`: injected bugs, what people fixed (`--fixes`), or unfinished changes
(`--held-back`)."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.bench.arguments import day, folders, whole_number
from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from dsassist.bench.report import Report
    from dsassist.bench.review.fix_sources import SourceName

__all__ = ["add_arguments", "run"]

_SINCE = "2025-01-01"
_MOST = 100_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options, but `--json`."""
    _add_what_is_measured(parser)
    parser.add_argument(
        "--fit",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="with --repo: a repository that thresholds are fitted on instead of the other ones of --repo",
    )
    parser.add_argument(
        "--since",
        type=day,
        default=_SINCE,
        metavar="DATE",
        help=f"only code of this day or later, YYYY-MM-DD (default: {_SINCE}, after the models were trained)",
    )
    parser.add_argument(
        "--functions", type=whole_number(_MOST), default=300, metavar="N", help="with --repo (default: 300)"
    )
    parser.add_argument(
        "--most",
        type=whole_number(_MOST),
        metavar="N",
        help="with --fixes: look at so many of them; with --held-back: at so many commits of each repository",
    )
    parser.add_argument(
        "--sources",
        type=_sources,
        metavar="NAME,NAME",
        help="with --fixes: the sources of findings, of enumerated, further, unfinished and written (default: all; "
        "written is the slow one)",
    )
    parser.add_argument("--model", default="builtin", metavar="MODEL", help="a model's name or path (builtin)")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of what is drawn (default: 1)")
    parser.add_argument(
        "--no-baselines",
        dest="baselines",
        action="store_false",
        help="with --repo: leave out what the reviewer is compared with, which is half of the time",
    )
    parser.add_argument(
        "--whole-only",
        dest="line_alone",
        action="store_false",
        help="with --repo: leave out the functions of which only the bug's line changed, which no bar is for",
    )
    parser.add_argument(
        "--further",
        action="store_true",
        help="with --repo: put in bugs of the families that a review does not tell of yet, and ask about those",
    )
    parser.add_argument(
        "--answers",
        type=Path,
        metavar="FILE",
        help="with --repo, --fixes: keep the model's answers in FILE; the same command goes on where it was stopped",
    )
    parser.add_argument("--details", type=Path, metavar="FILE", help="write each case, a JSON object a line")


def _add_what_is_measured(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--repo",
        action="append",
        type=Path,
        metavar="DIR",
        help="a git repository into whose functions bugs are put, best one younger than the model; may be repeated",
    )
    what.add_argument(
        "--fixes",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="git repositories whose one-line fixes are reviewed as they were before and after",
    )
    what.add_argument(
        "--held-back",
        nargs="+",
        type=Path,
        metavar="DIR",
        help="git repositories whose commits are reviewed whole, and with one of several changed places put back",
    )


def _sources(text: str) -> tuple[SourceName, ...]:
    """An argument's type: sources of findings by their names."""
    from dsassist.bench.review.fix_sources import TITLES

    given = [name.strip() for name in text.split(",")]
    if unknown := [name for name in given if name not in TITLES]:
        raise argparse.ArgumentTypeError(f"{unknown[0]!r} is not allowed; allowed are {', '.join(TITLES)}")
    return tuple(name for name in TITLES if name in given)


def run(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    """Measure as the arguments say."""
    if args.held_back:
        return _run_held_back(args, progress)
    return _run_fixes(args, progress) if args.fixes else _run_injected(args, progress)


def _run_injected(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.report import machine
    from dsassist.bench.review.injected import InjectedBench, run_injected_bench

    before = machine()
    repositories, fit = folders("--repo", args.repo), folders("--fit", args.fit)
    if both := set(repositories) & set(fit):
        raise DsassistError(f"{min(both)} stands behind --repo and --fit; thresholds need repositories of their own")
    bench = InjectedBench(
        repositories,
        fit,
        args.model,
        args.since,
        args.functions,
        args.seed,
        args.baselines,
        args.details,
        args.further,
        args.line_alone,
        args.answers,
    )
    return run_injected_bench(bench, before, progress)


def _run_fixes(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.report import machine
    from dsassist.bench.review.fix_sources import TITLES
    from dsassist.bench.review.fixes import FixesBench, run_fixes_bench

    before = machine()
    repositories, sources = folders("--fixes", args.fixes), args.sources or tuple(TITLES)
    bench = FixesBench(repositories, args.model, args.since, args.most, args.seed, args.details, sources, args.answers)
    return run_fixes_bench(bench, before, progress)


def _run_held_back(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    if args.answers is not None:
        raise DsassistError("--held-back asks no model, so there are no --answers to keep; leave them out")
    from dsassist.bench.report import machine
    from dsassist.bench.review.held_back import HeldBackBench, run_held_back_bench

    before = machine()
    bench = HeldBackBench(folders("--held-back", args.held_back), args.since, args.most, args.seed, args.details)
    return run_held_back_bench(bench, before, progress)
