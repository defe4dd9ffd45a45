"""What the runtime offers to the packages above it: an `Engine`, and the values that go in and come out.

`client.Client` is the engine that everything uses (it speaks to the server); `testing.ScriptedEngine` is the one fake.
Texts are `str`, positions in them are code points, times are milliseconds, log-probabilities are natural logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Protocol

__all__ = [
    "PRIORITIES",
    "ChatRequest",
    "ChoiceEnd",
    "CompletionRequest",
    "ContextFile",
    "ContinuationScore",
    "ContinuationsRequest",
    "Edit",
    "EditScore",
    "Engine",
    "EngineSettings",
    "EngineStatus",
    "ExpectedSpeed",
    "FimOrder",
    "FinishReason",
    "Generation",
    "GenerationEnd",
    "InfillRequest",
    "LayerRouting",
    "ModelFacts",
    "Priority",
    "PromptRead",
    "Sampling",
    "ScoreRequest",
    "SeenSpeed",
    "SequenceStatus",
    "StreamedWork",
    "StreamingStatus",
    "TextPiece",
    "TextStream",
    "TokenBias",
    "TokenLogprob",
    "TopLogprob",
]

FimOrder = Literal["psm", "spm"]

# Who goes first: somebody who types, somebody who waits for an answer, a review, and what may take all day.
Priority = Literal["interactive", "chat", "review", "idle"]
PRIORITIES: tuple[Priority, ...] = ("interactive", "chat", "review", "idle")

# "superseded": a newer request for the same document took its place. "deadline": its time was up while it wrote.
FinishReason = Literal["stop", "length", "cancelled", "superseded", "deadline"]


@dataclass(frozen=True)
class EngineSettings:
    """Which model the engine holds, and how. Two equal settings share one loaded model.

    `n_ctx` is the most tokens of one request, 0 lets the engine choose (the model's own, at most 8192); `n_threads` 0
    means the machine's physical cores, of which the engine uses fewer while other programs are busy. A draft model must
    have the vocabulary of the model, and a LoRA adapter must be one of that model.

    With the `plan` "auto" the engine decides what of the model lies in VRAM, in RAM and on disk, within `ram_bytes` and
    `vram_bytes` (None: what is free, but for a reserve); `n_gpu_layers` other than 0 takes the place of a plan.
    """

    model_path: Path
    n_ctx: int = 0
    n_threads: int = 0
    n_gpu_layers: int = 0
    draft_model_path: Path | None = None
    plan: Literal["auto", "off"] = "auto"
    ram_bytes: int | None = None
    vram_bytes: int | None = None
    lora_path: Path | None = None


@dataclass(frozen=True)
class ModelFacts:
    """What a client wants to know of the loaded model."""

    name: str
    path: Path
    architecture: str
    n_ctx: int
    n_experts: int
    n_experts_used: int
    fim_orders: tuple[FimOrder, ...]  # preferred first; empty when the model cannot fill in the middle
    has_chat_template: bool
    chat_template: str = ""  # Jinja, as it stands in the file
    n_vocab: int = 0
    n_ctx_train: int = 0
    n_params: int = 0
    size_bytes: int = 0
    bos_text: str = ""
    eos_text: str = ""
    lora_path: Path | None = None  # the adapter that it computes with


@dataclass(frozen=True)
class TokenBias:
    """Added to the logit of a token; -inf forbids it (in JSON: null)."""

    token: int
    bias: float | None


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; `temperature` 0 is greedy, and `seed` None draws a new one.

    The penalties are llama.cpp's and look at the last `repeat_last_n` tokens (-1: all). A `grammar` is GBNF, a
    `json_schema` a JSON value; at most one of them is given.
    """

    temperature: float = 0.3
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    repeat_penalty: float = 1.0
    repeat_last_n: int = 64
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    logit_bias: tuple[TokenBias, ...] = ()
    grammar: str = ""
    json_schema: Any = None


@dataclass(frozen=True, kw_only=True)
class Generation:
    """What all requests for text have in common.

    `n` texts share the prompt. `logprobs` is the number of alternatives reported beside each token (0: the token
    alone; None: nothing). Of two interactive requests with the same `document`, the newer one takes the older one's
    place, and goes on with its text where that fits what was typed meanwhile. `deadline_ms` counts from the arrival at
    the server, waiting and loading included; `predict_ms` counts from the first token and ends the text only behind a
    line break, as llama.cpp's `t_max_predict_ms`; 0 is no limit. `min_indent` ends the text before a line that is
    indented by less, as llama.cpp's `n_indent`.
    """

    max_tokens: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    n: int = 1
    logprobs: int | None = None
    priority: Priority = "chat"
    document: str = ""
    deadline_ms: float = 0.0
    predict_ms: float = 0.0
    min_indent: int = 0
    ignore_eos: bool = False
    cache_prompt: bool = True
    speculate: bool = True


@dataclass(frozen=True)
class ContextFile:
    """A part of another file that the model should see, in the form it was trained on where it knows one."""

    path: str
    text: str


@dataclass(frozen=True)
class InfillRequest(Generation):
    """Write what belongs between `prefix` and `suffix`; `prompt` stands right before the place, as llama.cpp has it.

    `begun` is the beginning of the middle that stands in the document already, such as "\\n    self.na": the new line,
    as far as it was typed. It is evaluated last of all, so a keystroke costs its own tokens only, and what is written
    goes on behind it in the middle of a word as well: its last token is chosen anew among those that begin alike, and
    the text does not contain it again (docs/engine.md: Begun middles).

    The engine clips the prefix from its start and the suffix from its end, at line ends, to `max_prompt_tokens` (0:
    what the context holds beside `max_tokens` and `begun`), at most a quarter of it for the suffix; `extra` gets what
    is left, the last files first. `begun` comes on top, at most as long: what is typed changes nothing before it.
    `repository` and `path` name what is edited to a model that was trained on repositories, and to others in a
    comment. In the order prefix, suffix, middle, `gap_tokens` leaves so many positions free behind the prefix, so that
    the suffix stays evaluated while up to so many tokens are typed (an approximation: docs/engine.md has its price).
    `order` is the model's own unless it is forced. `trace_experts` records the routing (slower).
    """

    prefix: str
    suffix: str
    extra: tuple[ContextFile, ...] = ()
    prompt: str = ""
    begun: str = ""
    repository: str = ""
    path: str = ""
    max_prompt_tokens: int = 0
    gap_tokens: int = 0
    order: Literal["auto", "psm", "spm"] = "auto"
    trace_experts: bool = False
    priority: Priority = field(default="interactive", kw_only=True)


@dataclass(frozen=True)
class CompletionRequest(Generation):
    """Go on behind `prompt`, in which marks such as `<|im_start|>` are tokens, or behind `tokens` if there are any."""

    prompt: str = ""
    tokens: tuple[int, ...] = ()
    echo_logprobs: bool = False  # also report the log-probabilities of the prompt's own tokens, in `PromptRead`


@dataclass(frozen=True)
class ChatRequest(Generation):
    """Answer `messages` (OpenAI's objects) by the model's own chat template; `tools` are OpenAI's too, and optional."""

    messages: Any
    tools: Any = None
    template_arguments: Any = None  # further variables of the template (llama.cpp's `chat_template_kwargs`)


@dataclass(frozen=True)
class LayerRouting:
    """How often each routed expert of one layer was chosen, over all tokens of a request."""

    layer: int
    counts: tuple[int, ...]  # (n_experts,)


@dataclass(frozen=True)
class PromptRead:
    """The prompt is in the cache: `cached_tokens` of its `prompt_tokens` were reused, not evaluated."""

    prompt_tokens: int
    cached_tokens: int
    logprobs: tuple[TokenLogprob, ...] = ()  # of the prompt behind its first token, where they were asked for
    prompt_ms: float = 0.0  # that it took, without the time before it began


@dataclass(frozen=True)
class TopLogprob:
    """A token that could have stood there."""

    token: int
    text: str
    logprob: float


@dataclass(frozen=True)
class TokenLogprob:
    """A token that was chosen, with its log-probability before temperature and filters, and the most likely ones."""

    token: int
    text: str  # a part of a UTF-8 sequence shows as U+FFFD; `raw` has the bytes
    logprob: float
    raw: tuple[int, ...] = ()
    top: tuple[TopLogprob, ...] = ()


@dataclass(frozen=True)
class TextPiece:
    """Some text of choice `index` that is certain, and how many of its tokens were decoded so far.

    `text` may be empty where only log-probabilities are reported: a token's may come before its text is certain. Behind
    a begun middle they are those of the tokens that bring text; one that spans the seam counts whole.
    """

    text: str
    completion_tokens: int
    index: int = 0
    logprobs: tuple[TokenLogprob, ...] = ()


@dataclass(frozen=True)
class ChoiceEnd:
    """How one of several texts ended."""

    index: int
    finish_reason: FinishReason
    completion_tokens: int


@dataclass(frozen=True)
class GenerationEnd:
    """The figures of a generation; `completion_tokens` counts what was decoded, shown or not, over all choices.

    With several choices, `finish_reason` is the first one's and `choices` has them all. `stop_text` is the stop string
    that was met. Of `drafted_tokens`, `accepted_tokens` were right guesses of the speculation.
    """

    finish_reason: FinishReason
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    ttft_ms: float
    total_ms: float
    routing: tuple[LayerRouting, ...] = ()
    stop_text: str = ""
    queue_ms: float = 0.0
    prompt_ms: float = 0.0
    predict_ms: float = 0.0
    drafted_tokens: int = 0
    accepted_tokens: int = 0
    adopted: bool = False
    choices: tuple[ChoiceEnd, ...] = ()


class TextStream(Protocol):
    """Pieces of text as they are written; never a cut UTF-8 sequence. To be inherited from.

    `close` stops the engine within a token, and is safe from another thread and twice.
    """

    @property
    def end(self) -> GenerationEnd | None:
        """The figures once the iteration is over; after a `close` those until then, as `cancelled`; before, None."""

    def __iter__(self) -> Iterator[str]:
        """The text as it is written."""
        return (piece.text for piece in self.pieces())

    def pieces(self) -> Iterator[TextPiece]:
        """The same with the count of tokens, and the log-probabilities if they were asked for; read one or the other.

        A piece that carries log-probabilities alone has an empty text. Of several choices only the first one's come.
        """

    def close(self) -> None:
        """Stop the decode; a running iteration ends without an error."""

    def __enter__(self) -> TextStream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True)
class Edit:
    """Replace `text[start:end]` of a `ScoreRequest` by `replacement` (code points; an empty range inserts)."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True)
class ScoreRequest:
    """Compare `text` with each of `edits` applied to it alone, `context` standing before both.

    One forward pass over `context + text` ranks the edits by log p(first differing token of the edit) minus that of the
    text; the best `max_rescored`, at most `max_per_site` with the same range, are evaluated whole: the differing tokens
    and the next `suffix_tokens` that both versions share.

    Where there is a `suffix`, the model sees what follows `text` as well: `text` is the middle of its own form of
    fill-in-the-middle, between `context` and `suffix`, of which what is too long is left out.
    """

    context: str
    text: str
    edits: tuple[Edit, ...]
    max_rescored: int = 8
    max_per_site: int = 2
    suffix_tokens: int = 20
    priority: Priority = "review"
    deadline_ms: float = 0.0
    suffix: str | None = None


@dataclass(frozen=True)
class EditScore:
    """Log-probabilities per token of one rescored edit, for the text as written and for the alternative.

    `site_*` are the tokens that differ; `suffix_*` are the identical tokens behind them, equally many. Where the edit
    only adds tokens `site_original` is empty; where it only removes some, the first token behind them counts to both
    sites.
    """

    edit: Edit
    site_original: tuple[float, ...]
    site_alternative: tuple[float, ...]
    suffix_original: tuple[float, ...]
    suffix_alternative: tuple[float, ...]


@dataclass(frozen=True)
class ContinuationsRequest:
    """How likely is each of `continuations` behind `prefix`? Both are plain text; the prefix is evaluated once.

    Each continuation is tokenized by itself, so a prefix should end where a token does, at a line's end for instance.
    """

    prefix: str
    continuations: tuple[str, ...]
    priority: Priority = "review"
    deadline_ms: float = 0.0


@dataclass(frozen=True)
class ContinuationScore:
    """The tokens of one continuation, and the log-probability of each behind all that stands before it."""

    tokens: tuple[int, ...]
    logprobs: tuple[float, ...]


@dataclass(frozen=True)
class SequenceStatus:
    """A request as it stands."""

    request: int
    kind: Literal["infill", "complete", "chat", "score"]
    priority: Priority
    state: Literal["waiting", "prefill", "decode", "score"]
    document: str
    prompt_tokens: int
    evaluated_tokens: int  # of the prompt, the cached ones included
    completion_tokens: int
    age_ms: float


@dataclass(frozen=True)
class StreamedWork:
    """What batches of one kind asked of a model whose experts wait on disk, since the engine's start.

    An expert is wanted once a batch, however many of its tokens use it; `misses` had to be read before. Batches that
    were broken off or failed count with their bytes alone.
    """

    batches: int = 0
    tokens: int = 0
    hits: int = 0
    misses: int = 0
    read_bytes: int = 0
    elapsed_s: float = 0.0


@dataclass(frozen=True)
class SeenSpeed:
    """How text was written lately, over the last few hundred tokens; all 0 before the first."""

    tokens_per_s: float = 0.0
    hit_rate: float = 0.0
    bytes_per_token: float = 0.0  # read from disk
    lanes_busy: float = 0.0  # of the reading threads, on average


@dataclass(frozen=True)
class ExpectedSpeed:
    """What the plan expects of text if routing is as assumed: the most, not the likely."""

    routing: Literal["even", "local"]
    tokens_per_s: float
    hit_rate: float


@dataclass(frozen=True)
class StreamingStatus:
    """How experts that wait on disk are brought. Totals count since the engine's start.

    `text` is what decodes for somebody who waits, `prompt` their prompts, `other` what nobody waits for. `budget_bytes`
    falls below `budget_limit_bytes`, the plan's, while memory is short.
    """

    budget_bytes: int
    budget_limit_bytes: int
    held_bytes: int
    expert_bytes: int  # of the whole model
    n_lanes: int
    text: StreamedWork
    prompt: StreamedWork
    other: StreamedWork
    seen: SeenSpeed
    expected: tuple[ExpectedSpeed, ...] = ()
    read_bytes_total: int = 0
    preloaded_bytes_total: int = 0
    lanes_busy_s_total: float = 0.0
    evictions_total: int = 0
    remarks: tuple[str, ...] = ()  # a sentence each


@dataclass(frozen=True)
class EngineStatus:
    """What the engine is doing, after its latest batch. Totals count since its start."""

    requests: tuple[SequenceStatus, ...]
    kv_tokens: int
    kv_tokens_limit: int
    cached_tokens: int  # of `kv_tokens`, those that no request uses: kept for the next one
    cached_sequences: int
    n_threads: int
    n_threads_limit: int
    token_ms: float  # of the recent single-token batches; 0 before the first
    prefill_tokens_per_s: float
    decode_tokens_per_s: float  # over all sequences, while any was decoding
    speculating: bool
    rss_bytes: int
    prompt_tokens_total: int = 0
    prompt_tokens_cached_total: int = 0
    evaluated_tokens_total: int = 0  # of prompts, those of cancelled requests and of guesses included
    completion_tokens_total: int = 0
    drafted_tokens_total: int = 0
    accepted_tokens_total: int = 0
    batches_total: int = 0
    preemptions_total: int = 0
    adoptions_total: int = 0
    evicted_tokens_total: int = 0
    finished_total: dict[str, int] = field(default_factory=dict)  # by finish reason, "error" and "score" among them
    streaming: StreamingStatus | None = None  # None where all of the model is in memory


class Engine(Protocol):
    """Where tokens are made. Every method may raise `NotDone` or `RequestRefused`, and is safe from several threads."""

    def facts(self) -> ModelFacts:
        """What is known of the model (it is loaded if need be)."""

    def infill(self, request: InfillRequest) -> TextStream:
        """Fill in the middle, streamed; `ModelUnsupported` when the model has no such tokens."""

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """Evaluate edits of a text, best ranked first; `DeadlineExceeded` after `timeout_s`, loading included."""

    def close(self) -> None:
        """Give up the connection; the server stays."""
