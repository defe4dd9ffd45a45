"""`dsassist explain-completion`: what the last completion in the editor was made of."""

from __future__ import annotations

import argparse
import json

from dsassist.command import Command

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def _run(args: argparse.Namespace) -> int:
    from dsassist.completion.explanation import RECORD, explanation_lines
    from dsassist.output import on_terminal, write_line
    from dsassist.records import read_record
    from dsassist_runtime.errors import DsassistError

    record = read_record(RECORD)
    if not record:
        raise DsassistError("no completion is on record yet; ask for one in an editor first")
    if args.json:
        write_line(json.dumps(record, ensure_ascii=False))
        return 0
    for line in explanation_lines(record):
        write_line(on_terminal(line))
    return 0


COMMAND = Command(
    help="show the prompt of the last completion in the editor, and what became of it",
    description="Show the last completion in the editor: the parts of its prompt and where they came from, what the "
    "model wrote, and what was shown of it or why nothing was.",
    add_arguments=_add_arguments,
    run=_run,
)
