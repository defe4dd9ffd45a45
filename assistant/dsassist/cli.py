"""The `dsassist` command: runs the subcommand, and turns whatever goes wrong into one line and an exit code.

Exit codes: 0 done, 1 findings, 2 usage or configuration, 3 not done, 130 interrupted, 141 the reader of stdout is gone.
This module imports little, so that `dsassist --version` is answered at once; `dsassist.dispatch` finds the subcommand.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dsassist import output
from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["Outcome", "main", "outcome_of", "run_command"]

_CRASH_LOGS_KEPT = 20


@dataclass(frozen=True)
class Outcome:
    """How a command ended; `error_message` is empty when it said all there is to say, or succeeded."""

    exit_code: int
    error_message: str = ""


def main(argv: list[str] | None = None) -> int:
    """Run `dsassist` with these arguments (the process's own when left out) and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    output.set_color("auto")
    output.prepare_streams()
    outcome = run_command(arguments)
    if outcome.error_message:
        output.error(outcome.error_message)
    return outcome.exit_code


def run_command(argv: list[str]) -> Outcome:
    """Run a command line and tell how it ended."""
    return outcome_of(lambda: _run(argv))


def outcome_of(work: Callable[[], int]) -> Outcome:
    """Do a command's work and tell how it ended: exceptions become words here, nowhere else; the caller prints them."""
    try:
        code = work()
        output.flush()
        return Outcome(code)
    except SystemExit as error:  # argparse, after --help
        return _exited(error.code)
    except KeyboardInterrupt:
        return Outcome(130)
    except DsassistError as error:
        return Outcome(error.exit_code, str(error))
    except BrokenPipeError as error:
        # Without a reader the answer is not whole, so 0 would lie: 141 is what a program killed by SIGPIPE leaves.
        return Outcome(141) if output.abandon_stdout() else _crash(error)
    except Exception as error:  # the boundary: a user sees a line, the traceback goes to a file
        if isinstance(error.__cause__, KeyboardInterrupt):  # Python 3.11 wraps one that comes while a class is made
            return Outcome(130)
        return _crash(error)


def _run(argv: list[str]) -> int:
    if argv in (["--version"], ["-V"]):  # what editors and scripts ask, without the 0.05 s that a parser takes to load
        from dsassist_runtime.version import __version__

        output.write_line(f"dsassist {__version__}")
        return 0
    from dsassist.dispatch import dispatch

    try:
        Path.cwd()
    except OSError:
        raise NotDone("the working directory does not exist any more; go into one that does") from None
    return dispatch(argv)


def _exited(code: str | int | None) -> Outcome:
    """What `sys.exit(code)` means; a text is its message."""
    if isinstance(code, str):
        return Outcome(NotDone.exit_code, code)
    return Outcome(code or 0)


def _crash(error: Exception) -> Outcome:
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    said = " ".join(said.split())
    try:
        log = _write_crash_log(error)
    except (OSError, DsassistError):
        return Outcome(NotDone.exit_code, f"internal error: {said}")
    return Outcome(NotDone.exit_code, f"internal error: {said}; please report it with {log}")


def _write_crash_log(error: Exception) -> Path:
    import platform
    import time
    import traceback

    from dsassist_runtime import places
    from dsassist_runtime.version import __version__

    directory = places.make_writable(places.state_dir())
    log = directory / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.log"
    head = f"dsassist {__version__}, Python {platform.python_version()}, {platform.platform()}\n\n"
    trace = "".join(traceback.format_exception(error))
    log.write_text(head + trace, encoding="utf-8", errors="backslashreplace")
    # A hook that fails at each commit must not fill the disk.
    for old in sorted(directory.glob("crash-*.log"))[:-_CRASH_LOGS_KEPT]:
        old.unlink(missing_ok=True)
    return log
