"""The engine's figures: totals since its start, and how fast it was lately."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from dsassist_runtime.api import EngineStatus, GenerationEnd, PromptRead, SequenceStatus, StreamingStatus
from dsassist_runtime.engine.job import Event
from dsassist_runtime.engine.prefix_cache import PrefixCache

__all__ = ["Meter"]

_SMOOTHING = 0.1


class Meter:
    """Counts; everything is told to it."""

    def __init__(self) -> None:
        self.adoptions = 0
        self.evaluated_tokens = 0  # of prompts, also of those that were not read to their end
        self._prompt = self._cached = self._written = self._drafted = self._accepted = self._batches = 0
        self._finished: Counter[str] = Counter()
        self._token_ms = self._decode_rate = self._prefill_rate = 0.0

    def batch(self, n_tokens: int, n_decoding: int, elapsed_ms: float) -> None:
        """A batch of `n_tokens` was evaluated, `n_decoding` of them being the next token of a text."""
        self._batches += 1
        rate = 1000 * n_tokens / elapsed_ms
        if n_decoding == n_tokens:
            self._decode_rate = _smoothed(self._decode_rate, rate)
            if n_tokens == 1:
                self._token_ms = _smoothed(self._token_ms, elapsed_ms)
        elif n_tokens >= 16:
            self._prefill_rate = _smoothed(self._prefill_rate, rate)

    def prompt(self, event: PromptRead) -> None:
        """A prompt was read."""
        self._prompt += event.prompt_tokens
        self._cached += event.cached_tokens

    def end(self, event: Event) -> None:
        """A request got its last event."""
        if isinstance(event, GenerationEnd):
            self._finished[event.finish_reason] += 1
            self._written += event.completion_tokens
            self._drafted += event.drafted_tokens
            self._accepted += event.accepted_tokens
        else:
            self._finished["error" if isinstance(event, Exception) else "score"] += 1

    def status(
        self,
        *,
        requests: tuple[SequenceStatus, ...],
        cache: PrefixCache,
        preemptions: int,
        n_threads: int,
        n_threads_limit: int,
        speculating: bool,
        streaming: StreamingStatus | None,
    ) -> EngineStatus:
        """All of it, beside what the others know."""
        return EngineStatus(
            requests=requests,
            kv_tokens=cache.used,
            kv_tokens_limit=cache.n_cells,
            cached_tokens=cache.idle_tokens,
            cached_sequences=cache.idle_sequences,
            n_threads=n_threads,
            n_threads_limit=n_threads_limit,
            token_ms=self._token_ms,
            prefill_tokens_per_s=self._prefill_rate,
            decode_tokens_per_s=self._decode_rate,
            speculating=speculating,
            rss_bytes=_rss_bytes(),
            prompt_tokens_total=self._prompt,
            prompt_tokens_cached_total=self._cached,
            evaluated_tokens_total=self.evaluated_tokens,
            completion_tokens_total=self._written,
            drafted_tokens_total=self._drafted,
            accepted_tokens_total=self._accepted,
            batches_total=self._batches,
            preemptions_total=preemptions,
            adoptions_total=self.adoptions,
            evicted_tokens_total=cache.evicted_tokens,
            finished_total=dict(self._finished),
            streaming=streaming,
        )


def _smoothed(before: float, now: float) -> float:
    return now if not before else before + _SMOOTHING * (now - before)


def _rss_bytes() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmRSS:"))
    except OSError:  # macOS tells the most that it ever was
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
