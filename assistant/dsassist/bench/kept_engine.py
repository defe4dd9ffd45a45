"""An engine whose answers are kept in a file that the user names, so that a long bench goes on where it was stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from dsassist.answers.model_key import model_key
from dsassist.answers.scores import RememberingEngine
from dsassist.answers.store import AnswerStore
from dsassist_runtime.api import (
    ChatRequest,
    Engine,
    FinishReason,
    Generation,
    GenerationEnd,
    InfillRequest,
    TextPiece,
    TextStream,
    TokenLogprob,
    TopLogprob,
)
from dsassist_runtime.errors import DsassistError
from dsassist_runtime.models.store import ResolvedModel
from dsassist_runtime.version import __version__

__all__ = ["KeptEngine", "kept_in"]

_LIMIT_BYTES = 1 << 40  # nothing is thrown away: each answer took the model its time
_SQLITE = b"SQLite format 3\0"
_WHOLE = ("stop", "length")


class _ChatEngine(Engine, Protocol):
    def chat(self, request: ChatRequest) -> TextStream: ...


def kept_in(path: Path | None, engine: _ChatEngine, model: ResolvedModel) -> _ChatEngine:
    """The engine with answers out of a file, which is made when it is not there; the engine itself without a path."""
    key = model_key(model)
    if path is None or key is None:
        return engine
    path = path.expanduser()
    try:
        with path.open("a+b") as file:
            file.seek(0)
            begin = file.read(len(_SQLITE))
    except OSError as error:
        raise DsassistError(f"--answers {path} cannot be written: {(error.strerror or str(error)).lower()}") from error
    if begin not in (b"", _SQLITE):  # the store would throw it away as damaged
        raise DsassistError(f"--answers {path} holds something else; name a new file, or one of an earlier run")
    return KeptEngine(engine, AnswerStore(path, _LIMIT_BYTES), key)


@dataclass(frozen=True)
class KeptEngine(RememberingEngine):
    """An engine whose scores and texts are kept, drawn ones as well: with their seeds they are one sample.

    Implements `Engine` and `chat`.
    """

    engine: _ChatEngine

    def infill(self, request: InfillRequest) -> TextStream:
        """Out of the store, else the engine's."""
        return self._text("infill", request, partial(self.engine.infill, request))

    def chat(self, request: ChatRequest) -> TextStream:
        """Out of the store, else the engine's."""
        return self._text("chat", request, partial(self.engine.chat, request))

    def _text(self, kind: str, request: Generation, ask: Callable[[], TextStream]) -> TextStream:
        asked = {**vars(request), "priority": "review", "deadline_ms": 0.0}
        question = json.dumps([kind, __version__, self.model, asked], default=vars)
        return _KeptText(self.store, hashlib.sha256(question.encode()).digest(), ask)


class _KeptText(TextStream):
    """What was read of a text before; where that was not all of it and more is wanted, the model writes it again."""

    def __init__(self, store: AnswerStore, key: bytes, ask: Callable[[], TextStream]) -> None:
        self._store, self._key, self._ask = store, key, ask
        self._known, self._reason = _read(store.get(key))
        self._written: list[TextPiece] = []
        self._stream: TextStream | None = None
        self._end: GenerationEnd | None = None

    @property
    def end(self) -> GenerationEnd | None:
        """The engine's; of a text that was known, the reason alone."""
        return self._end if self._stream is None else self._stream.end

    def pieces(self) -> Iterator[TextPiece]:
        """The known ones, then the engine's behind them."""
        yield from self._known
        if self._reason is not None:
            self._end = GenerationEnd(self._reason, 0, 0, 0, 0.0, 0.0)
            return
        n_known, n_written = sum(len(piece.text) for piece in self._known), 0
        self._stream = self._ask()
        for piece in self._stream.pieces():
            self._written.append(piece)
            n_before, n_written = n_written, n_written + len(piece.text)
            if n_written > n_known or not self._known:
                yield replace(piece, text=piece.text[max(n_known - n_before, 0) :])

    def close(self) -> None:
        """Keep what was written, and stop the engine."""
        if self._stream is None:
            return
        end = self._stream.end
        reason = end.finish_reason if end is not None and end.finish_reason in _WHOLE else None
        told = {"pieces": [asdict(piece) for piece in self._written], "reason": reason}
        self._store.put(self._key, json.dumps(told))
        self._stream.close()


def _read(kept: str | None) -> tuple[list[TextPiece], FinishReason | None]:
    if kept is None:
        return [], None
    told = json.loads(kept)
    return [_piece(**each) for each in told["pieces"]], told["reason"]


def _piece(text: str, completion_tokens: int, index: int, logprobs: list[dict[str, object]]) -> TextPiece:
    return TextPiece(text, completion_tokens, index, tuple(_logprob(**each) for each in logprobs))  # type: ignore[arg-type]


def _logprob(token: int, text: str, logprob: float, raw: list[int], top: list[dict[str, object]]) -> TokenLogprob:
    return TokenLogprob(token, text, logprob, tuple(raw), tuple(TopLogprob(**each) for each in top))  # type: ignore[arg-type]
