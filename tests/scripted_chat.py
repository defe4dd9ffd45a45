"""An engine that answers messages from a script, and a model file that is called an instruct model."""

from __future__ import annotations

import time
from pathlib import Path

from dsassist_runtime.api import ChatRequest, TextStream
from dsassist_runtime.testing import ScriptedEngine, ScriptedStream
from gguf_files import Field, gguf_bytes

__all__ = ["ScriptedChat", "write_model_file"]


class ScriptedChat(ScriptedEngine):
    """Gives the same answer to each question; an exception in its place is raised. `asked` keeps the questions."""

    def __init__(self, answer: str | Exception, *, piece_s: float = 0.0, before_s: float = 0.0) -> None:
        super().__init__()
        self._answer = answer
        self._piece_s = piece_s
        self._before_s = before_s
        self.asked: list[ChatRequest] = []

    def chat(self, request: ChatRequest) -> TextStream:
        self.asked.append(request)
        time.sleep(self._before_s)
        if isinstance(self._answer, Exception):
            raise self._answer
        return ScriptedStream(self._answer, self._piece_s)


def write_model_file(path: Path, *, name: str = "Tiny Instruct", chat_template: str = "{{ messages }}") -> Path:
    """The header of a model, and hardly more."""
    fields: dict[str, Field] = {"general.architecture": "qwen2", "general.name": name, "qwen2.context_length": 4096}
    if chat_template:
        fields["tokenizer.chat_template"] = chat_template
    path.write_bytes(gguf_bytes(fields, {"token_embd.weight": (0, (32, 2), 256)}))
    return path
