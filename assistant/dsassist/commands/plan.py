"""`dsassist plan`: how a model would be held by VRAM, RAM and disk, and how fast it would be."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from dsassist.bench.arguments import whole_number
from dsassist.command import Command

__all__ = ["COMMAND"]

_SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?) ?(?P<unit>[KMGT])(?P<binary>i)?B?", re.IGNORECASE | re.ASCII)
_POWERS = {"K": 1, "M": 2, "G": 3, "T": 4}
_MOST_TOKENS = 1 << 24


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="builtin, a name of the catalogue, or a GGUF file")
    parser.add_argument(
        "--ram",
        type=_size,
        metavar="SIZE",
        help="memory that the model may take, such as 6G (default: what is free, less 1.5 GB)",
    )
    parser.add_argument(
        "--vram",
        type=_size,
        metavar="SIZE",
        help="memory of GPUs that it may take, such as 8G (default: what is free, less 1 GiB each)",
    )
    parser.add_argument(
        "--ctx",
        type=whole_number(_MOST_TOKENS),
        metavar="N",
        help="context length in tokens (default: engine.n_ctx, or what the engine would take)",
    )
    parser.add_argument("--measure", action="store_true", help="measure memory and disk again, and keep that")
    parser.add_argument("--json", action="store_true", help="print the plan as one JSON object")


def _size(text: str) -> int:
    """Bytes. `6G` is 6e9 and `6GiB` more: the smaller meaning never takes more than was allowed."""
    if text == "0":
        return 0
    found = _SIZE.fullmatch(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size; write a number with a unit, such as 6G, 512M or 6GiB")
    base = 1024 if found["binary"] else 1000
    return int(float(found["number"]) * base ** _POWERS[found["unit"].upper()])


def _run(args: argparse.Namespace) -> int:
    import json

    from dsassist import config, output
    from dsassist.plan_report import PlanReport
    from dsassist_runtime.models import store
    from dsassist_runtime.planning.contents import read_contents
    from dsassist_runtime.planning.engine_use import automatic_ctx
    from dsassist_runtime.planning.machine import look_at_machine
    from dsassist_runtime.planning.plan import Limits, Speeds, make_plan

    resolved = store.resolve(args.model)
    contents = read_contents(resolved.path)
    for warning in contents.warnings:  # said before the plan may be refused because of it
        output.notice(warning)
    machine = look_at_machine(resolved.path, measure_again=args.measure)
    n_ctx = args.ctx or config.load(Path.cwd()).config.engine.n_ctx or automatic_ctx(contents.n_ctx_train)
    limits = Limits(
        machine.ram_for_model_bytes if args.ram is None else args.ram,
        machine.vram_for_model_bytes if args.vram is None else args.vram,
        n_ctx,
    )
    plan = make_plan(contents, limits, Speeds(machine.memory.bytes_s, machine.disk.best_bytes_s))
    report = PlanReport(resolved.name, contents, machine, plan)
    if args.json:
        output.write_line(json.dumps(report.as_json(), indent=2))
    else:
        output.write_line(report.as_text(color=output.style("x", "bold") != "x"))
    for note in report.notes():
        output.notice(note)
    return 0


COMMAND = Command(
    help="how a model would be held by VRAM, RAM and disk, and how fast",
    add_arguments=_add_arguments,
    run=_run,
    description=(
        "Say what of a model would go to VRAM, to RAM and stay on disk, and how many\n"
        "tokens/s to expect at most. Memory and disk are measured for 2 seconds the first\n"
        "time. The server does not apply the plan yet. docs/plan.md tells how each number\n"
        "comes about."
    ),
)
