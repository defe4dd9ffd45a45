"""Answers to messages from the store: the same greedy question to the same model is answered once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dsassist.answers.model_key import model_key
from dsassist.answers.store import AnswerStore, answers_path
from dsassist_runtime.api import ChatRequest, GenerationEnd, TextPiece, TextStream
from dsassist_runtime.version import __version__

if TYPE_CHECKING:
    from dsassist.chat_actions.instruct import ChatEngine
    from dsassist.engine import RemoteModel
    from dsassist_runtime.models.store import ResolvedModel

__all__ = ["RememberingChat", "remembering_chat"]

_OF_WHO_ASKS = ("priority", "document", "deadline_ms", "cache_prompt", "speculate")
"""What decides when an answer comes, not what it says."""

_FORM = 1
"""Of what is kept; raise it where it changes."""


def remembering_chat(engine: ChatEngine, model: ResolvedModel | RemoteModel) -> ChatEngine:
    """The engine with the store of this user; one whose model is not a file here as it is, for that may change."""
    key = model_key(model)
    return engine if key is None else RememberingChat(engine, AnswerStore(answers_path()), key)


@dataclass(frozen=True)
class RememberingChat:
    """An engine whose whole answers to greedy questions are kept; one that is drawn is to be another each time.

    Implements `ChatEngine`. `model` names the model. This version of dsassist counts as well, which makes the prompt of
    the messages and chooses the tokens.
    """

    engine: ChatEngine
    store: AnswerStore
    model: str

    def chat(self, request: ChatRequest) -> TextStream:
        """Out of the store, in one piece, else the engine's."""
        if request.sampling.temperature > 0 or request.n > 1 or request.logprobs is not None or request.predict_ms > 0:
            return self.engine.chat(request)
        key = self._key(request)
        if (known := self.store.get(key)) is not None:
            return _KnownStream(**json.loads(known))
        return _KeptStream(self.engine.chat(request), self.store, key)

    def _key(self, request: ChatRequest) -> bytes:
        asked = {name: value for name, value in vars(request).items() if name not in _OF_WHO_ASKS}
        question = json.dumps(["chat", _FORM, __version__, self.model, asked], default=vars)
        return hashlib.sha256(question.encode()).digest()


@dataclass
class _KnownStream(TextStream):
    """An answer that was given before, of `n_tokens`."""

    text: str
    n_tokens: int
    _end: GenerationEnd | None = field(default=None, init=False)

    @property
    def end(self) -> GenerationEnd | None:
        """Of the reading or the closing, whichever came first; no token was read or written for it."""
        return self._end

    def pieces(self) -> Iterator[TextPiece]:
        """The whole of it at once."""
        if self._end is None:
            self._end = GenerationEnd("stop", 0, 0, 0, 0.0, 0.0)
            yield TextPiece(self.text, self.n_tokens)

    def close(self) -> None:
        """Give nothing more."""
        if self._end is None:
            self._end = GenerationEnd("cancelled", 0, 0, 0, 0.0, 0.0)


@dataclass
class _KeptStream(TextStream):
    """The engine's stream, whose text is kept once it came to its own end.

    What was cut, by a limit of tokens or by who asked, is not worth to be said again.
    """

    stream: TextStream
    store: AnswerStore
    key: bytes
    _is_begun: bool = field(default=False, init=False)

    @property
    def end(self) -> GenerationEnd | None:
        """The engine's."""
        return self.stream.end

    def pieces(self) -> Iterator[TextPiece]:
        """The engine's."""
        is_first, self._is_begun = not self._is_begun, True  # another reading would have a rest of the text
        text, n_tokens = "", 0
        for piece in self.stream.pieces():
            text, n_tokens = text + piece.text, piece.completion_tokens
            yield piece
        if is_first and self.end is not None and self.end.finish_reason == "stop":
            self.store.put(self.key, json.dumps({"text": text, "n_tokens": n_tokens}))

    def close(self) -> None:
        """Stop the engine."""
        self.stream.close()
