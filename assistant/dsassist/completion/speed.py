"""How fast an engine reads prompts on this machine: guessed by the model's size, then measured, and kept for later.

A first prompt that is made for the wrong speed takes seconds where it should take one and a half. What is kept is one
small file in the cache directory; without it, or where it is damaged, all begins with a guess.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from dsassist.options import EngineConfig
from dsassist.sizes import AUTOMATIC
from dsassist_runtime.api import GenerationEnd
from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_writable, models_dir

__all__ = ["Speed", "guessed_speed", "keep_speed", "kept_speed", "speed_key", "speeds_path"]

# Qwen2.5-Coder-0.5B on two cores; a model of twice the size has about twice as much to compute for a token.
_KNOWN_SPEED, _KNOWN_BYTES = 150.0, 491_400_064
_LEAST_GUESS, _MOST_GUESS = 8.0, 600.0

_FEW_TOKENS = 24  # tell nothing of the speed
_MEMORY = 0.3  # weight of the latest prompt
_WORTH_KEEPING = 0.1  # change, as a share of what is kept
_MOST_KEPT = 64


@dataclass
class Speed:
    """How fast an engine reads prompts, as it was seen lately; `keep` gets what is worth keeping."""

    prefill_tokens_per_s: float = _KNOWN_SPEED
    is_measured: bool = False  # here or in an earlier session; else it is a guess
    keep: Callable[[float], None] = lambda _speed: None
    _kept: float = 0.0

    def saw(self, end: GenerationEnd) -> None:
        """A prompt was read."""
        n_tokens = end.prompt_tokens - end.cached_tokens
        # A server at an address tells only when the text began, and that has more in it than the reading.
        read_ms = end.prompt_ms or end.ttft_ms
        if n_tokens < _FEW_TOKENS or read_ms <= 0:
            return
        weight = _MEMORY if self.is_measured else 1.0
        self.prefill_tokens_per_s += weight * (1000 * n_tokens / read_ms - self.prefill_tokens_per_s)
        self.is_measured = True
        if end.prompt_ms > 0 and abs(self.prefill_tokens_per_s - self._kept) > _WORTH_KEEPING * self._kept:
            self._kept = self.prefill_tokens_per_s
            self.keep(self._kept)


def guessed_speed(size_bytes: int) -> float:
    """Prompt tokens/s to begin with, for a model file of this size."""
    return min(_MOST_GUESS, max(_LEAST_GUESS, _KNOWN_SPEED * _KNOWN_BYTES / max(1, size_bytes)))


def speeds_path() -> Path:
    """Where the speeds lie: in the cache, beside the models."""
    return models_dir().with_name("speeds.json")


def speed_key(model: Path, engine: EngineConfig) -> str:
    """What the speed depends on: this machine, the model's file, and how it is held."""
    held = f"{engine.n_threads} threads, {engine.n_gpu_layers} layers on a GPU"
    if (engine.plan, engine.ram, engine.vram) != ("auto", AUTOMATIC, AUTOMATIC):
        held += f", plan {engine.plan}, {engine.ram} of RAM, {engine.vram} of VRAM"
    return f"{platform.node()} ({os.cpu_count()}): {model.resolve()} ({model.stat().st_size}), {held}"


def kept_speed(key: str) -> float | None:
    """The speed that was measured in an earlier session, if it was."""
    return _read().get(key)


def keep_speed(key: str, tokens_per_s: float) -> None:
    """Keep a speed; where that cannot be done it is measured again next time."""
    speeds = _read()
    speeds.pop(key, None)
    speeds[key] = round(tokens_per_s, 1)
    latest = dict(list(speeds.items())[-_MOST_KEPT:])
    path, temporary = speeds_path(), ""
    with contextlib.suppress(OSError, NotDone):
        try:
            directory = make_writable(path.parent)
            with tempfile.NamedTemporaryFile("w", dir=directory, prefix="speeds-", delete=False) as file:
                temporary = file.name
                json.dump(latest, file, indent=2)
            Path(temporary).replace(path)
        except OSError:
            if temporary:
                Path(temporary).unlink()
            raise


def _read() -> dict[str, float]:
    try:
        kept = json.loads(speeds_path().read_bytes())
    except (OSError, ValueError):
        return {}
    return {key: speed for key, speed in kept.items() if _is_speed(speed)} if isinstance(kept, dict) else {}


def _is_speed(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0
