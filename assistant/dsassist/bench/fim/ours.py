"""dsassist, asked at a hole as the language server asks once it has had time to read: by a wide prompt.

The one place of this bench that knows how a completion is made. A text is written once, without the confidence filter;
what is shown with the filter is then taken from the same text.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from dsassist.bench.fim.answer import Answer, Shown
from dsassist.bench.fim.hole import Hole
from dsassist.bench.fim.true_lines import TrueLines, weigh_true_lines, widened
from dsassist.completion.completer import PromptName, infill_request, new_writer
from dsassist.completion.plan import Budget, Prompts
from dsassist.completion.writer import Offer
from dsassist.options import CompletionConfig
from dsassist_runtime.api import ContextFile, Engine, GenerationEnd, InfillRequest
from dsassist_runtime.errors import DsassistError

__all__ = ["Ours"]


class Ours:
    """Completions by `engine` with `options`, the same ones for the same seed."""

    def __init__(self, engine: Engine, options: CompletionConfig, seed: int) -> None:
        self._engine = engine
        self._options = options
        self._seed = seed

    def write(self, hole: Hole, snippets: Sequence[ContextFile] = ()) -> Answer:
        """What is shown with these parts of other files in the prompt; the engine's errors are in the answer."""
        try:
            return self._write(hole, snippets)
        except DsassistError as error:
            return Answer(error=str(error))

    def _write(self, hole: Hole, snippets: Sequence[ContextFile]) -> Answer:
        options = self._options
        request = self._request(hole, snippets, options.max_prompt_tokens)
        writer = new_writer(hole.place, options)
        raw, first_line_ms, started = "", 0.0, time.perf_counter()
        with self._engine.infill(request) as stream:
            for piece in stream.pieces():
                writer.push(piece)
                raw += piece.text
                if not first_line_ms and "\n" in raw.lstrip():
                    first_line_ms = 1e3 * (time.perf_counter() - started)
                if writer.done:
                    break
        total_ms = 1e3 * (time.perf_counter() - started)
        assert stream.end is not None, "a stream that was read to its end or closed has its figures"
        unfiltered, filtered = writer.offer(0.0), writer.offer(options.min_probability)
        return _with_figures(
            Answer(
                _shown(filtered),
                _shown(unfiltered),
                probability=unfiltered.probability if unfiltered else None,
                raw=raw,
                reason="" if filtered else writer.reason,
                first_line_ms=first_line_ms or total_ms,
                total_ms=total_ms,
            ),
            stream.end,
        )

    def weigh(self, hole: Hole, snippets: Sequence[ContextFile], prompt_tokens: int) -> TrueLines:
        """How likely the lines are that the person wrote, by a prompt of so many tokens; the engine's errors."""
        wide = widened(hole)
        return weigh_true_lines(self._engine, wide, self._request(wide, snippets, prompt_tokens))

    def _request(self, hole: Hole, snippets: Sequence[ContextFile], prompt_tokens: int) -> InfillRequest:
        prompt = Prompts().wide(*hole.place.around, Budget(prompt_tokens, prompt_tokens, prompt_tokens), snippets)
        request = infill_request(prompt, self._options, PromptName(hole.path, hole.repository))
        return replace(request, sampling=replace(request.sampling, seed=self._seed))


def _shown(offer: Offer | None) -> Shown | None:
    return None if offer is None else Shown(offer.text, offer.start, offer.end)


def _with_figures(answer: Answer, end: GenerationEnd) -> Answer:
    return replace(
        answer,
        prompt_tokens=end.prompt_tokens,
        evaluated_tokens=end.prompt_tokens - end.cached_tokens,
        decoded_tokens=end.completion_tokens,
    )
