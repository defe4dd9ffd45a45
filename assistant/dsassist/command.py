"""What a subcommand is: the value that a package registers in the entry-point group `dsassist.commands`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Command"]


@dataclass(frozen=True)
class Command:
    """A subcommand: its line in the help, its options, and the function that runs it and returns the exit code.

    Modules that define one import only what is light; the heavy imports stand inside `run`.
    """

    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], int]
    description: str = ""
