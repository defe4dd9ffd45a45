"""What the runtime offers to the packages above it: an `Engine`, and the values that go in and come out.

`client.Client` is the engine that everything uses (it speaks to the server); `testing.ScriptedEngine` is the one fake.
Texts are `str`, positions in them are code points, times are milliseconds, log-probabilities are natural logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol

__all__ = [
    "Edit",
    "EditScore",
    "Engine",
    "EngineSettings",
    "FimOrder",
    "GenerationEnd",
    "InfillRequest",
    "LayerRouting",
    "ModelFacts",
    "PromptRead",
    "Sampling",
    "ScoreRequest",
    "TextPiece",
    "TextStream",
]

FimOrder = Literal["psm", "spm"]


@dataclass(frozen=True)
class EngineSettings:
    """Which model the engine holds, and how. Two equal settings share one loaded model.

    `n_ctx` 0 lets the engine choose (the model's own, at most 8192); `n_threads` 0 means the machine's physical cores.
    """

    model_path: Path
    n_ctx: int = 0
    n_threads: int = 0
    n_gpu_layers: int = 0


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


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen; `temperature` 0 is greedy, and `seed` None draws a new one."""

    temperature: float = 0.3
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None


@dataclass(frozen=True)
class InfillRequest:
    """Write what belongs between `prefix` and `suffix`.

    The engine clips the prefix from its start and the suffix from its end, at line ends, to `max_prompt_tokens` (0:
    what the context holds beside `max_tokens`), at most a quarter of it for the suffix. `trace_experts` records the
    routing (slower).
    """

    prefix: str
    suffix: str
    max_tokens: int = 200
    sampling: Sampling = field(default_factory=Sampling)
    stop: tuple[str, ...] = ()
    max_prompt_tokens: int = 0
    trace_experts: bool = False


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


@dataclass(frozen=True)
class TextPiece:
    """Some text that is certain, and how many tokens were decoded so far."""

    text: str
    completion_tokens: int


@dataclass(frozen=True)
class GenerationEnd:
    """The figures of a generation; `completion_tokens` counts what was decoded, shown or not."""

    finish_reason: Literal["stop", "length", "cancelled"]
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    ttft_ms: float
    total_ms: float
    routing: tuple[LayerRouting, ...] = ()


class TextStream(Protocol):
    """Pieces of text as they are written; never a cut UTF-8 sequence.

    `close` stops the engine within a token, and is safe from another thread and twice.
    """

    @property
    def end(self) -> GenerationEnd | None:
        """The figures once the iteration is over; after a `close` those until then, as `cancelled`; before, None."""

    def __iter__(self) -> Iterator[str]: ...

    def close(self) -> None:
        """Stop the decode; a running iteration ends without an error."""

    def __enter__(self) -> TextStream: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


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
    """

    context: str
    text: str
    edits: tuple[Edit, ...]
    max_rescored: int = 8
    max_per_site: int = 2
    suffix_tokens: int = 20


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
