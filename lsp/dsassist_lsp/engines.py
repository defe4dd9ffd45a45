"""The engines that the configurations of the open folders call for, each opened once, and what is known of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.config import LoadedConfig, is_address
from dsassist.options import EngineConfig
from dsassist_runtime.api import Engine, GenerationEnd, ModelFacts

if TYPE_CHECKING:
    from dsassist.engine import RemoteModel
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["EngineOpener", "Engines", "OpenEngine", "Speed", "open_configured_engine"]

_FIRST_GUESS = 150.0  # tokens/s: two cores and a model of half a billion parameters
_FEW_TOKENS = 24  # tell nothing of the speed
_MEMORY = 0.3  # weight of the latest prompt


@dataclass
class Speed:
    """How fast an engine reads prompts, as it was seen lately."""

    prefill_tokens_per_s: float = _FIRST_GUESS

    def saw(self, end: GenerationEnd) -> None:
        """A prompt was read."""
        n_tokens = end.prompt_tokens - end.cached_tokens
        read_ms = end.prompt_ms or end.ttft_ms  # a text that was stopped tells only when it began
        if n_tokens >= _FEW_TOKENS and read_ms > 0:
            seen = 1000 * n_tokens / read_ms
            self.prefill_tokens_per_s += _MEMORY * (seen - self.prefill_tokens_per_s)


@dataclass
class OpenEngine:
    """An engine, and what the user must know of its model. `facts` are those of the loaded model, once it is.

    `scores` is the same engine for who asks for scores: what was asked before need not be asked again.
    """

    engine: Engine
    name: str = ""
    note: str | None = None
    speed: Speed = field(default_factory=Speed)
    facts: ModelFacts | None = None
    model: ResolvedModel | RemoteModel | None = None
    scores: Engine | None = None


EngineOpener = Callable[[LoadedConfig, Callable[[float], None]], OpenEngine]


def open_configured_engine(loaded: LoadedConfig, on_loading: Callable[[float], None]) -> OpenEngine:
    """The engine of the configuration; `ModelMissing` and the like when there is none."""
    from dsassist.answers.scores import remembering
    from dsassist.engine import model_note, open_engine, resolved_model  # 0.1 s that `initialize` need not wait for

    model = resolved_model(loaded)
    name = model.name if is_address(model.name) else Path(model.name).name
    engine = open_engine(loaded, on_loading=on_loading)
    return OpenEngine(engine, name, model_note(model), model=model, scores=remembering(engine, model))


class Engines:
    """Opens engines; `get` may be called in any thread, all else in the event loop's."""

    def __init__(self, opener: EngineOpener, on_loading: Callable[[float], None]) -> None:
        """`on_loading` gets the share of the model that is loaded, in the event loop's thread."""
        self._opener = opener
        self._on_loading = on_loading
        self._lock = threading.Lock()
        self._open: dict[tuple[str, EngineConfig, Path | None], OpenEngine] = {}
        self._loop: asyncio.AbstractEventLoop | None = None

    def opened(self, loaded: LoadedConfig) -> OpenEngine | None:
        """The engine, if it was opened before."""
        self._loop = self._loop or asyncio.get_running_loop()
        return self._open.get(_key(loaded))

    def get(self, loaded: LoadedConfig) -> OpenEngine:
        """The engine, opened now if need be; raises what the opener raises."""
        key = _key(loaded)
        with self._lock:
            if key not in self._open:
                self._open[key] = self._opener(loaded, self._loading)
            return self._open[key]

    def warm_up(
        self, loaded: LoadedConfig, ready: Callable[[ModelFacts], None], failed: Callable[[Exception], None]
    ) -> None:
        """Start the server and load the model in the background, unless that was done for this engine."""
        if (opened := self.opened(loaded)) is not None and opened.facts is not None:
            return

        def load_model() -> None:
            from dsassist.chat_actions.instruct import probe_if_unknown
            from dsassist_runtime.client import Client

            try:
                opened = self.get(loaded)
                facts = opened.engine.facts()
                if facts.has_chat_template and isinstance(opened.engine, Client):  # no other can chat
                    probe_if_unknown(facts, opened.engine)
                opened.facts = facts
                self._tell(lambda: ready(facts))
            except Exception as error:  # it is told where somebody can read it; a completion will meet it again
                found = error
                self._tell(lambda: failed(found))

        threading.Thread(target=load_model, name="warm-up", daemon=True).start()

    def _loading(self, share: float) -> None:
        self._tell(lambda: self._on_loading(share))

    def _tell(self, what: Callable[[], None]) -> None:
        assert self._loop is not None, "`opened` is called first"
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            self._loop.call_soon_threadsafe(what)


def _key(loaded: LoadedConfig) -> tuple[str, EngineConfig, Path | None]:
    # Consent to send code to an address is given for each repository, so each has an engine of its own there.
    root = loaded.root if is_address(loaded.config.model) else None
    return loaded.config.model, loaded.config.engine, root
