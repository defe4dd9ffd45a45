"""The engines that the configurations of the open folders call for, each opened once, and what is known of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from dsassist.completion.speed import Speed, guessed_speed, keep_speed, kept_speed, speed_key
from dsassist.config import LoadedConfig, is_address
from dsassist.options import EngineConfig
from dsassist_runtime.api import Engine, ModelFacts

if TYPE_CHECKING:
    from dsassist.chat_actions.instruct import ChatEngine
    from dsassist.engine import RemoteModel
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["EngineOpener", "Engines", "OpenEngine", "open_configured_engine"]


@dataclass
class OpenEngine:
    """An engine, and what the user must know of its model. `facts` are those of the loaded model, once it is.

    `scores` and `chats` are the same engine for who asks for scores, or asks it questions, where it can chat: what was
    asked before need not be asked again.
    """

    engine: Engine
    name: str = ""
    note: str | None = None
    speed: Speed = field(default_factory=Speed)
    facts: ModelFacts | None = None
    model: ResolvedModel | RemoteModel | None = None
    scores: Engine | None = None
    chats: ChatEngine | None = None


EngineOpener = Callable[[LoadedConfig, Callable[[float], None]], OpenEngine]


def open_configured_engine(loaded: LoadedConfig, on_loading: Callable[[float], None]) -> OpenEngine:
    """The engine of the configuration; `ModelMissing` and the like when there is none."""
    from dsassist.answers.chats import remembering_chat
    from dsassist.answers.scores import remembering
    from dsassist.engine import model_note, open_engine, resolved_model  # 0.1 s that `initialize` need not wait for
    from dsassist_runtime.client import Client

    model = resolved_model(loaded)
    name = model.name if is_address(model.name) else Path(model.name).name
    engine = open_engine(loaded, on_loading=on_loading)
    speed = Speed() if model.kind == "remote" else _speed_of(model.path, loaded.config.engine)
    chats = remembering_chat(engine, model) if isinstance(engine, Client) else None  # no other can chat
    return OpenEngine(engine, name, model_note(model), speed, None, model, remembering(engine, model), chats)


def _speed_of(model: Path, options: EngineConfig) -> Speed:
    """As it was measured in earlier sessions, or as the model's size lets guess."""
    key = speed_key(model, options)

    def keep(tokens_per_s: float) -> None:  # called in the event loop's thread, which no disk may hold up
        threading.Thread(target=keep_speed, args=(key, tokens_per_s), name="speed", daemon=True).start()

    kept = kept_speed(key)
    return Speed(kept or guessed_speed(model.stat().st_size), kept is not None, keep, kept or 0.0)


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
        """Start the server and load the model in the background; at once `ready` where that is done."""
        if (opened := self.opened(loaded)) is not None and opened.facts is not None:
            ready(opened.facts)
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
