"""The engine itself: a model, its context, and the two things that it does, writing and scoring, one at a time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from dsassist_runtime.api import (
    EditScore,
    EngineSettings,
    FimOrder,
    GenerationEnd,
    InfillRequest,
    ModelFacts,
    PromptRead,
    ScoreRequest,
    TextPiece,
)
from dsassist_runtime.engine.fim import clip_prefix, clip_suffix, fim_prompt
from dsassist_runtime.engine.score import score_edits
from dsassist_runtime.engine.sequence import CachedSequence
from dsassist_runtime.engine.text import TextAssembler
from dsassist_runtime.errors import ModelUnsupported, NotDone, RequestRefused
from dsassist_runtime.gguf import fim_orders, read_header
from dsassist_runtime.llama.context import Aborted, AbortFlag, Context
from dsassist_runtime.llama.model import Model
from dsassist_runtime.llama.routing import RoutingObserver
from dsassist_runtime.llama.sampler import Sampler

__all__ = ["LocalEngine"]

_LARGEST_AUTOMATIC_CONTEXT = 8192
_LEAST_CONTEXT = 64
_N_BATCH = 512


class LocalEngine:
    """Owns the native objects. Only `abort` may be called from another thread."""

    def __init__(self, settings: EngineSettings, on_progress: Callable[[float], None] | None = None) -> None:
        """Load the model; `ModelError` when it cannot serve."""
        header = read_header(settings.model_path)
        if 0 < settings.n_ctx < _LEAST_CONTEXT:
            raise NotDone(
                f"engine.n_ctx is {settings.n_ctx}; a context has {_LEAST_CONTEXT} tokens at least (0: automatic)"
            )
        self._abort = AbortFlag()
        self._n_threads = settings.n_threads or default_threads()
        with ExitStack() as stack:
            self._model = stack.enter_context(closing(Model(settings.model_path, settings.n_gpu_layers, on_progress)))
            n_ctx = settings.n_ctx or min(self._model.n_ctx_train, _LARGEST_AUTOMATIC_CONTEXT)
            self._context = stack.enter_context(closing(self._new_context(n_ctx)))
            self._close = stack.pop_all()
        self._cache = CachedSequence(self._context)
        vocabulary = self._model.vocabulary
        architecture = self._model.metadata("general.architecture") or "unknown"
        self._facts = ModelFacts(
            name=self._model.metadata("general.name") or settings.model_path.stem,
            path=settings.model_path,
            architecture=architecture,
            n_ctx=self._context.n_ctx,
            n_experts=int(self._model.metadata(f"{architecture}.expert_count") or 0),
            n_experts_used=int(self._model.metadata(f"{architecture}.expert_used_count") or 0),
            fim_orders=fim_orders(header) if vocabulary.fim else (),
            has_chat_template=self._model.chat_template is not None,
        )

    def facts(self) -> ModelFacts:
        """What is known of the model."""
        return self._facts

    def abort(self) -> None:
        """Stop what runs within a token, and refuse to run until `rearm`."""
        self._abort.set()

    def rearm(self) -> None:
        """Allow the next request to run after an `abort`."""
        self._abort.clear()

    def infill(self, request: InfillRequest) -> Iterator[PromptRead | TextPiece | GenerationEnd]:
        """Write what stands between prefix and suffix: one `PromptRead`, pieces of text, one `GenerationEnd`."""
        started = time.perf_counter()
        prompt = self._infill_prompt(request)
        if not request.trace_experts:
            yield from self._generate(self._cache, self._context, prompt, request, started)
            return
        if not self._facts.n_experts:
            raise ModelUnsupported(f"{self._facts.name} has no experts to trace: it is a dense model")
        observer = RoutingObserver(self._facts.n_experts)
        n_ctx = len(prompt) + request.max_tokens
        with closing(self._new_context(n_ctx, observer)) as context:
            for event in self._generate(CachedSequence(context), context, prompt, request, started):
                yield replace(event, routing=observer.result()) if isinstance(event, GenerationEnd) else event

    def score(self, request: ScoreRequest) -> tuple[EditScore, ...]:
        """Scores of alternatives; `Aborted` when `abort` was called meanwhile."""
        return score_edits(self._context, self._cache, self._model.vocabulary, request)

    def close(self) -> None:
        """Free everything."""
        self._close.close()

    def _new_context(self, n_ctx: int, observer: RoutingObserver | None = None) -> Context:
        return Context(
            self._model,
            n_ctx=n_ctx,
            n_batch=min(_N_BATCH, n_ctx),
            n_threads=self._n_threads,
            n_seq_max=2,
            abort=self._abort,
            eval_callback=observer.callback if observer else None,
        )

    def _infill_prompt(self, request: InfillRequest) -> list[int]:
        vocabulary, marks = self._model.vocabulary, self._model.vocabulary.fim
        if marks is None or not self._facts.fim_orders:
            raise ModelUnsupported(
                f"{self._facts.name} has no fill-in-the-middle tokens, so it cannot complete code; choose another model"
            )
        if request.max_tokens < 1 or request.max_prompt_tokens < 0 or request.sampling.temperature < 0:
            raise RequestRefused("max_tokens must be 1 or more, max_prompt_tokens and temperature 0 or more")
        room = self._context.n_ctx - request.max_tokens - 4  # BOS and three marks
        if room < 8:
            raise RequestRefused(
                f"max_tokens {request.max_tokens} leaves no room for a prompt in {self._context.n_ctx} tokens"
            )
        budget = min(request.max_prompt_tokens, room) if request.max_prompt_tokens else room
        suffix = clip_suffix(vocabulary, request.suffix, budget // 4)
        prefix = clip_prefix(vocabulary, request.prefix, budget - len(suffix))
        order: FimOrder = self._facts.fim_orders[0]
        return fim_prompt(order, marks, vocabulary.bos if vocabulary.adds_bos else None, prefix, suffix)

    def _generate(
        self,
        cache: CachedSequence,
        context: Context,
        prompt: list[int],
        request: InfillRequest,
        started: float,
    ) -> Iterator[PromptRead | TextPiece | GenerationEnd]:
        vocabulary, text = self._model.vocabulary, TextAssembler(request.stop)
        cached = n_written = 0
        first_at: float | None = None
        reason: Literal["stop", "length", "cancelled"] = "length"
        with closing(Sampler(request.sampling)) as sampler:
            try:
                cached = cache.prefill(prompt)
                yield PromptRead(len(prompt), cached)
                while n_written < request.max_tokens:
                    token = sampler.sample(context)
                    if vocabulary.is_end(token):
                        reason = "stop"
                        break
                    n_written += 1
                    first_at = first_at or time.perf_counter()
                    if shown := text.push(vocabulary.piece(token)):
                        yield TextPiece(shown, n_written)
                    if text.stopped:
                        reason = "stop"
                        break
                    if self._abort:
                        raise Aborted
                    if n_written < request.max_tokens:
                        cache.append([token], wants_logits=False)
            except Aborted:
                reason = "cancelled"
        if reason != "cancelled" and not text.stopped and (rest := text.finish()):
            yield TextPiece(rest, n_written)
        now = time.perf_counter()
        yield GenerationEnd(
            finish_reason=reason,
            prompt_tokens=len(prompt),
            cached_tokens=cached,
            completion_tokens=n_written,
            ttft_ms=1000 * ((first_at or now) - started),
            total_ms=1000 * (now - started),
        )


def default_threads() -> int:
    """The physical cores that this process may use, as far as the system tells (macOS: all cores).

    A second thread on the same core slows decoding down.
    """
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    topology = "/sys/devices/system/cpu/cpu{}/topology/thread_siblings_list"
    try:
        return len({Path(topology.format(cpu)).read_text() for cpu in allowed})
    except OSError:
        return len(allowed)
