"""The engine as everything above sees it: a client of the server on the Unix socket, our own endpoints' JSON lines.

How a request gets there, the server started if need be, is `exchange`'s.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

from dsassist_runtime.api import (
    ChatRequest,
    CompletionRequest,
    ContinuationScore,
    ContinuationsRequest,
    EditScore,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    ModelFacts,
    PromptRead,
    ScoreRequest,
    TextPiece,
    TextStream,
)
from dsassist_runtime.errors import ServerUnavailable, error_from_wire
from dsassist_runtime.exchange import Answer, Door, no_answer, server_health, server_status, stop_server
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["Client", "HttpTextStream", "server_health", "server_status", "stop_server"]

OnLoading = Callable[[float], None]


class Client:
    """Implements `api.Engine` by asking the server, which is started when it does not run. Safe from any thread."""

    def __init__(
        self,
        settings: EngineSettings,
        *,
        idle_timeout_s: float = 900.0,
        start: bool = True,
        on_loading: OnLoading | None = None,
        silence_limit_s: float | None = None,
    ) -> None:
        """Nothing is contacted before the first request. `on_loading` gets the share of the model that is loaded.

        `DeadlineExceeded` when nothing at all comes of an infill for `silence_limit_s`.
        """
        self._silence_limit_s = silence_limit_s
        self._settings = settings
        self._door = Door(settings, idle_timeout_s, start)
        self._on_loading = on_loading

    def facts(self) -> ModelFacts:
        """What is known of the model, which is loaded if need be."""
        return from_wire(ModelFacts, self._post("/engine/facts", {}).last("ready")["facts"], "facts")

    def infill(self, request: InfillRequest, timeout_s: float | None = None) -> TextStream:
        """Fill in the middle, streamed. The request is sent at once; errors come here or while the text is read.

        `DeadlineExceeded` when nothing at all comes for `timeout_s`, or else for the client's limit; each piece of
        text, or of the model while it is loaded, starts the time anew.
        """
        return self._stream("/engine/infill", request, timeout_s or self._silence_limit_s)

    def complete(self, request: CompletionRequest, timeout_s: float | None = None) -> TextStream:
        """Go on behind a prompt, streamed; `timeout_s` as for `infill`."""
        return self._stream("/engine/complete", request, timeout_s)

    def chat(self, request: ChatRequest, timeout_s: float | None = None) -> TextStream:
        """Answer messages, streamed; `timeout_s` as for `infill`."""
        return self._stream("/engine/chat", request, timeout_s)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """Evaluate edits of a text, best ranked first; `DeadlineExceeded` after `timeout_s`, loading included."""
        scores = self._scores("/engine/score", request, timeout_s)
        return tuple(from_wire(EditScore, score, "score") for score in scores)

    def continuations(
        self, request: ContinuationsRequest, timeout_s: float | None = None
    ) -> tuple[ContinuationScore, ...]:
        """Log-probabilities of each continuation, in their order; `DeadlineExceeded` as for `score`."""
        scores = self._scores("/engine/continuations", request, timeout_s)
        return tuple(from_wire(ContinuationScore, score, "score") for score in scores)

    def close(self) -> None:
        """Nothing is held between requests."""

    def _stream(
        self, path: str, request: InfillRequest | CompletionRequest | ChatRequest, timeout_s: float | None
    ) -> TextStream:
        started = time.perf_counter()
        return HttpTextStream(self._post(path, {"request": to_wire(request)}, quiet_limit_s=timeout_s), started)

    def _scores(self, path: str, request: ScoreRequest | ContinuationsRequest, timeout_s: float | None) -> list[Any]:
        started = time.monotonic()
        events = self._post(path, {"request": to_wire(request)}, limit_s=timeout_s)
        watch = threading.Timer(max(0.0, timeout_s - (time.monotonic() - started)), events.close) if timeout_s else None
        if watch:
            watch.daemon = True
            watch.start()
        try:
            scores: list[Any] = events.last("scores")["value"]
        except ServerUnavailable as error:
            if events.closed:
                raise no_answer(timeout_s or 0.0) from error
            raise
        finally:
            if watch:
                watch.cancel()
        return scores

    def _post(
        self, path: str, body: dict[str, Any], *, limit_s: float | None = None, quiet_limit_s: float | None = None
    ) -> _Events:
        # The head of the answer comes at once, whatever the engine does; the lines take as long as they take.
        answer = self._door.post(path, {"engine": to_wire(self._settings), **body}, limit_s=limit_s)
        return _Events(answer, self._on_loading, quiet_limit_s)


class _Events:
    """The lines of one answer, to be read once. An `error` event is raised; `close` cancels, from any thread."""

    def __init__(self, answer: Answer, on_loading: OnLoading | None, quiet_limit_s: float | None) -> None:
        answer.connected.settimeout(quiet_limit_s)
        self._answer = answer
        self._on_loading = on_loading
        self._quiet_limit_s = quiet_limit_s
        self._reading = False
        self.closed = False

    def __iter__(self) -> Iterator[dict[str, Any]]:
        self._reading = True
        try:
            while line := self._read_line():
                event = json.loads(line)
                if event["event"] == "error":
                    raise error_from_wire(event["error"])
                if event["event"] != "loading":
                    yield event
                elif self._on_loading:
                    self._on_loading(event["progress"])
        finally:
            self._reading = False
            self._answer.release()

    def last(self, kind: str) -> dict[str, Any]:
        """The final event, which must be of this kind."""
        for event in self:
            if event["event"] == kind:
                return event
        raise ServerUnavailable("the dsassist server went away in the middle of its answer")

    def close(self) -> None:
        self.closed = True
        if self._reading:  # in another thread, which this wakes, and which then releases the connection
            self._answer.wake()
        else:
            self._answer.release()

    def _read_line(self) -> bytes:
        if self.closed:
            return b""
        try:
            return self._answer.response.readline()
        except TimeoutError as error:
            raise no_answer(self._quiet_limit_s or 0.0) from error
        except (OSError, ValueError, http.client.HTTPException):
            return b""  # closed, by us or by a server that died: the caller knows which


class HttpTextStream(TextStream):
    """Implements `api.TextStream`; the times in `end` are those that the client waited, not the engine's own."""

    def __init__(self, events: _Events, started: float) -> None:
        self._events = events
        self._started = started
        self._first_at: float | None = None
        self._prompt = PromptRead(0, 0)
        self._n_written = 0
        self._end: GenerationEnd | None = None

    @property
    def end(self) -> GenerationEnd | None:
        """The figures once the iteration is over; after a `close` those until then, as `cancelled`; before, None."""
        return self._end

    def __iter__(self) -> Iterator[str]:
        """The text as it is written; of several choices only the first."""
        with closing(self.pieces()) as pieces:
            for piece in pieces:
                if piece.text:
                    yield piece.text

    def pieces(self) -> Generator[TextPiece, None, None]:
        """The same with counts and log-probabilities."""
        events = iter(self._events)
        for event in events:
            if event["event"] == "prompt":
                self._prompt = from_wire(PromptRead, event["value"])
            elif event["event"] == "text":
                piece = from_wire(TextPiece, event["value"])
                if piece.text:
                    self._first_at = self._first_at or time.perf_counter()
                if piece.index == 0:
                    self._n_written = piece.completion_tokens
                    yield piece
            elif event["event"] == "end":
                self._end = self._with_client_times(from_wire(GenerationEnd, event["value"]))
                return
        if not self._events.closed:
            raise ServerUnavailable("the dsassist server went away in the middle of its answer")

    def close(self) -> None:
        """Stop the decode; a running iteration ends without an error."""
        if self._end is None:  # before the thread that reads wakes up and looks
            prompt = self._prompt
            figures = GenerationEnd("cancelled", prompt.prompt_tokens, prompt.cached_tokens, self._n_written, 0.0, 0.0)
            self._end = self._with_client_times(replace(figures, prompt_ms=prompt.prompt_ms))
        self._events.close()

    def _with_client_times(self, end: GenerationEnd) -> GenerationEnd:
        now = time.perf_counter()
        first_at = self._first_at or now
        return replace(end, ttft_ms=1000 * (first_at - self._started), total_ms=1000 * (now - self._started))
