"""`python -m lsp.fuzz_server SEED`: a language server for a client that makes no sense, over standard input and output.

Everything is real but the engine, which is slow, and now and then fails, unless the document says CALM. `test/figures`
tells what the server holds.
"""

from __future__ import annotations

import asyncio
import random
import resource
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from dsassist.config import LoadedConfig
from dsassist_lsp.command import serve
from dsassist_lsp.engines import OpenEngine
from dsassist_lsp.server import Server, create_server
from dsassist_runtime.api import ChatRequest, InfillRequest, ModelFacts, TextPiece, TextStream
from dsassist_runtime.errors import EngineDied, ModelMissing, RequestRefused
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream

CALM = "# calm"
TEXTS = [
    "total = sum(prices)\nreturn total\n",
    "x\n",
    "",
    " \n\n",
    "f(a, [b, {c: 'ä😀'}])\n    pass\n",
    ")))]]]}}}\n" * 20,
    "for i in range(10):\n        print(i)\n" * 30,
    "Sure! Here is the code:\n```python\nx = 1\n```\n",
]
FAILURES = [
    ModelMissing("there is no such model; pull it"),
    EngineDied("the engine was killed"),
    RequestRefused("the prompt is too long"),
    ZeroDivisionError("the engine is broken"),
]


class BreakingStream(ScriptedStream):
    """Fails behind its text."""

    def pieces(self) -> Iterator[TextPiece]:
        yield from super().pieces()
        if not self.closed.is_set():
            raise EngineDied("the engine was killed in mid-stream")


class FickleEngine(ScriptedEngine):
    """Keeps nothing of what it is asked, so that what grows is the server's."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._draw = random.Random(seed)
        self._drawing = threading.Lock()

    def facts(self) -> ModelFacts:
        return ModelFacts("small-instruct", Path("small-instruct.gguf"), "scripted", 4096, 0, 0, ("psm",), True)

    def infill(self, request: InfillRequest) -> TextStream:
        if CALM in request.prefix + request.begun:
            return ScriptedStream("1\n", 0.0, -0.1)
        return self._stream(None if request.logprobs is None else -0.1)

    def chat(self, request: ChatRequest) -> TextStream:
        return self._stream(None)

    def _stream(self, logprob: float | None) -> TextStream:
        with self._drawing:
            text, piece_s = self._draw.choice(TEXTS), self._draw.choice([0.0, 0.001, 0.01])
            outcome = self._draw.random()
            failure = self._draw.choice(FAILURES)
        if outcome < 0.05:
            raise failure
        return (BreakingStream if outcome < 0.1 else ScriptedStream)(text, piece_s, logprob)


def fickle(seed: int) -> Callable[[LoadedConfig, Callable[[float], None]], OpenEngine]:
    engine = FickleEngine(seed)
    return lambda _loaded, _on_loading: OpenEngine(engine, "fickle")


def figures(server: Server, _params: object) -> dict[str, int]:
    """What must not grow with the messages; `peak` is memory, in the unit that the system counts it in."""
    return {
        "threads": threading.active_count(),
        "tasks": len(asyncio.all_tasks()),
        "futures": len(server.protocol._request_futures),
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }


if __name__ == "__main__":
    server = create_server(fickle(int(sys.argv[1])))
    server.feature("test/figures")(figures)
    sys.exit(serve(server))
