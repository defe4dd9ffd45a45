"""`dsassist complete FILE:LINE:COL`: what the model would write there, as an editor would show it."""

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
    from dsassist.completion.writer import Offer
    from dsassist.config import LoadedConfig
    from dsassist_runtime.api import Engine, GenerationEnd

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
    from dsassist.completion.completer import PromptName, infill_request, whole_prompt
    from dsassist.completion.completer import write as write_completion
    from dsassist.completion.place import Place
    from dsassist.config import load
    from dsassist.documents import offset_of, parse_place, read_standard_input, read_text
    from dsassist.engine import model_note, open_engine, resolved_model
    from dsassist.output import notice, on_terminal, write_line
    from dsassist_runtime.api import Sampling

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
    options = loaded.config.completion
    at = Place(text, offset, str(path))
    engine = (engine_of or open_engine)(loaded)
    n_ctx = 0 if model.kind == "remote" else engine.facts().n_ctx  # an address is asked nothing before the consent
    request = infill_request(
        whole_prompt(at, options, n_ctx),
        options,
        PromptName(path.name, path.absolute().parent.name),
        sampling=Sampling(temperature=options.temperature, seed=args.seed),
        trace_experts=args.show_experts,
    )
    writer, end = write_completion(engine, at, request, options)
    offer = writer.offer()
    if args.json:
        _print_json(offer, writer.reason, end, model.name)
        return 0
    write_line(on_terminal(_new_text(offer, text)) if offer is not None else "")
    if offer is None:
        notice(f"nothing to add here: {writer.reason}")
    if end.routing:
        from dsassist.routing_report import routing_lines

        for line in routing_lines(end.routing):
            notice(line)
    return 0


def _new_text(offer: Offer, document: str) -> str:
    """What is not there yet: an offer may end with the brackets that close behind the cursor, and take their place."""
    return offer.text.removesuffix(document[offer.start : offer.end])


def _print_json(offer: Offer | None, reason: str, end: GenerationEnd, model: str) -> None:
    from dsassist.output import write_line

    figures = {
        "text": offer.text if offer is not None else "",
        "replaces": offer.end - offer.start if offer is not None else 0,
        "probability": round(offer.probability, 4) if offer is not None else None,
        "reason": reason,
        "finish_reason": end.finish_reason,
        "prompt_tokens": end.prompt_tokens,
        "cached_tokens": end.cached_tokens,
        "completion_tokens": end.completion_tokens,
        "ttft_ms": round(end.ttft_ms, 1),
        "total_ms": round(end.total_ms, 1),
        "model": model,
    }
    routing = [asdict(layer) for layer in end.routing]
    write_line(json.dumps(figures | ({"routing": routing} if routing else {}), ensure_ascii=False))


COMMAND = Command(
    help="complete the code at a place in a file",
    description="Write what the model would put at FILE:LINE:COL, as an editor would show it, however unlikely it is.",
    add_arguments=_add_arguments,
    run=run,
)
