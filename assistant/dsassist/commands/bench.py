"""`dsassist bench NAME`: measurements that a user can repeat, to choose a model and settings by."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.bench.arguments import whole_number
from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.bench.report import Report

__all__ = ["COMMAND"]

_DESCRIPTION = "Measure, print the figures with their bars, and exit with 1 when a bar is missed."

_MOST = 1000
_MOST_FILES = 250_000
_QUIET_SHARE = 0.5  # of the cores, by the load average of the last minute


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    benches = parser.add_subparsers(dest="bench", metavar="NAME", required=True)
    startup = benches.add_parser(
        "startup", help="how long the first sign of each part takes", description=_DESCRIPTION, allow_abbrev=False
    )
    engine = benches.add_parser(
        "engine", help="the server's speed, beside llama-server", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_engine_arguments(engine)
    gap = benches.add_parser(
        "gap", help="what a suffix costs that is not evaluated again", description=_DESCRIPTION, allow_abbrev=False
    )
    speculation = benches.add_parser(
        "speculation", help="what guesses at the next tokens bring", description=_DESCRIPTION, allow_abbrev=False
    )
    for bench, what, count in ((gap, "lines", 100), (speculation, "texts of each kind", 20)):
        bench.add_argument("--model", default="builtin", metavar="MODEL", help="a model's name or path (builtin)")
        bench.add_argument(
            "--count", type=whole_number(_MOST), default=count, metavar="N", help=f"{what} (default: {count})"
        )
    speculation.add_argument("--draft-model", metavar="MODEL", help="a smaller model of the same vocabulary")
    typing = benches.add_parser(
        "typing", help="what a person who types waits for", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_typing_arguments(typing)
    fim = benches.add_parser(
        "fim", help="how often completions are right, on a repository", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_fim_arguments(fim)
    review = benches.add_parser(
        "review", help="what the review finds, and finds wrongly", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_review_arguments(review)
    hook = benches.add_parser(
        "hook", help="how long a large commit waits for its review", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_hook_arguments(hook)
    index = benches.add_parser(
        "index", help="what the index of a large workspace costs", description=_DESCRIPTION, allow_abbrev=False
    )
    index.add_argument(
        "--files", type=whole_number(_MOST_FILES), default=100_000, metavar="N", help="files (default: 100000)"
    )
    offload = benches.add_parser(
        "offload", help="experts that wait on disk, beside a mapped file", description=_DESCRIPTION, allow_abbrev=False
    )
    _add_offload_arguments(offload)
    for bench in (startup, engine, gap, speculation, typing, fim, review, hook, index, offload):
        bench.add_argument("--json", action="store_true", help="print one JSON object")


def _add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.bench.engine.run import GROUPS, MODELS

    parser.add_argument("--peer", type=Path, metavar="PROGRAM", help="llama-server, to be measured in the same run")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="MODEL",
        help=f"a model's name or path; may be repeated (default: those of {', '.join(MODELS)} that are on this disk)",
    )
    groups = "; ".join(f"{name}: {group.title}" for name, group in GROUPS.items())
    parser.add_argument("--only", action="append", choices=tuple(GROUPS), help=f"may be repeated; {groups}")
    parser.add_argument(
        "--repeats", type=whole_number(_MOST), default=3, metavar="N", help="rounds of each figure (default: 3)"
    )
    parser.add_argument("--quick", action="store_true", help="ask for little: to try the bench, not to judge by")


def _add_typing_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.bench.typing.command import add_arguments

    add_arguments(parser)


def _add_fim_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.bench.fim.command import add_arguments

    add_arguments(parser)


def _add_review_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.bench.review.command import add_arguments

    add_arguments(parser)


def _add_offload_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.bench.offload.command import add_arguments

    add_arguments(parser)


def _add_hook_arguments(parser: argparse.ArgumentParser) -> None:
    from dsassist.options import Config

    deadline_s = Config().review.deadline_s
    parser.add_argument("--model", default="builtin", metavar="MODEL", help="a model's name or path (builtin)")
    parser.add_argument(
        "--repeats", type=whole_number(_MOST), default=20, metavar="N", help="runs of each kind (default: 20)"
    )
    parser.add_argument(
        "--deadline",
        type=whole_number(_MOST),
        default=deadline_s,
        metavar="SECONDS",
        help=f"of the review (default: a commit's own, {deadline_s:g})",
    )


def _run(args: argparse.Namespace) -> int:
    from dsassist.output import notice, write_line

    report = _BENCHES[args.bench](args, lambda name: notice(f"measuring: {name}"))
    write_line(report.as_json() if args.json else report.as_table())
    return 0 if report.ok else 1


def _startup(_args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.startup import startup

    return startup(progress)


def _engine(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.engine.run import GROUPS, EngineBench, run_engine_bench
    from dsassist.bench.report import machine
    from dsassist.output import warn

    before = machine()
    if before["load"][0] > _QUIET_SHARE * before["cores"]:
        warn(f"other programs are at work (load {before['load'][0]}); the figures of a busy machine say little")
    peer = args.peer.expanduser().absolute() if args.peer else None
    groups = tuple(name for name in GROUPS if not args.only or name in args.only)
    return run_engine_bench(EngineBench(peer, tuple(args.model), groups, args.repeats, args.quick), before, progress)


def _gap(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.gap import gap
    from dsassist_runtime.models.store import resolve

    return gap(resolve(args.model).path, args.count, progress)


def _speculation(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.speculation import speculation
    from dsassist_runtime.models.store import resolve

    draft = resolve(args.draft_model).path if args.draft_model else None
    return speculation(resolve(args.model).path, draft, args.count, progress)


def _typing(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.typing.command import run

    return run(args, progress)


def _fim(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.fim.command import run

    return run(args, progress)


def _review(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.review.command import run

    return run(args, progress)


def _hook(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.hook import HookBench, run_hook_bench
    from dsassist_runtime.models.store import resolve

    return run_hook_bench(HookBench(resolve(args.model), args.repeats, float(args.deadline)), progress)


def _index(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.index import index_bench

    return index_bench(args.files, progress)


def _offload(args: argparse.Namespace, progress: Callable[[str], None]) -> Report:
    from dsassist.bench.offload.command import run

    return run(args, progress)


_BENCHES: dict[str, Callable[[argparse.Namespace, Callable[[str], None]], Report]] = {
    "startup": _startup,
    "engine": _engine,
    "gap": _gap,
    "speculation": _speculation,
    "typing": _typing,
    "fim": _fim,
    "review": _review,
    "hook": _hook,
    "index": _index,
    "offload": _offload,
}

COMMAND = Command(
    help="measure speed on this machine",
    description=_DESCRIPTION,
    add_arguments=_add_arguments,
    run=_run,
)
