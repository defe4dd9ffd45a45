"""`python knowing_server.py TEXTS.json`: a language server of which only the engine is not real.

That one knows some texts by heart. Where the line before the cursor is how one of them begins, it writes the rest;
where several begin so, one after the other in turn. Anywhere else it writes nothing.
"""

from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

from dsassist_lsp.command import serve
from dsassist_lsp.engines import OpenEngine
from dsassist_lsp.server import create_server
from dsassist_runtime.api import InfillRequest, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream


class KnowingEngine(ScriptedEngine):
    """Goes on with what it knows."""

    def __init__(self, texts: list[str]) -> None:
        super().__init__()
        self._known = texts
        self._turn = itertools.count()

    def infill(self, request: InfillRequest) -> TextStream:
        line = (request.prefix + request.prompt + request.begun).rpartition("\n")[2]
        rests = [text[len(line) :] for text in self._known if line and text.startswith(line)]
        text = rests[next(self._turn) % len(rests)] if rests else ""
        logprob = None if request.logprobs is None else -0.1
        return ScriptedStream(text, 0.0, logprob)  # several threads ask at once when alternatives are wanted


if __name__ == "__main__":
    engine = KnowingEngine(json.loads(Path(sys.argv[1]).read_text()))
    sys.exit(serve(create_server(lambda _loaded, _on_loading: OpenEngine(engine, "scripted"))))
