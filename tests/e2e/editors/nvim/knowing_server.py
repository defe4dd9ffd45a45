"""`python knowing_server.py TEXTS.json [LOGPROB]`: a language server of which only the engine is not real.

That one knows some texts by heart. Where the line before the cursor is how one of them begins, it writes the rest;
where several begin so, one after the other in turn. Anywhere else it writes nothing. Each token has the log-probability
LOGPROB, and none is written while a file `held` lies beside TEXTS.json. While one `loading` does, two fifths of the
model are loaded.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from dsassist.config import LoadedConfig
from dsassist_lsp.command import serve
from dsassist_lsp.engines import EngineOpener, OpenEngine
from dsassist_lsp.server import create_server
from dsassist_runtime.api import InfillRequest, TextPiece, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream


class KnowingEngine(ScriptedEngine):
    """Goes on with what it knows."""

    def __init__(self, known: Path, logprob: float = -0.1) -> None:
        super().__init__(logprob=logprob)
        self._known: list[str] = json.loads(known.read_text())
        self._held = known.with_name("held")
        self._turn = itertools.count()

    def infill(self, request: InfillRequest) -> TextStream:
        line = (request.prefix + request.prompt + request.begun).rpartition("\n")[2]
        rests = [text[len(line) :] for text in self._known if line and text.startswith(line)]
        text = rests[next(self._turn) % len(rests)] if rests else ""
        logprob = None if request.logprobs is None else self._logprob
        return HeldStream(self._held, text, 0.0, logprob)  # several threads ask at once when alternatives are wanted


class HeldStream(ScriptedStream):
    """Begins when a file is gone."""

    def __init__(self, held: Path, text: str, piece_s: float, logprob: float | None) -> None:
        super().__init__(text, piece_s, logprob)
        self._held = held

    def pieces(self) -> Iterator[TextPiece]:
        while self._held.exists() and not self.closed.is_set():
            time.sleep(0.01)
        yield from super().pieces()


def opener(known: Path, engine: KnowingEngine) -> EngineOpener:
    def load(_loaded: LoadedConfig, on_loading: Callable[[float], None]) -> OpenEngine:
        while known.with_name("loading").exists():
            on_loading(0.4)
            time.sleep(0.01)
        on_loading(1.0)
        return OpenEngine(engine, "scripted")

    return load


if __name__ == "__main__":
    texts = Path(sys.argv[1])
    sys.exit(serve(create_server(opener(texts, KnowingEngine(texts, *map(float, sys.argv[2:]))))))
