"""What guesses bring: the speed of texts with and without them, and whether they are the same texts.

Two kinds of text: one that repeats what stands in the prompt, as an edit of a file does, and one that goes on with new
code. Temperature 0; the two arms take turns.
"""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from dsassist.bench.report import Figure, Report
from dsassist_runtime.api import CompletionRequest, EngineSettings, GenerationEnd, Sampling, TextPiece
from dsassist_runtime.engine.local import LocalEngine

__all__ = ["speculation"]

_SEED = 21
_TOKENS = 96
_LINES = 24


def speculation(model: Path, draft: Path | None, n_texts: int, say: Callable[[str], None]) -> Report:
    """Measure with the model at `model`, and a draft model if there is one, on files of the standard library."""
    figures = []
    with closing(LocalEngine(EngineSettings(model, draft_model_path=draft))) as engine:
        for kind, prompts in (("repeated", _repeated(n_texts)), ("new", _new(n_texts))):
            speedups, same, twice, right = [], [], [], []
            for number, prompt in enumerate(prompts):
                say(f"{kind} text {number + 1} of {n_texts}")
                request = CompletionRequest(
                    prompt=prompt, max_tokens=_TOKENS, sampling=Sampling(temperature=0.0), ignore_eos=True
                )
                guessed_text, guessed = _write(engine, request)
                plain_text, plain = _write(engine, replace(request, speculate=False))
                again, _ = _write(engine, replace(request, speculate=False))
                twice.append(100.0 * (again == plain_text))
                speedups.append(plain.predict_ms / guessed.predict_ms)
                same.append(100.0 * (guessed_text == plain_text))
                right.append(100.0 * guessed.accepted_tokens / max(1, guessed.drafted_tokens))
            figures += [
                Figure(f"{kind} text: speed with guesses, of that without", tuple(speedups), "x", "higher"),
                Figure(f"{kind} text: guesses that were right", tuple(right), "%", "higher"),
                Figure(f"{kind} text: the same text", (sum(same) / len(same),), "%", "higher"),
                Figure(f"{kind} text: the same text twice without guesses", (sum(twice) / len(twice),), "%", "higher"),
            ]
    settings = {"model": model.name, "draft": draft.name if draft else "none", "texts": n_texts, "tokens": _TOKENS}
    return Report("speculation", settings, figures)


def _write(engine: LocalEngine, request: CompletionRequest) -> tuple[str, GenerationEnd]:
    engine.forget_everything()  # where cells lie decides about last digits: both arms begin with an empty cache
    *events, end = engine.events(request)
    assert isinstance(end, GenerationEnd)
    return "".join(event.text for event in events if isinstance(event, TextPiece)), end


def _repeated(count: int) -> Iterator[str]:
    for block in _blocks(count):
        first, rest = block.split("\n", 1)
        yield f"# old\n{first}\n{rest}\n\n# new, with better names\n{first}\n"


def _new(count: int) -> Iterator[str]:
    yield from _blocks(count)


def _blocks(count: int) -> Iterator[str]:
    """So many lines each, from somewhere in a file, that begin at a line without indentation."""
    draw = random.Random(_SEED)  # noqa: S311  (a sample, not a secret)
    files = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    while count:
        lines = draw.choice(files).read_text(encoding="utf-8", errors="replace").splitlines()
        starts = [i for i, line in enumerate(lines[:-_LINES]) if line.startswith(("def ", "class "))]
        if starts:
            start = draw.choice(starts)
            yield "\n".join(lines[start : start + _LINES])
            count -= 1
