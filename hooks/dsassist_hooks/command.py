"""`dsassist hook`: install, uninstall, and what an installed hook calls."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist_hooks.install import Installed

__all__ = ["COMMAND"]

_STRICT_HELP = "stop a commit that could not be reviewed; without it, such a commit goes on with one line that says so"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    installing = actions.add_parser("install", help="review each commit in this repository")
    installing.add_argument("--strict", action="store_true", help=_STRICT_HELP)
    actions.add_parser("uninstall", help="take the hook out again and put back the one before it")
    # What is not the hook's own goes on to the review. With an option prefix that no argument has, argparse leaves them
    # all alone; its own REMAINDER does so only behind a first positional argument.
    committing = actions.add_parser(
        "pre-commit", help="review what is staged; git and pre-commit call this", prefix_chars="\0", add_help=False
    )
    committing.add_argument("arguments", nargs="*")


def _run(args: argparse.Namespace) -> int:
    if args.action == "install":
        return _install(strict=args.strict)
    if args.action == "uninstall":
        return _uninstall()
    return _pre_commit(args.arguments)


def _install(*, strict: bool) -> int:
    from dsassist import output
    from dsassist_hooks import install

    done = install.install(Path.cwd(), strict=strict)
    output.write_line(f"{done.path} reviews each commit now")
    for line in _remarks(done):
        output.notice(line)
    return 0


def _remarks(done: Installed) -> list[str]:
    remarks = []
    if done.kept is not None:
        remarks.append(f"the hook that was there before runs first, as {done.kept}")
    if done.is_shared:
        remarks.append(f"core.hooksPath names {done.path.parent}: every repository that uses it is reviewed now")
    return remarks


def _uninstall() -> int:
    from dsassist import output
    from dsassist_hooks import install

    done = install.uninstall(Path.cwd())
    output.write_line(f"{done.removed} is removed" if done.removed else "there was no dsassist hook here")
    if done.restored is not None:
        output.notice(f"the hook that was there before is back: {done.restored}")
    return 0


def _pre_commit(arguments: list[str]) -> int:
    from dsassist.dispatch import Parser, UsageError
    from dsassist_hooks.pre_commit import not_reviewed, review_commit
    from dsassist_hooks.script import FOR_SCRIPT, script_code

    # By hand, as it must hold whatever is wrong with the rest.
    is_for_script = FOR_SCRIPT in arguments
    arguments = [argument for argument in arguments if argument != FOR_SCRIPT]
    parser = Parser(
        prog="dsassist hook pre-commit",
        usage="dsassist hook pre-commit [--strict] [REVIEW OPTION ...]",
        description="Review what is staged, as a hook. Other options go on to `dsassist review`: --fail-level warning.",
        allow_abbrev=False,
    )
    parser.add_argument("--strict", action="store_true", help=_STRICT_HELP)
    try:
        own, others = parser.parse_known_args(arguments)
    except UsageError as error:
        code = not_reviewed(str(error), error.exit_code, strict="--strict" in arguments)
    else:
        code = review_commit(others, strict=own.strict)
    return script_code(code) if is_for_script else code


COMMAND = Command(
    help="install the review as a git hook, or remove it",
    add_arguments=_add_arguments,
    run=_run,
    description="Review each commit by a git hook. It changes no file of yours, and what it cannot review goes on.",
)
