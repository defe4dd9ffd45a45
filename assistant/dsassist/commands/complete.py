"""`dsassist complete FILE:LINE:COL`: what the model would write there, streamed to the terminal."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.command import Command
from dsassist.options import add_option_argument, flags_from

if TYPE_CHECKING:
    from dsassist.completion.completer import Completion
    from dsassist.config import LoadedConfig
    from dsassist_runtime.api import Engine

__all__ = ["COMMAND", "run"]


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="FILE:LINE:COL", help="the cursor, line and column from 1; -:LINE:COL reads standard input"
    )
    parser.add_argument("--path", type=Path, help="the file that the text from standard input belongs to")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end, and no text before")
    parser.add_argument("--seed", type=int, help="make the draw repeatable")
    parser.add_argument(
        "--show-experts", action="store_true", help="show which experts of a mixture of experts were used (slower)"
    )
    for key in ("model", "completion.temperature", "completion.max_tokens", "completion.max_prompt_tokens"):
        add_option_argument(parser, key)
    add_option_argument(parser, "completion.multiline")


def run(args: argparse.Namespace, engine_of: Callable[[LoadedConfig], Engine] | None = None) -> int:
    """Run the command; `engine_of` opens the engine, which is the configured one when not given."""
    from dsassist.completion.completer import start_completion
    from dsassist.config import load
    from dsassist.documents import offset_of, parse_place, read_standard_input, read_text
    from dsassist.engine import model_note, open_engine, resolved_model
    from dsassist.output import notice, on_terminal, write

    place = parse_place(args.place)
    path = args.path or (Path.cwd() / "stdin" if place.is_stdin else place.path)
    name = str(args.path or ("standard input" if place.is_stdin else place.path))
    text = read_standard_input(name) if place.is_stdin else read_text(place.path)
    offset = offset_of(text, place.line, place.column, name)

    loaded = load(path.parent, flags_from(args))
    for line in loaded.notices:
        notice(line)
    model = resolved_model(loaded)
    if note := model_note(model):
        notice(note)
    engine = (engine_of or open_engine)(loaded)
    stream = start_completion(
        engine, text, offset, loaded.config.completion, seed=args.seed, trace_experts=args.show_experts
    )
    for piece in stream:
        if not args.json:
            write(on_terminal(piece))
    assert stream.result is not None
    _report(stream.result, model.name, as_json=args.json)
    return 0


def _report(result: Completion, model: str, *, as_json: bool) -> None:
    from dsassist.output import notice, write_line

    if as_json:
        figures = {
            "text": result.text,
            "finish_reason": result.finish_reason,
            "prompt_tokens": result.prompt_tokens,
            "cached_tokens": result.cached_tokens,
            "completion_tokens": result.completion_tokens,
            "ttft_ms": round(result.ttft_ms, 1),
            "total_ms": round(result.total_ms, 1),
            "model": model,
        }
        routing = [asdict(layer) for layer in result.routing]
        write_line(json.dumps(figures | ({"routing": routing} if routing else {}), ensure_ascii=False))
        return
    write_line("")
    if not result.text:
        notice("nothing to add here")
    if result.routing:
        from dsassist.routing_report import routing_lines

        for line in routing_lines(result.routing):
            notice(line)


COMMAND = Command(
    help="complete the code at a place in a file",
    description="Write what the model would put at FILE:LINE:COL. The text streams to standard output.",
    add_arguments=_add_arguments,
    run=run,
)
