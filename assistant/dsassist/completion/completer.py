"""A completion: from a document and a cursor to text, streamed; what a person sees, and nothing else, comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from dsassist.completion.ending import Ending
from dsassist.completion.surroundings import Surroundings, look_around
from dsassist.completion.window import window
from dsassist.options import CompletionConfig
from dsassist_runtime.api import Engine, GenerationEnd, InfillRequest, Sampling, TextStream

__all__ = ["Completion", "CompletionStream", "start_completion"]


@dataclass(frozen=True)
class Completion(GenerationEnd):
    """The figures of a finished completion, and its text, which may be empty: nothing fitted."""

    text: str = ""


class CompletionStream:
    """Pieces of the text to show; `result` once the iteration is over. `close` stops the engine, from any thread.

    At an indented empty line the model is asked to write the indentation itself. Where it leaves the block instead, it
    is asked once more with the indentation in the prompt: small models often take an empty line for a function's end.
    """

    def __init__(self, ask: Callable[[str], TextStream], around: Surroundings, blanks: str, line_end: str) -> None:
        """`ask` opens a stream for a prompt that ends with these blanks."""
        self._ask = ask
        self._around = around
        self._blanks = blanks
        self._line_end = line_end
        self._at_empty_line = not around.line_before.strip()
        self._left_block = False
        self._closed = False
        self._text: list[str] = []
        self._stream = ask("")
        self.result: Completion | None = None

    def __iter__(self) -> Iterator[str]:
        ending = Ending(self._around)
        yield from self._read(ending)
        end = self._stream.end
        if self._left_block and not self._is_closed():
            first, self._left_block = end, False
            self._stream = self._ask(self._blanks)
            if self._is_closed():  # meanwhile, from another thread
                self._stream.close()
            ending = Ending(self._around)
            yield from self._read(ending, written=self._blanks)
            end = _together(first, self._stream.end)
        self.result = self._completion(end, ending)

    def close(self) -> None:
        """Stop the engine within a token."""
        self._closed = True
        self._stream.close()

    def _is_closed(self) -> bool:
        return self._closed

    def _read(self, ending: Ending, written: str = "") -> Iterator[str]:
        """What is to be shown of the stream; leaving it stops the engine, and the figures are those until then."""
        with self._stream:
            for piece in self._without_typed(iter(self._stream), written):
                yield from self._shown(ending.push(piece))
                if ending.done:
                    break
            else:
                if not self._closed:
                    yield from self._shown(ending.finish())

    def _shown(self, text: str) -> Iterator[str]:
        if text:
            text = text.replace("\n", self._line_end)
            self._text.append(text)
            yield text

    def _without_typed(self, pieces: Iterator[str], written: str) -> Iterator[str]:
        """Leave out the blanks that were typed and that the model was asked to write again.

        At an empty line less than the typed indentation means that the model has left the block: nothing is to be
        shown. With the blanks `written` in the prompt, a model that writes them all the same has them left out too.
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
        if self._at_empty_line and not written:
            self._left_block = bool(self._blanks)
            return
        yield held if self._at_empty_line else held.lstrip(" \t")
        yield from pieces

    def _completion(self, end: GenerationEnd | None, ending: Ending) -> Completion:
        assert end is not None, "a stream that was read to its end or closed has its figures"
        stopped = (ending.done or self._left_block) and not self._closed and end.finish_reason == "cancelled"
        figures = replace(end, finish_reason="stop") if stopped else end
        return Completion(**vars(figures), text="".join(self._text))


def _together(first: GenerationEnd | None, second: GenerationEnd | None) -> GenerationEnd | None:
    """The figures of two requests, as one that a person waited for."""
    if first is None or second is None:
        return second
    return replace(
        second,
        completion_tokens=first.completion_tokens + second.completion_tokens,
        ttft_ms=first.total_ms + second.ttft_ms,
        total_ms=first.total_ms + second.total_ms,
    )


def start_completion(
    engine: Engine,
    text: str,
    offset: int,
    options: CompletionConfig,
    *,
    document: str = "",
    seed: int | None = None,
    trace_experts: bool = False,
) -> CompletionStream:
    """Ask for what belongs at `offset` (code points) of the document `text`.

    Of two requests for the same `document`, a name of any form, the newer one takes the older one's place.

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
        document=document,
        trace_experts=trace_experts,
    )

    def ask(ends_with: str) -> TextStream:
        return engine.infill(replace(request, prefix=request.prefix + ends_with))

    return CompletionStream(ask, around, blanks, "\r\n" if "\r\n" in text else "\n")
