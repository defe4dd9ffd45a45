"""`dsassist train`: a corpus becomes a model, and a model a GGUF file. PyTorch is imported by what runs, not here."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from dsassist.command import Command
from dsassist_train import carve_command, distil_command, export_command, finetune_command, fit_command
from dsassist_train.corpus import command as corpus_command
from dsassist_train.evaluation import command as eval_command

__all__ = ["COMMAND"]


class _Action(NamedTuple):
    help: str
    description: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]


_ACTIONS = {
    name: _Action(module.HELP, module.DESCRIPTION, module.add_arguments, module.run)
    for name, module in (
        ("corpus", corpus_command),
        ("fit", fit_command),
        ("finetune", finetune_command),
        ("distil", distil_command),
        ("export", export_command),
        ("carve", carve_command),
        ("eval", eval_command),
    )
}


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, action in _ACTIONS.items():
        action.add_arguments(
            actions.add_parser(
                name,
                help=action.help,
                description=action.description,
                formatter_class=argparse.RawDescriptionHelpFormatter,
                allow_abbrev=False,
            )
        )


def _run(args: argparse.Namespace) -> int:
    return _ACTIONS[args.action].run(args)


COMMAND = Command(
    help="train a small mixture of experts of your own, and export it",
    add_arguments=_add_arguments,
    run=_run,
    description="Make a corpus, train a DeepSeek-V2 mixture of experts on it, and export it as a GGUF file.",
)
