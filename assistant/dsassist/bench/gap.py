"""What a gap of positions costs: completions of lines with a suffix that was evaluated before the line was typed.

At each place a line of real code is completed twice, from the same cursor in the middle of it. Once the whole prompt
is evaluated afresh. Once the suffix was evaluated when the line was still empty, and what stands left of the cursor was
typed into the gap (`InfillRequest.gap_tokens`). Exact match is the rest of the line.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from dsassist.bench.report import Figure, Report
from dsassist_runtime.api import EngineSettings, GenerationEnd, InfillRequest, Sampling, TextPiece
from dsassist_runtime.engine.local import LocalEngine

__all__ = ["gap"]

_SEED = 20
_GAP_TOKENS = 64
_PROMPT_TOKENS = 1024  # nothing is clipped
_LINES_ABOVE, _LINES_BELOW = 20, 8


@dataclass(frozen=True)
class _Place:
    """Before the line, what is typed of it, the rest, and what stands behind it."""

    above: str
    typed: str
    rest: str
    below: str


def gap(model: Path, n_places: int, say: Callable[[str], None]) -> Report:
    """Measure with the model at `model` on lines of the standard library, the same ones each time."""
    matched, fresh_matched, same, evaluated, fresh_evaluated = [], [], [], [], []
    with closing(LocalEngine(EngineSettings(model))) as engine:
        for number, place in enumerate(_places(n_places)):
            say(f"line {number + 1} of {n_places}")
            request = InfillRequest(
                place.above + place.typed,
                place.below,
                max_tokens=48,
                sampling=Sampling(temperature=0.0),
                stop=("\n",),
                max_prompt_tokens=_PROMPT_TOKENS,
                order="psm",
                document=str(number),
            )
            engine.forget_everything()
            text, end = _write(engine, request)
            engine.forget_everything()
            _write(engine, replace(request, prefix=place.above, gap_tokens=_GAP_TOKENS, max_tokens=0))
            gap_text, gap_end = _write(engine, replace(request, gap_tokens=_GAP_TOKENS))
            fresh_matched.append(100.0 * (text.rstrip() == place.rest.rstrip()))
            matched.append(100.0 * (gap_text.rstrip() == place.rest.rstrip()))
            same.append(100.0 * (text == gap_text))
            fresh_evaluated.append(float(end.prompt_tokens - end.cached_tokens))
            evaluated.append(float(gap_end.prompt_tokens - gap_end.cached_tokens))
    return Report(
        "gap",
        {
            "model": model.name,
            "lines": n_places,
            "gap": _GAP_TOKENS,
            "lines above": _LINES_ABOVE,
            "below": _LINES_BELOW,
        },
        [
            Figure("exact match, evaluated afresh", (_mean(fresh_matched),), "%", "higher"),
            Figure("exact match, suffix kept behind a gap", (_mean(matched),), "%", "higher"),
            Figure("the same text", (_mean(same),), "%", "higher"),
            Figure("prompt tokens evaluated, afresh", tuple(fresh_evaluated), "tokens"),
            Figure("prompt tokens evaluated, with the gap", tuple(evaluated), "tokens"),
        ],
    )


def _write(engine: LocalEngine, request: InfillRequest) -> tuple[str, GenerationEnd]:
    text, end = "", None
    for event in engine.events(request):
        if isinstance(event, TextPiece):
            text += event.text
        elif isinstance(event, GenerationEnd):
            end = event
    assert end is not None
    return text, end


def _places(count: int) -> Iterator[_Place]:
    draw = random.Random(_SEED)  # noqa: S311  (a sample, not a secret)
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    while count:
        text = draw.choice(files).read_text(encoding="utf-8", errors="replace")
        lines = text.splitlines(keepends=True)
        number = draw.randrange(len(lines)) if lines else 0
        line = lines[number].rstrip("\n") if lines else ""
        code = line.strip()
        if len(code) < 16 or code.startswith(("#", '"', "'")):
            continue
        at = len(line) - len(code) + draw.randrange(4, len(code) - 6)
        indent = len(line) - len(line.lstrip())
        yield _Place(
            "".join(lines[max(0, number - _LINES_ABOVE) : number]) + line[:indent],
            line[indent:at],
            line[at:],
            "\n" + "".join(lines[number + 1 : number + 1 + _LINES_BELOW]),
        )
        count -= 1


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
