"""A completion: from a document and a cursor to text, streamed; what a person sees, and nothing else, comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from dsassist.completion.ending import Ending
from dsassist.completion.surroundings import Surroundings, look_around
from dsassist.completion.window import window
from dsassist.options import CompletionConfig
from dsassist_runtime.api import Engine, GenerationEnd, InfillRequest, LayerRouting, Sampling, TextStream

__all__ = ["Completion", "CompletionStream", "start_completion"]


@dataclass(frozen=True)
class Completion:
    """A finished completion and its figures; `text` may be empty: nothing fitted."""

    text: str
    finish_reason: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    ttft_ms: float
    total_ms: float
    routing: tuple[LayerRouting, ...] = ()


class CompletionStream:
    """Pieces of the text to show; `result` once the iteration is over. `close` stops the engine, from any thread."""

    def __init__(self, stream: TextStream, around: Surroundings, blanks: str, line_end: str) -> None:
        self._stream = stream
        self._ending = Ending(around)
        self._blanks = blanks
        self._at_empty_line = not around.line_before.strip()
        self._line_end = line_end
        self._closed = False
        self._text: list[str] = []
        self.result: Completion | None = None

    def __iter__(self) -> Iterator[str]:
        with self._stream:
            for piece in self._without_typed(iter(self._stream)):
                yield from self._shown(self._ending.push(piece))
                if self._ending.done:
                    break
            else:
                if not self._closed:
                    yield from self._shown(self._ending.finish())
        # Leaving the `with` stopped the engine; the figures are those until then.
        self.result = self._completion(self._stream.end)

    def close(self) -> None:
        """Stop the engine within a token."""
        self._closed = True
        self._stream.close()

    def _shown(self, text: str) -> Iterator[str]:
        if text:
            text = text.replace("\n", self._line_end)
            self._text.append(text)
            yield text

    def _without_typed(self, pieces: Iterator[str]) -> Iterator[str]:
        """Leave out the blanks that were typed and that the model was asked to write again.

        At an empty line less than the typed indentation means that the model has left the block: nothing is to be
        shown.
        """
        held = ""
        for piece in pieces:
            held += piece
            if self._at_empty_line:
                held = held.lstrip("\r\n")
            if held.startswith(self._blanks):
                yield held[len(self._blanks) :]
                yield from pieces
                return
            if not self._blanks.startswith(held):
                break
        if not self._at_empty_line:
            yield held.lstrip(" \t")
            yield from pieces

    def _completion(self, end: GenerationEnd | None) -> Completion:
        assert end is not None, "a stream that was read to its end or closed has its figures"
        stopped = self._ending.done and not self._closed and end.finish_reason == "cancelled"
        figures = replace(end, finish_reason="stop") if stopped else end
        return Completion(text="".join(self._text), **vars(figures))


def start_completion(
    engine: Engine,
    text: str,
    offset: int,
    options: CompletionConfig,
    *,
    seed: int | None = None,
    trace_experts: bool = False,
) -> CompletionStream:
    """Ask for what belongs at `offset` (code points) of the document `text`.

    The engine's errors come here or from the iteration: `NotDone` when it cannot, `RequestRefused` when it must not.
    """
    # Models write line feeds; a file with CRLF is shown to them with those, and gets its own back.
    before, after = text[:offset].replace("\r\n", "\n"), text[offset:].replace("\r\n", "\n")
    around = look_around(before, after, multiline=options.multiline == "auto")
    # A token is a word with the blanks before it (`    return`, ` value`), so a prompt that ends in blanks is one that
    # the model never saw: it is asked to write those right before the cursor itself. (At an empty line the indentation
    # then comes right; in the middle of a line it was no better and no worse on 80 holes of this project's own code.)
    blanks = around.line_before[len(around.line_before.rstrip(" \t")) :]
    part = window(before.removesuffix(blanks), after, options.max_prompt_tokens)
    request = InfillRequest(
        part.prefix,
        part.suffix,
        max_tokens=options.max_tokens,
        sampling=Sampling(temperature=options.temperature, seed=seed),
        max_prompt_tokens=options.max_prompt_tokens,
        trace_experts=trace_experts,
    )
    line_end = "\r\n" if "\r\n" in text else "\n"
    return CompletionStream(engine.infill(request), around, blanks, line_end)
