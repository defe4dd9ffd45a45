"""`dsassist stats`: what became of the completions that were shown, in figures, in the terminal or as a page."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist.ledger.figures import Stats

__all__ = ["COMMAND"]

_DAY_S = 86_400
_NOTHING_YET = (
    "no completion has been counted yet; they are from the first that your editor shows: "
    "docs/language-server.md tells how to set it up"
)


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--days", type=_days, default=30, metavar="N", help="count the last N days (default: 30)")
    parser.add_argument("--language", metavar="L", help="count this language only, by its name: python, typescript")
    parser.add_argument("--model", metavar="M", help="count this model only")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts, which needs no other file")
    form.add_argument("--forget", action="store_true", help="erase all that was counted")
    parser.add_argument("--yes", action="store_true", help="with --forget: do not ask")


def _days(text: str) -> int:
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= 36_500:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not allowed; allowed is a whole number of days from 1")


def _run(args: argparse.Namespace) -> int:
    from dsassist.output import notice, write_line

    if args.forget:
        return _forget(sure=args.yes)
    stats = _read(args)
    title = _title(args)
    if args.json:
        import json

        write_line(json.dumps({"days_counted": args.days, **stats.as_dict()}, indent=2))
    elif not stats.total.shown and not stats.total.requests:
        notice(_nothing(args))
    elif args.html is not None:
        _write_page(args.html.expanduser(), stats, title)
    else:
        _print_view(stats, title)
    return 0


def _read(args: argparse.Namespace) -> Stats:
    import time

    from dsassist.ledger.database import LedgerDamaged, ledger_dir, opened
    from dsassist.ledger.figures import stats_of
    from dsassist.ledger.reading import Selection, offer_rows, request_sums
    from dsassist.output import warn

    selection = Selection(time.time() - args.days * _DAY_S, args.language, args.model)
    try:
        with opened(ledger_dir(), create=False) as connection:
            if connection is None:
                return stats_of([], [])
            return stats_of(offer_rows(connection, selection), request_sums(connection, selection))
    except LedgerDamaged as error:
        warn(str(error))
        return stats_of([], [])


def _title(args: argparse.Namespace) -> str:
    days = "the last 24 hours" if args.days == 1 else f"the last {args.days} days"
    return ", ".join(["Completions", days, *(name for name in (args.language, args.model) if name)])


def _nothing(args: argparse.Namespace) -> str:
    from dsassist.ledger.database import is_empty, ledger_dir

    if is_empty(ledger_dir()):
        return _NOTHING_YET
    asked = "".join(f" --{name} {value}" for name in ("language", "model") if (value := getattr(args, name)))
    return f"nothing was counted for --days {args.days}{asked}; ask for more: `dsassist stats --days 365`"


def _print_view(stats: Stats, title: str) -> None:
    import shutil

    from dsassist.ledger.charts import charts_for
    from dsassist.ledger.view import view
    from dsassist.output import write_line

    for line in view(stats, title, shutil.get_terminal_size().columns, charts_for()):
        write_line(line)


def _write_page(file: Path, stats: Stats, title: str) -> None:
    from dsassist.ledger.page import page
    from dsassist.output import notice
    from dsassist_runtime.errors import NotDone

    try:
        file.write_text(page(stats, title), encoding="utf-8")
    except OSError as error:
        raise NotDone(f"cannot write {file}: {(error.strerror or str(error)).lower()}") from error
    notice(f"the page is in {file}; open it in a browser")


def _forget(*, sure: bool) -> int:
    from dsassist.ledger.database import erase, ledger_dir
    from dsassist.output import notice
    from dsassist_runtime.errors import DsassistError

    if not sure:
        if sys.stdin is None or not sys.stdin.isatty():
            raise DsassistError("nothing is erased without being asked for; add --yes: `dsassist stats --forget --yes`")
        notice("erase all that was counted of completions, for good? [y/N]")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            notice("nothing was erased")
            return 1
    notice("all that was counted is erased" if erase(ledger_dir()) else "there was nothing to erase")
    return 0


COMMAND = Command(
    help="what became of the completions you were shown",
    description=(
        "Show how many completions were shown, accepted and kept, how fast they were and what they cost.\n"
        "All of it is counted on this machine, without your code, and leaves it never; --forget erases it."
    ),
    add_arguments=_add_arguments,
    run=_run,
)
