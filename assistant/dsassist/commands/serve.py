"""`dsassist serve`: the server in the foreground; clients start one by themselves when none runs."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from dsassist.command import Command
from dsassist.options import add_option_argument, flags_from

__all__ = ["COMMAND"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--status", action="store_true", help="say what the running server holds and does")
    action.add_argument("--stop", action="store_true", help="stop the running server")
    parser.add_argument("--json", action="store_true", help="with --status: print one JSON object")
    parser.add_argument(
        "--listen", metavar="HOST:PORT", help="listen on TCP too, for OpenAI's and llama.cpp's clients; port 0: any"
    )
    parser.add_argument(
        "--api-key-file",
        metavar="FILE",
        type=Path,
        help="the key that clients on TCP must send, in a file that only you can read (default: $DSASSIST_API_KEY)",
    )
    for key in (
        "model",
        "engine.idle_timeout_s",
        "engine.n_ctx",
        "engine.n_threads",
        "engine.plan",
        "engine.ram",
        "engine.vram",
        "engine.n_gpu_layers",
        "engine.draft_model",
        "engine.lora",
    ):
        add_option_argument(parser, key)


def _run(args: argparse.Namespace) -> int:
    if args.status:
        return _status(as_json=args.json)
    if args.stop:
        return _stop()
    return _serve(args)


def _serve(args: argparse.Namespace) -> int:
    from dsassist.config import load
    from dsassist.engine import engine_settings
    from dsassist.output import notice
    from dsassist.server_key import read_server_key
    from dsassist_runtime.errors import DsassistError, NotDone
    from dsassist_runtime.gguf import read_header
    from dsassist_runtime.server.main import serve
    from dsassist_runtime.server.socket_files import socket_path

    if args.api_key_file and not args.listen:
        raise DsassistError("--api-key-file is for clients on TCP; say where to listen: --listen 127.0.0.1:8080")
    key = read_server_key(args.api_key_file) if args.listen else None
    loaded = load(Path.cwd(), flags_from(args))
    for line in loaded.notices:
        notice(line)
    settings = engine_settings(loaded)
    read_header(settings.model_path)  # what is no whole model is told before anything starts

    def say(address: str | None) -> None:
        places = f"{socket_path()} and http://{address}" if address else socket_path()
        notice(f"serving {settings.model_path.name} on {places}; Ctrl-C ends it")

    idle_timeout_s = loaded.config.engine.idle_timeout_s
    if not serve(idle_timeout_s, settings, listen=args.listen, api_key=key, on_listening=say, must_load=True):
        raise NotDone("a dsassist server runs already; `dsassist serve --stop` ends it, `--status` says what it holds")
    return 0


def _status(*, as_json: bool) -> int:
    from dsassist.output import notice, write_line
    from dsassist_runtime.client import server_status

    found = server_status()
    if as_json:
        write_line(json.dumps(found))
    elif found is None:
        notice("no server runs; it starts with the first request")
    else:
        from dsassist.status_report import report_of, status_lines

        for label, text in status_lines(report_of(found)):
            write_line(f"{label:<10}{text}")
    return 0 if found else 3


def _stop() -> int:
    from dsassist.output import notice
    from dsassist_runtime.client import stop_server

    notice("the server has left" if stop_server() else "no server runs")
    return 0


COMMAND = Command(
    help="run the model server in the foreground, or ask after it",
    description=(
        "Serve the model on a Unix socket that only you can open, and with --listen on TCP.\n"
        "Clients of ours start a server by themselves. A mixture of experts that is larger\n"
        "than the memory is streamed from disk: `dsassist plan` says how."
    ),
    add_arguments=_add_arguments,
    run=_run,
)
