"""From a command line to the subcommand that it names, with its arguments parsed.

Subcommands are found by name in the entry-point group `dsassist.commands` and loaded only when they run: a commit hook
does not wait for the imports of a language server.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, NoReturn

from dsassist import output
from dsassist.command import Command
from dsassist.installed import entry_point
from dsassist_runtime.errors import DsassistError, NotDone
from dsassist_runtime.version import __version__

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

__all__ = ["Parser", "UsageError", "dispatch"]

_GROUP = "dsassist.commands"
_COLOR_MODES = ("auto", "always", "never")


class UsageError(DsassistError):
    """A command line that cannot be understood."""


def dispatch(argv: list[str]) -> int:
    """Parse a command line, run its subcommand, and return the exit code."""
    split = _command_index(argv)
    parser = _main_parser()
    _apply_color(parser.parse_args(argv[:split]))
    if split == len(argv):
        parser.print_help(sys.stderr)
        return UsageError.exit_code
    command = _own(argv[split]) or _load(_find(argv[split]))
    return command.run(_parse_command(command, argv[split], argv[split + 1 :]))


def _command_index(argv: list[str]) -> int:
    """Where the subcommand stands: behind the options of `dsassist` itself."""
    index = 0
    while index < len(argv) and argv[index].startswith("-"):
        index += 2 if argv[index] == "--color" else 1
    return min(index, len(argv))


def _parse_command(command: Command, name: str, argv: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog=f"dsassist {name}",
        description=command.description or command.help,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_color_option(parser)
    command.add_arguments(parser)
    args = parser.parse_args(_places_last(argv))
    _apply_color(args)
    return args


def _places_last(argv: list[str]) -> list[str]:
    """Let `-:3:5`, a place in standard input, pass as an argument: argparse takes every dash for an option."""
    places = [argument for argument in argv if argument.startswith("-:")]
    if not places or "--" in argv:
        return argv
    return [*(argument for argument in argv if argument not in places), "--", *places]


def _own(name: str) -> Command | None:
    """A command of our own; None for another package's, for none, and for one that cannot be loaded."""
    try:
        found = entry_point("dsassist", _GROUP, name)
    except Exception:  # whatever a module does when it is imported
        return None
    return found if isinstance(found, Command) else None


def _find(name: str) -> EntryPoint:
    from importlib.metadata import entry_points

    found = entry_points(group=_GROUP, name=name)
    if found:
        return next(iter(found))
    import difflib

    known = sorted(entry_points(group=_GROUP).names)
    close = difflib.get_close_matches(name, known, n=2)
    hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(known)}"
    raise UsageError(f"there is no command {name!r}; {hint}")


def _load(found: EntryPoint) -> Command:
    try:
        command = found.load()
    except Exception as error:  # whatever a module of another package does when it is imported
        raise NotDone(f"the command {found.name!r} cannot be loaded from {found.value}: {error}") from error
    if not isinstance(command, Command):
        raise NotDone(f"the command {found.name!r} cannot be loaded: {found.value} is no dsassist.command.Command")
    return command


def _main_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="dsassist",
        usage="dsassist [--color auto|always|never] COMMAND ...",
        description="Code completion and commit review from one model on your own machine.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    version = f"dsassist {__version__}"
    parser.add_argument("-V", "--version", action="version", version=version, help="print the version and exit")
    _add_color_option(parser)
    return parser


def _add_color_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--color",
        choices=_COLOR_MODES,
        default=argparse.SUPPRESS,
        help="colour in the output; auto: on a terminal, unless NO_COLOR is set (default: auto)",
    )


def _apply_color(args: argparse.Namespace) -> None:
    if "color" in args:
        output.set_color(args.color)


def _command_list() -> str:
    """A line for each command; one that cannot be loaded says so, and the others are still listed."""
    from importlib.metadata import entry_points

    lines = ["commands:"]
    commands = sorted(entry_points(group=_GROUP), key=lambda each: each.name)
    width = max((len(found.name) for found in commands), default=0)
    for found in commands:
        try:
            line = _load(found).help
        except DsassistError:
            line = "(cannot be loaded)"
        lines.append(f"  {found.name:<{width}} {line}")
    return "\n".join([*lines, "", "`dsassist COMMAND --help` tells more of each."])


class Parser(argparse.ArgumentParser):
    """argparse with our errors; the main parser's help lists the commands, which it loads only then."""

    def error(self, message: str) -> NoReturn:
        """Refuse the command line."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def format_help(self) -> str:
        """The whole help."""
        if self.prog == "dsassist":
            self.epilog = _command_list()
        return super().format_help()
