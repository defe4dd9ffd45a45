"""`dsassist hook`: install, uninstall, and what the installed hooks call."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist_hooks.install import Installed
    from dsassist_hooks.stages import Stage

__all__ = ["COMMAND"]

_STRICT_HELP = "stop a {what} that could not be reviewed; without it, such a {what} goes on with one line that says so"


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    installing = actions.add_parser("install", help="review each commit in this repository")
    installing.add_argument("--strict", action="store_true", help=_STRICT_HELP.format(what="commit or push"))
    installing.add_argument("--pre-push", action="store_true", help="also review what is pushed, with more time")
    installing.add_argument(
        "--draft-message", action="store_true", help="also draft commit messages, with an instruct model"
    )
    actions.add_parser("uninstall", help="take the hooks out again and put back those before them")
    _add_hook(actions, "pre-commit", "review what is staged; git and pre-commit call this")
    _add_hook(actions, "pre-push", "review what is pushed; git and pre-commit call this")
    _add_hook(actions, "prepare-commit-msg", "draft a commit's message; git and pre-commit call this")


def _add_hook(actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, text: str) -> None:
    """A hook's arguments are looked at later, for what is wrong with them must not stop git.

    With an option prefix that no argument has, argparse leaves them all alone; its own REMAINDER does so only behind a
    first positional argument.
    """
    parser = actions.add_parser(name, help=text, prefix_chars="\0", add_help=False)
    parser.add_argument("arguments", nargs="*")


def _run(args: argparse.Namespace) -> int:
    if args.action == "install":
        return _install(args)
    if args.action == "uninstall":
        return _uninstall()
    from dsassist_hooks.script import FOR_SCRIPT, script_code

    # By hand, as it must hold whatever is wrong with the rest.
    arguments = [argument for argument in args.arguments if argument != FOR_SCRIPT]
    hook = {"pre-commit": _pre_commit, "pre-push": _pre_push, "prepare-commit-msg": _prepare_commit_msg}[args.action]
    code = hook(arguments)
    return script_code(code) if FOR_SCRIPT in args.arguments else code


def _install(args: argparse.Namespace) -> int:
    from dsassist import output
    from dsassist_hooks import install
    from dsassist_hooks.stages import PRE_COMMIT, PRE_PUSH, PREPARE_COMMIT_MSG

    stages = [PRE_COMMIT]
    stages += [PRE_PUSH] if args.pre_push else []
    stages += [PREPARE_COMMIT_MSG] if args.draft_message else []
    for stage in stages:
        done = install.install(Path.cwd(), stage, strict=args.strict)
        output.write_line(f"{done.path} {stage.done}")
        for line in _remarks(done, stage):
            output.notice(line)
    return 0


def _remarks(done: Installed, stage: Stage) -> list[str]:
    remarks = []
    if done.kept is not None:
        remarks.append(f"the hook that was there before runs first, as {done.kept}")
    if done.is_shared:
        where = f"core.hooksPath names {done.path.parent}"
        remarks.append(f"{where}: in every repository that uses it, it {stage.done}")
    return remarks


def _uninstall() -> int:
    from dsassist import output
    from dsassist_hooks import install

    done = install.uninstall(Path.cwd())
    for each in done:
        if each.removed is not None:
            output.write_line(f"{each.removed} is removed")
        if each.restored is not None:
            output.notice(f"the hook that was there before is back: {each.restored}")
    if not any(each.removed for each in done):
        output.write_line("there was no dsassist hook here")
    return 0


def _pre_commit(arguments: Sequence[str]) -> int:
    from dsassist_hooks.pre_commit import review_commit
    from dsassist_hooks.stages import PRE_COMMIT

    parsed = _strict_and_others(arguments, PRE_COMMIT, "")
    return parsed if isinstance(parsed, int) else review_commit(parsed[1], strict=parsed[0])


def _pre_push(arguments: Sequence[str]) -> int:
    from dsassist_hooks.pre_push import review_push
    from dsassist_hooks.stages import PRE_PUSH

    # Git's own arguments stand first: the remote's name, and its address.
    n_given = next((at for at, argument in enumerate(arguments) if argument.startswith("-")), len(arguments))
    parsed = _strict_and_others(arguments[n_given:], PRE_PUSH, "[REMOTE URL] ")
    if isinstance(parsed, int):
        return parsed
    remote = arguments[0] if n_given else os.environ.get("PRE_COMMIT_REMOTE_NAME", "")
    return review_push(remote, parsed[1], strict=parsed[0])


def _prepare_commit_msg(arguments: Sequence[str]) -> int:
    from dsassist.dispatch import Parser, UsageError
    from dsassist_hooks.prepare_message import no_draft, prepare_message

    parser = Parser(
        prog="dsassist hook prepare-commit-msg",
        description="Draft a commit's message into git's FILE, where it is empty and an instruct model is configured.",
        allow_abbrev=False,
    )
    parser.add_argument("file", type=Path, metavar="FILE")
    # pre-commit tells it by a variable.
    told = os.environ.get("PRE_COMMIT_COMMIT_MSG_SOURCE", "")
    parser.add_argument("source", nargs="?", default=told, metavar="SOURCE", help="what git took the message from")
    parser.add_argument("commit", nargs="?", metavar="SHA", help="the commit that git took it from")
    parser.add_argument("--draft-message", action="store_true", help="draft, whatever hook.draft_message is")
    parser.add_argument("-v", "--verbose", action="store_true", help="say why nothing is drafted, or what was")
    try:
        args = parser.parse_args(arguments)
    except UsageError as error:
        no_draft(str(error))
        return 0
    return prepare_message(args.file, args.source, switched_on=args.draft_message, verbose=args.verbose)


def _strict_and_others(arguments: Sequence[str], stage: Stage, usage: str) -> tuple[bool, list[str]] | int:
    """Whether the hook is strict, and what goes on to the review; the exit code where that cannot be understood."""
    from dsassist.dispatch import Parser, UsageError
    from dsassist_hooks.failing_open import not_reviewed

    name = f"dsassist hook {stage.name}"
    parser = Parser(
        prog=name,
        usage=f"{name} {usage}[--strict] [REVIEW OPTION ...]",
        description=f"Review before a {stage.what}. Other options go on to `dsassist review`: --fail-level warning.",
        allow_abbrev=False,
    )
    parser.add_argument("--strict", action="store_true", help=_STRICT_HELP.format(what=stage.what))
    try:
        own, others = parser.parse_known_args(arguments)
    except UsageError as error:
        return not_reviewed(str(error), error.exit_code, stage, strict="--strict" in arguments)
    return own.strict, others


COMMAND = Command(
    help="install the review as a git hook, or remove it",
    add_arguments=_add_arguments,
    run=_run,
    description="Review each commit by a git hook. It changes no file of yours, and what it cannot review goes on.",
)
