"""The completions of all open documents: at most one for each, on the engine that the configuration calls for.

Knows no protocol: documents are a name and a text, cursors are code points.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from dsassist.completion.completer import CompletionStream, start_completion
from dsassist.config import LoadedConfig, is_address
from dsassist.options import EngineConfig
from dsassist_lsp.jobs import Job, Workers
from dsassist_runtime.api import Engine

__all__ = ["Completions", "EngineOpener", "OpenEngine", "open_configured_engine"]


@dataclass(frozen=True)
class OpenEngine:
    """An engine, and what the user must know of its model."""

    engine: Engine
    note: str | None = None


EngineOpener = Callable[[LoadedConfig], OpenEngine]


def open_configured_engine(loaded: LoadedConfig) -> OpenEngine:
    """The engine of the configuration; `ModelMissing` and the like when there is none."""
    from dsassist.engine import model_note, open_engine, resolved_model  # 0.1 s that `initialize` need not wait for

    return OpenEngine(open_engine(loaded, on_loading=lambda _share: None), model_note(resolved_model(loaded)))


class Completions:
    """Starts and stops completions. All methods are called in the event loop's thread."""

    def __init__(self, opener: EngineOpener = open_configured_engine) -> None:
        self._opener = opener
        self._workers = Workers()
        self._running: dict[str, Job] = {}
        self._open_lock = threading.Lock()
        self._open: dict[tuple[str, EngineConfig, Path | None], OpenEngine] = {}

    async def complete(self, document: str, text: str, offset: int, loaded: LoadedConfig) -> str:
        """What belongs at `offset`; empty when there is nothing, or when `forget` or a newer request came first.

        Raises what the engine raises. Cancelling the task stops the engine within a token.
        """
        self.forget(document)
        job = Job(lambda: self._start(document, text, offset, loaded))
        self._running[document] = job
        self._workers.start(job)
        try:
            return await job.answer
        finally:
            job.close()
            if self._running.get(document) is job:
                del self._running[document]

    def forget(self, document: str) -> None:
        """Stop what is being written for a document: it was edited or closed, or something newer is asked."""
        if job := self._running.pop(document, None):
            job.close()

    def note(self, loaded: LoadedConfig) -> str | None:
        """What to say of the model that has written something already."""
        opened = self._open.get(_engine_key(loaded))
        return opened.note if opened else None

    def warm_up(self, loaded: LoadedConfig, failed: Callable[[Exception], None]) -> None:
        """Start the server and load the model in the background, unless that was done for this engine.

        `failed` is called in the event loop's thread.
        """
        loop = asyncio.get_running_loop()
        if _engine_key(loaded) in self._open:
            return

        def load_model() -> None:
            try:
                self._engine(loaded).facts()
            except Exception as error:  # it is told where somebody can read it; a completion will meet it again
                with suppress(RuntimeError):  # the event loop has ended meanwhile
                    loop.call_soon_threadsafe(failed, error)

        threading.Thread(target=load_model, name="warm-up", daemon=True).start()

    def _start(self, document: str, text: str, offset: int, loaded: LoadedConfig) -> CompletionStream:
        name = f"{os.getpid()}:{document}"  # another editor may have the same file open
        return start_completion(self._engine(loaded), text, offset, loaded.config.completion, document=name)

    def _engine(self, loaded: LoadedConfig) -> Engine:
        key = _engine_key(loaded)
        with self._open_lock:
            if key not in self._open:
                self._open[key] = self._opener(loaded)
            return self._open[key].engine


def _engine_key(loaded: LoadedConfig) -> tuple[str, EngineConfig, Path | None]:
    # Consent to send code to an address is given for each repository, so each has an engine of its own there.
    root = loaded.root if is_address(loaded.config.model) else None
    return loaded.config.model, loaded.config.engine, root
