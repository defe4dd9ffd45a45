"""A client that leaves: how soon is the engine idle?

The connection is closed in the middle of reading a prompt, or of writing; then the server is asked for its state again
and again until it tells that it works on nothing. What such a question takes on an idle server is taken off.
"""

from __future__ import annotations

import asyncio
import time
from statistics import median

from dsassist.bench.engine.client import ask, exchange
from dsassist.bench.engine.preemption import REVIEW_BATCH_TOKENS
from dsassist.bench.engine.requests import completion
from dsassist.bench.engine.trial import Measured, Trial
from dsassist.bench.report import Figure

__all__ = ["measure"]

_BATCHES_BAR = 1.0
_TOKENS_BAR = 2.0
_PROMPT_TOKENS = 1500
_SHORT_PROMPT_TOKENS = 32
_MAX_TOKENS = 128  # of which the client that leaves while reading sees none, the other one a few
_QUESTIONS = 20
# The cancels come at moments spread over this share of the time that the prompt takes.
_SPREAD = 0.8


async def measure(trial: Trial) -> Measured:
    """95th percentiles, in milliseconds and in units of what was cancelled."""
    n_prompt = trial.fitting(_PROMPT_TOKENS)
    reply = await ask(trial.ours.address, completion(await trial.texts.code(n_prompt), 64))
    prompt_s, token_s = reply.first_text_s, 1 / reply.decode_tokens_per_s
    batch_s = prompt_s / reply.prompt_tokens * REVIEW_BATCH_TOKENS
    question_s = median([await _question_s(trial) for _ in range(_QUESTIONS)])
    count = trial.sizes.cancels
    delays_s = [prompt_s * _SPREAD * (i + 0.5) / count for i in range(count)]
    reading_s = [await _cancelled_s(trial, n_prompt, delay_s) - question_s for delay_s in delays_s]
    writing_s = [
        await _cancelled_s(trial, _SHORT_PROMPT_TOKENS, token_s * (2 + i % 8), after_first_text=True) - question_s
        for i in range(count)
    ]
    return Measured(
        [
            Figure("state asked of the idle server", (1e3 * question_s,), "ms"),
            Figure(f"{REVIEW_BATCH_TOKENS} tokens of a prompt", (1e3 * batch_s,), "ms"),
            Figure("one token of a text", (1e3 * token_s,), "ms"),
            _p95("cancel to idle while reading, p95", reading_s, 1e-3, "ms"),
            _p95(
                f"cancel to idle while reading, in {REVIEW_BATCH_TOKENS} tokens of a prompt, p95",
                reading_s,
                batch_s,
                "x",
                _BATCHES_BAR,
            ),
            _p95("cancel to idle while writing, p95", writing_s, 1e-3, "ms"),
            _p95("cancel to idle while writing, in tokens, p95", writing_s, token_s, "x", _TOKENS_BAR),
        ]
    )


def _p95(name: str, seconds: list[float], unit_s: float, unit: str, bar: float | None = None) -> Figure:
    return Figure(name, tuple(value / unit_s for value in seconds), unit, "lower", bar, statistic="p95")


async def _question_s(trial: Trial) -> float:
    started = time.perf_counter()
    await trial.ours.is_idle()
    return time.perf_counter() - started


async def _cancelled_s(trial: Trial, n_prompt: int, delay_s: float, *, after_first_text: bool = False) -> float:
    """Leave so long after the request, or after its first text; the seconds until the server is idle."""
    request = completion(await trial.texts.code(n_prompt), _MAX_TOKENS)
    async with exchange(trial.ours.address, request) as opened:
        if after_first_text:
            await opened.read_head()
            await anext(opened.events())
        await asyncio.sleep(delay_s)
        left_at = time.perf_counter()
    return await trial.ours.wait_until_idle() - left_at
