"""The one fake: an engine that answers from a script, for tests of everything above the runtime."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from dsassist_runtime.api import (
    EditScore,
    GenerationEnd,
    InfillRequest,
    ModelFacts,
    ScoreRequest,
    TextPiece,
    TextStream,
    TokenLogprob,
)
from dsassist_runtime.errors import ModelUnsupported

__all__ = ["ScriptedEngine", "ScriptedStream"]


class ScriptedEngine:
    """Implements `api.Engine`: `texts` are the middles to write, one a request (the last one again and again).

    Where a middle was begun, a text is what comes behind that. Each token has the log-probability `logprob`. `score` is
    answered by the function given, and by `between` where there is a suffix, which no model need have a form for.
    `requests` keeps what was asked. An exception in place of a text is raised.
    """

    def __init__(
        self,
        texts: Sequence[str | Exception] = ("",),
        *,
        score: Callable[[ScoreRequest], Sequence[EditScore]] = lambda _request: (),
        between: Callable[[ScoreRequest], Sequence[EditScore]] | None = None,
        piece_s: float = 0.0,
        logprob: float = -0.1,
    ) -> None:
        self._texts = list(texts)
        self._score = score
        self._between = between
        self._piece_s = piece_s
        self._logprob = logprob
        self.requests: list[InfillRequest | ScoreRequest] = []
        self.timeouts_s: list[float | None] = []
        self.streams: list[ScriptedStream] = []

    def facts(self) -> ModelFacts:
        """A small made-up model."""
        return ModelFacts("scripted", Path("scripted.gguf"), "scripted", 4096, 0, 0, ("psm",), False)

    def infill(self, request: InfillRequest) -> TextStream:
        """The next text, in pieces of four characters with `piece_s` seconds before each."""
        self.requests.append(request)
        text = self._texts.pop(0) if len(self._texts) > 1 else self._texts[0]
        if isinstance(text, Exception):
            raise text
        stream = ScriptedStream(text, self._piece_s, None if request.logprobs is None else self._logprob)
        self.streams.append(stream)
        return stream

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """What the function makes of it; `timeouts_s` keeps the time that was given."""
        self.timeouts_s.append(timeout_s)
        self.requests.append(request)
        if request.suffix is None:
            return tuple(self._score(request))
        if self._between is None:
            raise ModelUnsupported("the scripted model has no form for what stands between two texts")
        return tuple(self._between(request))

    def close(self) -> None:
        """Nothing is held."""


class ScriptedStream(TextStream):
    """A given text; a piece counts as a token, of this log-probability if that was asked for."""

    def __init__(self, text: str, piece_s: float, logprob: float | None = None) -> None:
        self._pieces = [text[i : i + 4] for i in range(0, len(text), 4)]
        self._piece_s = piece_s
        self._logprob = logprob
        self._written = 0
        self._end: GenerationEnd | None = None
        self.closed = threading.Event()

    @property
    def end(self) -> GenerationEnd | None:
        """The figures once the iteration is over or the stream closed."""
        if self._end is None and self.closed.is_set():
            return GenerationEnd("cancelled", 10, 0, self._written, 1.0, 2.0)
        return self._end

    def pieces(self) -> Iterator[TextPiece]:
        """The text in pieces, each with its log-probability where the request asks for them."""
        for piece in self._pieces:
            time.sleep(self._piece_s)
            if self.closed.is_set():
                return
            self._written += 1
            yield TextPiece(piece, self._written, logprobs=self._logprobs(piece))
        self._end = GenerationEnd("stop", 10, 0, self._written, 1.0, 2.0)

    def _logprobs(self, piece: str) -> tuple[TokenLogprob, ...]:
        if self._logprob is None:
            return ()
        return (TokenLogprob(0, piece, self._logprob, tuple(piece.encode())),)

    def close(self) -> None:
        """Stop writing."""
        self.closed.set()
