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
    action.add_argument("--status", action="store_true", help="say what the running server holds")
    action.add_argument("--stop", action="store_true", help="stop the running server")
    parser.add_argument("--json", action="store_true", help="with --status: print one JSON object")
    for key in ("model", "engine.idle_timeout_s", "engine.n_ctx", "engine.n_threads", "engine.n_gpu_layers"):
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
    from dsassist_runtime.errors import NotDone
    from dsassist_runtime.gguf import read_header
    from dsassist_runtime.server.main import serve, socket_path

    loaded = load(Path.cwd(), flags_from(args))
    for line in loaded.notices:
        notice(line)
    settings = engine_settings(loaded)
    read_header(settings.model_path)  # what is no whole model is told before anything starts

    def say() -> None:
        notice(f"serving {settings.model_path.name} on {socket_path()}; Ctrl-C ends it")

    if not serve(loaded.config.engine.idle_timeout_s, settings, on_listening=say, must_load=True):
        raise NotDone("a dsassist server runs already; `dsassist serve --stop` ends it, `--status` says what it holds")
    return 0


def _status(*, as_json: bool) -> int:
    from dsassist.output import notice, write_line
    from dsassist_runtime.client import server_health

    health = server_health()
    if as_json:
        write_line(json.dumps(health))
    elif health is None:
        notice("no server runs; it starts with the first request")
    else:
        model = health["model"]
        held = f"{model['name']} ({model['path']}, context {model['n_ctx']})" if model else "no model"
        write_line(
            f"dsassist {health['version']}, process {health['pid']}, idle for {health['idle_s']:.0f} s, holds {held}"
        )
    return 0 if health else 3


def _stop() -> int:
    from dsassist.output import notice
    from dsassist_runtime.client import stop_server

    notice("the server has left" if stop_server() else "no server runs")
    return 0


COMMAND = Command(
    help="run the model server in the foreground, or ask after it",
    description="Serve the model on a Unix socket that only you can open. Clients start a server by themselves.",
    add_arguments=_add_arguments,
    run=_run,
)
