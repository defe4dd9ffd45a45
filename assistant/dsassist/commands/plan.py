"""`dsassist plan`: how a model would be held by VRAM, RAM and disk, and how fast it would be."""

from __future__ import annotations

import argparse
from pathlib import Path

from dsassist.bench.arguments import whole_number
from dsassist.command import Command
from dsassist.sizes import bytes_of

__all__ = ["COMMAND"]

_MOST_TOKENS = 1 << 24


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="builtin, a name of the catalogue, or a GGUF file")
    parser.add_argument(
        "--ram",
        type=_size,
        metavar="SIZE",
        help="memory that the model may take, such as 6G (default: engine.ram, or what is free, less 1.5 GB or a half)",
    )
    parser.add_argument(
        "--vram",
        type=_size,
        metavar="SIZE",
        help="memory of GPUs that it may take, such as 8G (default: engine.vram, or what is free, less 1 GiB each)",
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
    try:
        return bytes_of(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _run(args: argparse.Namespace) -> int:
    import json

    from dsassist import config, output
    from dsassist.plan_report import PlanReport
    from dsassist.sizes import limit_bytes
    from dsassist_runtime.models import store
    from dsassist_runtime.planning.contents import read_contents
    from dsassist_runtime.planning.machine import Wanted, limits_for, look_at_machine
    from dsassist_runtime.planning.plan import make_plan

    resolved = store.resolve(args.model)
    contents = read_contents(resolved.path)
    for warning in contents.warnings:  # said before the plan may be refused because of it
        output.notice(warning)
    machine = look_at_machine(contents, measure_again=args.measure)
    engine = config.load(Path.cwd()).config.engine
    wanted = Wanted(
        limit_bytes(engine.ram) if args.ram is None else args.ram,
        limit_bytes(engine.vram) if args.vram is None else args.vram,
        args.ctx or engine.n_ctx,
    )
    limits = limits_for(contents, wanted, machine.free_ram, machine.devices)
    plan = make_plan(contents, limits, machine.speeds)
    report = PlanReport(resolved.name, contents, machine, plan)
    if args.json:
        output.write_line(json.dumps(report.as_json(), indent=2))
    else:
        output.write_line(report.as_text(color=output.style("x", "bold") != "x"))
    for note in report.notes():
        output.notice(note)
    if engine.plan == "off" or engine.n_gpu_layers:
        option = 'engine.plan is "off"' if engine.plan == "off" else "engine.n_gpu_layers is set"
        output.notice(f"the server makes no plan: {option}")
    return 0


COMMAND = Command(
    help="how a model would be held by VRAM, RAM and disk, and how fast",
    add_arguments=_add_arguments,
    run=_run,
    description=(
        "Say what of a model goes to VRAM, to RAM and stays on disk, and how many tokens/s\n"
        "to expect at most. The server applies the same plan by itself when it loads the\n"
        "model (`dsassist serve --plan off`: plain llama.cpp). Memory, disk and computing\n"
        "are measured for some seconds the first time. docs/plan.md tells how each number\n"
        "comes about."
    ),
)
