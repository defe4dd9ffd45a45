"""`dsassist bench NAME`: measurements that a user can repeat, to choose a model and settings by."""

from __future__ import annotations

import argparse

from dsassist.command import Command

__all__ = ["COMMAND"]

_BENCHES = {"startup": "how long the first sign of each part takes"}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    listing = "; ".join(f"{name}: {what}" for name, what in _BENCHES.items())
    parser.add_argument("name", choices=tuple(_BENCHES), help=listing)
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(args: argparse.Namespace) -> int:
    from dsassist.bench.startup import startup
    from dsassist.output import notice, write_line

    benches = {"startup": startup}
    report = benches[args.name](lambda name: notice(f"measuring: {name}"))
    write_line(report.as_json() if args.json else report.as_table())
    return 0 if report.ok else 1


COMMAND = Command(
    help="measure speed on this machine",
    description="Measure, print the figures with their bars, and exit with 1 when a bar is missed.",
    add_arguments=_add_arguments,
    run=_run,
)
