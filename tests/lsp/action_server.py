"""`python -m lsp.action_server ANSWERS.json`: a language server with the code actions, over standard input and output.

Everything is real but the engine, which answers the messages from a script: `{"texts": [...], "piece_s": 0.0}`.
`DSASSIST_MODEL` in place of an argument takes the engine that the configuration names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

from dsassist.answers.chats import RememberingChat
from dsassist.answers.store import AnswerStore, answers_path
from dsassist.config import LoadedConfig
from dsassist_lsp.engines import OpenEngine, open_configured_engine
from dsassist_lsp.server import create_server
from dsassist_runtime.api import ChatRequest, ModelFacts, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream


class ScriptedChat(ScriptedEngine):
    """Answers messages by the script, and is called an instruct model unless the script has another name."""

    def __init__(self, texts: list[str], piece_s: float, name: str = "small-instruct") -> None:
        super().__init__(texts, piece_s=piece_s)
        self._answers = list(texts)
        self._name = name
        self._delay_s = piece_s

    def facts(self) -> ModelFacts:
        return ModelFacts(self._name, Path(f"{self._name}.gguf"), "scripted", 4096, 0, 0, ("psm",), True)

    def chat(self, request: ChatRequest) -> TextStream:
        return ScriptedStream(self._answers.pop(0), self._delay_s)


def scripted(path: Path) -> Callable[[LoadedConfig, Callable[[float], None]], OpenEngine]:
    engine = ScriptedChat(**json.loads(path.read_text()))
    chats = RememberingChat(engine, AnswerStore(answers_path()), f"the model of {path}")
    return lambda _loaded, _on_loading: OpenEngine(engine, "scripted", chats=chats)


if __name__ == "__main__":
    server = create_server(scripted(Path(sys.argv[1])) if len(sys.argv) > 1 else open_configured_engine)
    if "dsassist.explain" not in server.protocol.fm.commands:
        from dsassist_lsp.actions import register

        register(server)
    server.start_io()
