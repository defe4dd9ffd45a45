"""`dsassist lsp`: the language server, started by an editor, speaking over standard input and output."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from dsassist.command import Command

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["COMMAND", "serve"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    # Language clients add this flag by themselves (vscode-languageclient does); there is no other transport.
    parser.add_argument("--stdio", action="store_true", help="speak over standard input and output, as always")


def _run(_args: argparse.Namespace) -> int:
    if sys.stdin is not None and sys.stdin.isatty():
        from dsassist.output import notice

        notice("this is a language server: an editor starts it and speaks to it over standard input; Ctrl-C ends it")

    from dsassist_lsp.server import create_server

    return serve(create_server())


def serve(server: Server) -> int:
    """Speak over standard input and output until the client goes; the exit code. For the main thread."""
    import logging
    import signal

    # A thread waits for standard input and cannot be woken; there is nothing to save, so Ctrl-C ends the process as is.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.basicConfig(stream=sys.stderr, level=logging.ERROR, format="%(name)s: %(message)s")
    # The editor's log gets a sentence on each of these (`Server.report_server_error`). Here they would be tracebacks,
    # and an editor that does not read standard error would stop the server by them.
    logging.getLogger("pygls").setLevel(logging.CRITICAL)
    with _protocol_streams() as (requests, answers):
        server.start_io(requests, answers)
    return server.exit_code


@contextmanager
def _protocol_streams() -> Iterator[tuple[BinaryIO, BinaryIO]]:
    """Standard input and output, for the protocol alone.

    Whatever else writes to standard output (a stray print, a native library) goes to standard error meanwhile, and a
    child process inherits neither end: one that outlives us would keep the editor waiting for the end of the stream.
    """
    from dsassist_runtime.errors import DsassistError

    try:
        requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    except OSError as error:
        raise DsassistError(
            "dsassist lsp speaks over standard input and output, and they are closed; start it from an editor"
        ) from error
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    os.dup2(2, 1)
    with requests, answers:
        yield requests, answers


COMMAND = Command(
    help="run the language server (editors start it)",
    description="Complete code in an editor, by the language server protocol over standard input and output.",
    add_arguments=_add_arguments,
    run=_run,
)
