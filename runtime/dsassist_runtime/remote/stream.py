"""Text from a server, as it is written: `api.TextStream` over one exchange."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator, Iterator
from contextlib import closing

from dsassist_runtime.api import FinishReason, GenerationEnd, InfillRequest, TextPiece, TextStream
from dsassist_runtime.engine.text import TextAssembler
from dsassist_runtime.errors import RemoteFailed
from dsassist_runtime.remote.connection import Exchange
from dsassist_runtime.remote.events import events
from dsassist_runtime.remote.infill import InfillForm, Usage

__all__ = ["RemoteTextStream"]


class RemoteTextStream(TextStream):
    """A text from another server. The request is sent when the text is first read; times are what the reader waited.

    A server counts tokens at the end only; until then, and where it does not at all, a piece of text counts as one.
    """

    def __init__(self, exchange: Exchange, form: InfillForm, request: InfillRequest, origin: str) -> None:
        self._exchange = exchange
        self._form = form
        self._request = request
        self._origin = origin
        self._started = time.perf_counter()
        self._first_at: float | None = None
        self._n_pieces = 0
        self._usage: Usage | None = None
        self._end_lock = threading.Lock()
        self._end: GenerationEnd | None = None

    @property
    def end(self) -> GenerationEnd | None:
        """The figures once the iteration is over; after a `close` those until then, as `cancelled`; before, None."""
        return self._end

    def __iter__(self) -> Iterator[str]:
        yield from self._watched()

    def pieces(self) -> Iterator[TextPiece]:
        """The same with the count of tokens; log-probabilities cannot be asked for here."""
        with closing(self._watched()) as texts:
            for text in texts:
                yield TextPiece(text, self._n_pieces)

    def _watched(self) -> Generator[str, None, None]:
        """The text, until the request's time is up."""
        deadline_ms = self._request.deadline_ms
        watch = threading.Timer(deadline_ms / 1000, self._stop, ("deadline",)) if deadline_ms else None
        if watch:
            watch.daemon = True
            watch.start()
        try:
            yield from self._text()
        finally:
            if watch:
                watch.cancel()

    def close(self) -> None:
        """Stop the server by closing the connection; a running iteration ends without an error."""
        self._stop("cancelled")

    def _text(self) -> Iterator[str]:
        with closing(self._exchange.chunks()) as chunks:  # not whenever the garbage collector gets to it
            yield from self._text_in(chunks)

    def _text_in(self, chunks: Iterator[bytes]) -> Iterator[str]:
        text = TextAssembler((*self._request.stop, *self._form.stop), self._request.min_indent)
        finish: FinishReason | None = None
        try:
            for event in events(chunks, self._origin):
                delta = self._form.read(event)
                self._usage = delta.usage or self._usage
                finish = delta.finish_reason or finish
                if delta.text:
                    self._first_at = self._first_at or time.perf_counter()
                    self._n_pieces += 1
                    # A half of a surrogate pair, which JSON can carry and text cannot, shows as U+FFFD.
                    shown = text.push(delta.text.encode("utf-8", "surrogatepass"))
                    if shown:
                        yield shown
                if text.stopped or self._time_is_up(delta.text):
                    self._stop("stop")
                    return
        except RemoteFailed:
            if not self._exchange.closed:
                raise
        if self._exchange.closed:
            return
        if finish is None:
            raise RemoteFailed(f"{self._origin} broke off in the middle of its answer")
        if rest := text.finish():
            yield rest
        self._finish(finish)
        self._exchange.read_rest(chunks)

    def _time_is_up(self, piece: str) -> bool:
        """Whether `predict_ms` are over, which end the text behind a line break only."""
        limit_ms, first_at = self._request.predict_ms, self._first_at
        return bool(limit_ms and first_at and "\n" in piece and 1000 * (time.perf_counter() - first_at) > limit_ms)

    def _stop(self, reason: FinishReason) -> None:
        self._finish(reason)  # before the thread that reads wakes up and looks
        self._exchange.close()

    def _finish(self, reason: FinishReason) -> None:
        now = time.perf_counter()
        usage = self._usage or Usage(0, 0, self._n_pieces)
        with self._end_lock:
            self._end = self._end or GenerationEnd(
                reason,
                usage.prompt_tokens,
                usage.cached_tokens,
                usage.completion_tokens or self._n_pieces,
                ttft_ms=1000 * ((self._first_at or now) - self._started),
                total_ms=1000 * (now - self._started),
            )
