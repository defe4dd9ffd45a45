"""The engine itself: a model, its KV cache, and the requests that share them, a batch at a time.

submit  ->  a job (`writing`, `scoring`) in the scheduler's queues
step    ->  the scheduler composes a batch, llama.cpp evaluates it, each job takes what is its own
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypedDict

from dsassist_runtime.api import (
    ChatRequest,
    CompletionRequest,
    ContinuationsRequest,
    EngineSettings,
    EngineStatus,
    Generation,
    GenerationEnd,
    InfillRequest,
    ModelFacts,
    PromptRead,
    ScoreRequest,
    TextPiece,
)
from dsassist_runtime.engine.chat import ChatTemplate
from dsassist_runtime.engine.choice import Parts
from dsassist_runtime.engine.decode_loop import DecodeLoop
from dsassist_runtime.engine.draft_model import DraftModel
from dsassist_runtime.engine.fim import InfillPrompt, infill_prompt
from dsassist_runtime.engine.gap import GapPrompt, Gaps
from dsassist_runtime.engine.interruption import Interruption
from dsassist_runtime.engine.job import Emit, Event, Job, Ticket
from dsassist_runtime.engine.meter import Meter
from dsassist_runtime.engine.opening import open_model
from dsassist_runtime.engine.prefix_cache import PrefixCache
from dsassist_runtime.engine.saved_prefixes import SavedPrefixes
from dsassist_runtime.engine.scheduler import Scheduler
from dsassist_runtime.engine.score import score_continuations, score_edits
from dsassist_runtime.engine.scoring import Scoring
from dsassist_runtime.engine.speculation import Drafter, Lookup, Speculation
from dsassist_runtime.engine.streaming import Streaming
from dsassist_runtime.engine.writing import Writing
from dsassist_runtime.errors import ModelError, ModelUnsupported, NotDone, RequestRefused
from dsassist_runtime.gguf import GgufHeader, fim_orders, read_header
from dsassist_runtime.llama.context import AbortFlag, Context
from dsassist_runtime.llama.routing import RoutingObserver
from dsassist_runtime.llama.sampler import Sampler

__all__ = ["LocalEngine", "Request"]

Request = InfillRequest | CompletionRequest | ChatRequest | ScoreRequest | ContinuationsRequest

_LARGEST_AUTOMATIC_CONTEXT = 8192
_LEAST_CONTEXT = 64
_N_BATCH = 256
_N_OUTPUTS = 64
_N_SEQUENCES = 64
_LARGEST_SCORING_CONTEXT = 4096
_SCORING_SEQUENCES = 20
_KINDS: dict[type, Literal["infill", "complete", "chat"]] = {
    InfillRequest: "infill",
    CompletionRequest: "complete",
    ChatRequest: "chat",
}
_ORPHAN_S = 0.2
_TOKENS_READ = 4096


class _Sizes(TypedDict):
    n_ctx: int
    n_batch: int
    n_threads: int
    n_seq_max: int
    n_outputs_max: int


class LocalEngine:
    """Owns the native objects. All methods belong to one thread; only `interruption` is for others."""

    def __init__(self, settings: EngineSettings, on_progress: Callable[[float], None] | None = None) -> None:
        """Load the model; `ModelError` when it cannot serve."""
        header = read_header(settings.model_path)
        if 0 < settings.n_ctx < _LEAST_CONTEXT:
            raise NotDone(
                f"engine.n_ctx is {settings.n_ctx}; a context has {_LEAST_CONTEXT} tokens at least (0: automatic)"
            )
        self.snapshot: EngineStatus | None = None  # the status when the last large batch began
        self._flag = AbortFlag()
        self.interruption = Interruption(self._flag)
        self._n_threads = settings.n_threads or default_threads()
        with ExitStack() as stack:
            opened = stack.enter_context(closing(open_model(settings, header, on_progress)))
            self._model, self._streamed = opened.model, opened.streamed
            n_ctx = settings.n_ctx or min(self._model.n_ctx_train, _LARGEST_AUTOMATIC_CONTEXT)
            # Half as much again: a completion finds room beside a long chat, and something stays for the next one.
            self._context = stack.enter_context(closing(self._new_context(n_ctx + n_ctx // 2, _N_SEQUENCES)))
            self._draft = self._draft_model(settings.draft_model_path)
            if self._draft is not None:
                stack.callback(self._draft.close)
            self._close = stack.pop_all()
        self._streaming = Streaming(self._streamed, opened.expected) if self._streamed is not None else None
        is_streamed = self._streaming is not None
        self._facts = self._read_facts(settings, n_ctx, header)
        self._lookup = Lookup()
        has_cells = self._model.has_cells
        drafters: list[Drafter] = [self._lookup, *([self._draft] if self._draft is not None else [])]
        # A wrong guess must be taken back.
        self._speculation = Speculation(drafters if has_cells else [], is_streamed=is_streamed)
        self._cache = PrefixCache(self._context, self._context.n_ctx, _N_SEQUENCES, can_cut=has_cells)
        self._parts = self._new_parts(self._context, self._cache)
        self._scheduler = Scheduler(
            self._cache,
            n_batch=self._context.n_batch,
            n_outputs=_N_OUTPUTS,
            max_sequences=_N_SEQUENCES - 8,
            is_streamed=is_streamed,
        )
        self._jobs: dict[int, Job] = {}
        self._meter = Meter()
        self._loop = DecodeLoop(
            self._context,
            self._cache,
            self._scheduler,
            self.interruption,
            self._speculation,
            self._meter,
            n_threads=self._n_threads,
            followers=[self._draft] if self._draft is not None else [],
            before_long_batch=self._note_status,
            storage=self._streaming,
        )
        self._saved: SavedPrefixes | None = None
        self._local_ids = iter(range(-1, -(1 << 60), -1))

    def facts(self) -> ModelFacts:
        """What is known of the model."""
        return self._facts

    def submit(self, request_id: int, request: Request, emit: Emit) -> None:
        """Begin a request; its events go to `emit`, the last of them exactly once. Errors are events as well."""
        now = time.perf_counter()
        deadline = now + request.deadline_ms / 1000 if request.deadline_ms else None
        document = request.document if isinstance(request, Generation) else ""
        ticket = Ticket(request_id, request.priority, self._counted(request_id, emit), now, deadline, document)
        job: Job | None = None
        try:
            if isinstance(request, InfillRequest) and document and self._adopted(ticket, request):
                return
            if request.priority != "idle":
                self._end_orphans()
            if self._streaming is not None and isinstance(request, InfillRequest):
                self._streaming.turn_to(request.repository)
            job = self._jobs[request_id] = self._new_job(ticket, request)
            self._scheduler.submit(job)
        except Exception as error:
            if job is None:
                ticket.emit(error)
            else:
                job.fail(error)

    def cancel(self, request_id: int) -> None:
        """End a request early; nothing happens when it is over.

        An editor cancels a completion at each keystroke, and asks for the next one a moment later: what is being
        written for a document goes on for so long.
        """
        job = self._jobs.get(request_id)
        if job is None:
            return
        if isinstance(job, Writing) and job.ticket.document and job.ticket.priority == "interactive" and job.decoding:
            job.orphan(time.perf_counter() + _ORPHAN_S)
        else:
            job.end("cancelled")

    def step(self) -> bool:
        """Evaluate one batch; False when there is nothing to do."""
        if self._streaming is not None:
            self._streaming.between(time.perf_counter())
        batch = self._loop.step()
        if batch is None:
            return False
        for job, _own in batch.parts:
            if isinstance(job, Writing) and job.adoption_failed:
                self._replace(job)
        return True

    def prepare(self) -> bool:
        """Do a part of what a later request would have to wait for; False when nothing is left of it.

        It takes 10 ms, or until something arrives.
        """
        if self._facts.fim_orders and self._model.vocabulary.beginnings.advance(_TOKENS_READ):
            return True
        return self._streaming is not None and self._streaming.read_ahead(lambda: not self._loop.is_quiet())

    def watch(self, is_quiet: Callable[[], bool]) -> None:
        """Ask `is_quiet` between two tokens whether nothing has arrived that `submit` or `cancel` is for."""
        self._loop.is_quiet = is_quiet

    def _note_status(self) -> None:
        self.snapshot = self.status()  # for somebody who asks while a long batch runs

    def next_deadline(self) -> float | None:
        """When `step` has something to do although nothing arrives (`time.perf_counter()` seconds)."""
        times = [self._scheduler.next_deadline(), None if self._streaming is None else self._streaming.next_step]
        return min((found for found in times if found is not None), default=None)

    @property
    def lost(self) -> ModelError | None:
        """Why no request can be answered any more, as the model's file is another now; None while all is well."""
        return None if self._streaming is None else self._streaming.lost

    def events(self, request: Request) -> Iterator[Event]:
        """Do one request here and now, and yield its events; closing the iterator cancels it. For one caller alone."""
        arrived: list[Event] = []
        request_id = next(self._local_ids)
        self.submit(request_id, request, arrived.append)
        try:
            while request_id in self._jobs or arrived:
                if not arrived:
                    self.step()
                while arrived:
                    event = arrived.pop(0)
                    if isinstance(event, Exception):
                        raise event
                    yield event
        finally:
            self.cancel(request_id)

    def tokenize(self, content: str, *, add_special: bool, parse_special: bool) -> list[int]:
        """The model's tokens of a text."""
        return self._model.vocabulary.tokenize(content, add_special=add_special, parse_special=parse_special)

    def detokenize(self, tokens: list[int]) -> str:
        """The text of tokens."""
        n_tokens = self._model.vocabulary.n_tokens
        if wrong := next((token for token in tokens if not 0 <= token < n_tokens), None):
            raise RequestRefused(f"the token {wrong} is not in the vocabulary, which has {n_tokens}")
        return self._model.vocabulary.detokenize(tokens)

    def render(self, request: ChatRequest) -> str:
        """The prompt of a chat as text."""
        return self._template.render(request.messages, request.tools, **(request.template_arguments or {}))

    def keep_prefixes_in(self, folder: Path) -> None:
        """Use the prefixes that an earlier engine saved there, when a prompt begins with them, and `save` there."""
        files = [path for path in (self._facts.path, self._facts.lora_path) if path is not None]
        self._saved = SavedPrefixes(folder, files, self._context, self._cache)

    def keep_heat_in(self, folder: Path) -> None:
        """Where experts are streamed: remember there which of them each project uses, and read these ahead."""
        if self._streaming is not None:
            self._streaming.keep_heat_in(folder)

    def save(self) -> dict[str, int]:
        """Save the hot prefixes for a later engine; `NotDone` when they cannot be written."""
        if self._streaming is not None:
            self._streaming.save()
        sequences, tokens = self._saved.save() if self._saved is not None else (0, 0)
        return {"sequences": sequences, "tokens": tokens}

    def forget_everything(self) -> None:
        """Empty the prefix cache of what no request uses."""
        self._cache.clear()

    def status(self) -> EngineStatus:
        """What is going on."""
        now = time.perf_counter()
        return self._meter.status(
            requests=tuple(job.status(now) for job in self._scheduler.jobs() if not job.finished),
            cache=self._cache,
            preemptions=self._scheduler.preemptions,
            n_threads=self._loop.n_threads,
            n_threads_limit=self._n_threads,
            speculating=self._speculation.on,
            streaming=None if self._streaming is None else self._streaming.status(),
        )

    def close(self) -> None:
        """Free everything."""
        for job in list(self._scheduler.jobs()):
            job.end("cancelled")
        if self._streaming is not None:
            self._streaming.save()
        self._close.close()

    # Requests become jobs

    def _adopted(self, ticket: Ticket, request: InfillRequest) -> bool:
        """Let a text that is being written go on for `request` where it fits; other requests of the document end."""
        adopted = False
        for job in list(self._scheduler.jobs()):
            if job.finished or job.ticket.document != request.document or job.ticket.priority != request.priority:
                continue
            if not adopted and isinstance(job, Writing) and job.fits(request):
                self._jobs[ticket.request] = job
                job.hand_over(ticket, request)
                self._meter.adoptions += 1
                adopted = True
            else:
                job.end("superseded")
        return adopted

    def _end_orphans(self) -> None:
        """Somebody else has work to do."""
        for job in list(self._scheduler.jobs()):
            if isinstance(job, Writing) and job.orphaned:
                job.end("cancelled")

    def _new_job(self, ticket: Ticket, request: Request) -> Job:
        if isinstance(request, (ScoreRequest, ContinuationsRequest)):
            return self._new_scoring(ticket, request)
        _check(request)
        if isinstance(request, InfillRequest) and request.trace_experts:
            return self._new_traced(ticket, request)
        return self._new_writing(ticket, request, self._parts)

    def _new_writing(self, ticket: Ticket, request: Generation, parts: Parts) -> Writing:
        gap, owed = None, b""
        if isinstance(request, InfillRequest):
            infill = self._infill_prompt(request)
            prompt, owed = infill.tokens, infill.owed
            gap_fits = infill.order == "psm" and request.n == 1
            if request.gap_tokens and gap_fits and self._model.has_cells and parts.context.can_shift:
                key = request.document or request.suffix
                mark, *suffix = infill.after
                gap = GapPrompt(key, (*infill.head, *infill.before, mark), tuple(suffix), request.gap_tokens)
        else:
            prompt = self._prompt(request)
        if len(prompt) >= parts.n_ctx:
            raise RequestRefused(
                f"the prompt has {len(prompt)} tokens and the context {parts.n_ctx}; shorten it, or raise engine.n_ctx"
            )
        if self._saved is not None and parts is self._parts and request.cache_prompt:
            self._saved.restore(prompt)
        sampler = Sampler(request.sampling, self._model.vocabulary, parts.n_ctx)
        return Writing(parts, ticket, _KINDS[type(request)], request, prompt, sampler, gap, owed)

    def _infill_prompt(self, request: InfillRequest) -> InfillPrompt:
        vocabulary, marks = self._model.vocabulary, self._model.vocabulary.fim
        if marks is None or not self._facts.fim_orders:
            raise ModelUnsupported(
                f"{self._facts.name} has no fill-in-the-middle tokens, so it cannot complete code; choose another model"
            )
        order = self._facts.fim_orders[0] if request.order == "auto" else request.order
        return infill_prompt(vocabulary, marks, order, self._facts.n_ctx, request)

    def _between(self, request: InfillRequest) -> list[int]:
        return self._infill_prompt(request).tokens

    def _prompt(self, request: Generation) -> list[int]:
        vocabulary = self._model.vocabulary
        if isinstance(request, ChatRequest):
            arguments = request.template_arguments or {}
            if not isinstance(arguments, dict):
                raise RequestRefused("the arguments of the chat template must be an object")
            return self._template.tokens(request.messages, request.tools, **arguments)
        assert isinstance(request, CompletionRequest), type(request)
        tokens = list(request.tokens) or vocabulary.tokenize(request.prompt, add_special=True, parse_special=True)
        if wrong := next((token for token in tokens if not 0 <= token < vocabulary.n_tokens), None):
            raise RequestRefused(
                f"the token {wrong} of the prompt is not in the vocabulary, which has {vocabulary.n_tokens}"
            )
        if not tokens:  # something must stand before the first token
            tokens = [vocabulary.bos] if vocabulary.bos is not None else vocabulary.tokenize("\n")
        return tokens

    @functools.cached_property
    def _template(self) -> ChatTemplate:
        return ChatTemplate(self._model.chat_template or "", self._model.vocabulary, self._facts.name)

    def _new_scoring(self, ticket: Ticket, request: ScoreRequest | ContinuationsRequest) -> Scoring:
        if not self._model.has_cells:
            raise ModelUnsupported(
                f"{self._facts.name} is a recurrent or hybrid model, which cannot compare texts; choose another model"
            )
        vocabulary, (context, cache) = self._model.vocabulary, self._scoring_memory
        if isinstance(request, ScoreRequest):
            if request.suffix is not None:  # refused at once where the model has no form for it
                self._infill_prompt(InfillRequest("", "", max_tokens=0))
            return Scoring(ticket, context, lambda: score_edits(context, cache, vocabulary, request, self._between))
        return Scoring(ticket, context, lambda: score_continuations(context, cache, vocabulary, request))

    @functools.cached_property
    def _scoring_memory(self) -> tuple[Context, PrefixCache]:
        """A KV cache for scores alone: where others come and go, the last digits of a score would change."""
        n_cells = min(self._facts.n_ctx, _LARGEST_SCORING_CONTEXT)
        context = self._new_context(n_cells, _SCORING_SEQUENCES)
        self._close.callback(context.close)
        return context, PrefixCache(context, n_cells, _SCORING_SEQUENCES)

    def _new_traced(self, ticket: Ticket, request: InfillRequest) -> Writing:
        """A text in a context of its own, which observes the routing."""
        if not self._facts.n_experts:
            raise ModelUnsupported(f"{self._facts.name} has no experts to trace: it is a dense model")
        if request.n > 1:
            raise RequestRefused("the routing of one text at a time can be traced; ask for n = 1")
        observer = RoutingObserver(self._facts.n_experts)
        prompt = self._infill_prompt(request)
        n_ctx = len(prompt.tokens) + len(prompt.owed) + request.max_tokens
        context = self._new_context(n_ctx, 1, observer)
        emit = ticket.emit

        def with_routing(event: Event) -> None:
            if isinstance(event, (GenerationEnd, Exception)):
                context.close()
            emit(replace(event, routing=observer.result()) if isinstance(event, GenerationEnd) else event)

        ticket.emit = with_routing
        return self._new_writing(ticket, request, self._new_parts(context, self._own_cache(context)))

    def _own_cache(self, context: Context) -> PrefixCache:
        return PrefixCache(context, context.n_ctx, 1, can_cut=self._model.has_cells)

    def _draft_model(self, path: Path | None) -> DraftModel | None:
        return None if path is None else DraftModel(path, self._model.vocabulary, self._n_threads, self._flag)

    def _new_context(self, n_cells: int, n_sequences: int, observer: RoutingObserver | None = None) -> Context:
        n_batch = min(_N_BATCH, n_cells)
        sizes: _Sizes = {
            "n_ctx": n_cells,
            "n_batch": n_batch,
            "n_threads": self._n_threads,
            "n_seq_max": n_sequences,
            "n_outputs_max": min(_N_OUTPUTS, n_batch),
        }
        if self._streamed is not None and observer is None:
            return self._streamed.new_context(**sizes, abort=self._flag)
        # What observes a streamed model computes with the mapped file: slower, and the same numbers.
        callback = observer.callback if observer else None
        return Context(self._model, **sizes, abort=self._flag, eval_callback=callback)

    def _new_parts(self, context: Context, cache: PrefixCache) -> Parts:
        return Parts(
            context=context,
            vocabulary=self._model.vocabulary,
            cache=cache,
            gaps=Gaps(context, cache),
            speculation=self._speculation if context is self._context else Speculation([]),
            n_ctx=min(self._facts.n_ctx, context.n_ctx),
            n_outputs=min(_N_OUTPUTS, context.n_batch),
            end_tokens=lambda: self._end_tokens,
            now=time.perf_counter,
        )

    @functools.cached_property
    def _end_tokens(self) -> list[int]:
        vocabulary = self._model.vocabulary
        return [token for token in range(vocabulary.n_tokens) if vocabulary.is_end(token)]

    def _replace(self, job: Writing) -> None:
        """What was typed is not what was being written: answer the request that had adopted it anew."""
        assert job.newer is not None
        ticket, request = job.ticket, job.newer
        job.leave()
        anew: Job | None = None
        try:
            anew = self._jobs[ticket.request] = self._new_writing(ticket, request, self._parts)
            self._scheduler.submit(anew)
        except Exception as error:
            if anew is None:
                ticket.emit(error)
            else:
                anew.fail(error)

    def _counted(self, request_id: int, emit: Emit) -> Emit:
        """Count what the events say, and forget the request behind its last one."""

        def counted(event: Event) -> None:
            if isinstance(event, PromptRead):
                self._meter.prompt(event)
            elif not isinstance(event, TextPiece):
                job = self._jobs.pop(request_id, None)
                self.interruption.forget(request_id)
                self._meter.end(event)
                done = isinstance(event, GenerationEnd) and event.finish_reason != "superseded"
                if done and isinstance(job, Writing):
                    self._lookup.remember(job.written_tokens)
            emit(event)

        return counted

    def _read_facts(self, settings: EngineSettings, n_ctx: int, header: GgufHeader) -> ModelFacts:
        model, vocabulary = self._model, self._model.vocabulary
        architecture = model.metadata("general.architecture") or "unknown"
        return ModelFacts(
            name=model.metadata("general.name") or settings.model_path.stem,
            path=settings.model_path,
            architecture=architecture,
            n_ctx=n_ctx,
            n_experts=int(model.metadata(f"{architecture}.expert_count") or 0),
            n_experts_used=int(model.metadata(f"{architecture}.expert_used_count") or 0),
            fim_orders=fim_orders(header) if vocabulary.fim else (),
            # ChatML serves where there is none, see `chat.ChatTemplate`.
            has_chat_template=model.chat_template is not None
            or len(vocabulary.tokenize("<|im_start|>", parse_special=True)) == 1,
            chat_template=model.chat_template or "",
            n_vocab=vocabulary.n_tokens,
            n_ctx_train=model.n_ctx_train,
            n_params=model.n_params,
            size_bytes=header.file_bytes,
            bos_text=vocabulary.mark(vocabulary.bos) if vocabulary.bos is not None else "",
            eos_text=vocabulary.mark(vocabulary.eos) if vocabulary.eos is not None else "",
            lora_path=settings.lora_path,
        )


def _check(request: Generation) -> None:
    """Refuse what no model can do; `Sampler` checks the sampling's own values."""
    if request.max_tokens < 0 or getattr(request, "max_prompt_tokens", 0) < 0:
        raise RequestRefused("max_tokens and max_prompt_tokens must be 0 or more")
    if not 1 <= request.n <= 16:
        raise RequestRefused(f"n is {request.n}; between 1 and 16 texts can be written at once")
    if request.logprobs is not None and not 0 <= request.logprobs <= 100:
        raise RequestRefused(f"logprobs is {request.logprobs}; it must be between 0 and 100")
    begun = isinstance(request, InfillRequest) and request.begun
    if begun and (request.sampling.grammar or request.sampling.json_schema is not None):
        raise RequestRefused("a grammar cannot go on with what is begun; put that at the end of the prefix")
    if request.deadline_ms < 0 or request.predict_ms < 0 or request.min_indent < 0:
        raise RequestRefused("deadline_ms, predict_ms and min_indent must be 0 or more")


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
