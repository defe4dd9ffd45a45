"""Builds the index of a workspace in a process of its own: `python -m dsassist.index.building ROOT`.

Parsing in the language server's process would hold the interpreter for as long as a large file takes, and keys would
wait; and a grammar that crashes would take the server along. The process is niced, writes a line of JSON for each step,
and ends by itself when nobody reads them.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

from dsassist.index.workspace import WorkspaceIndex
from dsassist_runtime.errors import DsassistError

__all__ = ["main"]

_NICENESS = 10
_REPORT_S = 0.2


def main(arguments: list[str]) -> int:
    """Build the index of the folder that is named; tell of it on standard output."""
    (root,) = arguments
    os.nice(_NICENESS)
    try:
        with WorkspaceIndex(Path(root), on_trouble=lambda text: _tell(trouble=text)) as index:
            done = index.refresh(_Reporter().report)
            counts = index.counts()
        _tell(files=counts.files, symbols=counts.symbols, stored=done.stored, complete=done.complete)
    except BrokenPipeError:
        os._exit(0)  # the server is gone; the interpreter would complain of the pipe at its exit
    except DsassistError as error:
        _tell(error=str(error))
    return 0


class _Reporter:
    """Tells of the progress, not more often than somebody can read it."""

    def __init__(self) -> None:
        self._next_s = 0.0

    def report(self, done: int, total: int) -> None:
        now = time.monotonic()
        if now >= self._next_s or done == total:
            self._next_s = now + _REPORT_S
            _tell(done=done, total=total)


def _tell(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
