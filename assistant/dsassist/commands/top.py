"""`dsassist top`: a live view of the running server: requests, queue, speed, cache, memory."""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.status_report import ServerReport

__all__ = ["COMMAND"]

_INTERVAL_S = 1.0
_NO_SERVER = "no server runs; it starts with the first request"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--once", action="store_true", help="print one view and end, as it does without a terminal")
    parser.add_argument("--json", action="store_true", help="print a JSON object a second; with --once a single one")


def _run(args: argparse.Namespace) -> int:
    from dsassist.screen import is_live_terminal

    if args.json:
        return _print_objects(once=args.once)
    if args.once or not is_live_terminal():
        return _print_view()
    return _live()


def _print_objects(*, once: bool) -> int:
    from dsassist.output import write
    from dsassist_runtime.client import server_status

    while True:
        found = server_status()
        write(json.dumps(found) + "\n")
        if once:
            return 0 if found else 3
        time.sleep(_INTERVAL_S)


def _print_view() -> int:
    import shutil

    from dsassist.output import notice, write_line
    from dsassist.status_report import read_report
    from dsassist.top_view import view

    report = read_report()
    if report is None:
        notice(_NO_SERVER)
        return 3
    for line in view(report, shutil.get_terminal_size().columns):
        write_line(line)
    return 0


def _live() -> int:
    from dsassist.screen import Screen

    screen = Screen()
    try:
        with screen.taken():
            while True:
                found = _report_or_reason()
                until = time.monotonic() + _INTERVAL_S
                while (left_s := until - time.monotonic()) > 0:  # more than once if the window changes its size
                    screen.draw(_page(found, *screen.size))
                    if "q" in screen.wait(left_s).lower():
                        return 0
    except KeyboardInterrupt:
        return 0


def _report_or_reason() -> ServerReport | str:
    """What there is to show; the server may come and go under the view, which goes on."""
    from dsassist.status_report import read_report
    from dsassist_runtime.errors import DsassistError

    try:
        return read_report() or _NO_SERVER
    except DsassistError as error:
        return str(error)


def _page(found: ServerReport | str, width: int, height: int) -> list[str]:
    from dsassist.top_view import view

    foot = f"{time.strftime('%H:%M:%S')}   q ends it".rjust(width)[:width]
    lines = _wrapped(found, width) if isinstance(found, str) else view(found, width, height - 1)
    return [*lines[: height - 1], foot]


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap

    from dsassist.output import visible

    return textwrap.wrap(visible(text), max(1, width))


COMMAND = Command(
    help="watch what the model server is doing",
    description=(
        "Show the running server's requests, queue, speed, cache and memory, once a second. q or Ctrl-C ends it.\n"
        "Without a terminal, and with --once, one view is printed."
    ),
    add_arguments=_add_arguments,
    run=_run,
)
