"""Somebody types while a review reads a long prompt: when does the completion's first text come?"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from statistics import median

from dsassist.bench.engine.client import Exchange, Request, ask, exchange
from dsassist.bench.engine.requests import completion
from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.trial import Measured, Trial, beside, take_turns
from dsassist.bench.report import Figure
from dsassist_runtime.api import Priority
from dsassist_runtime.errors import NotDone

__all__ = ["REVIEW_BATCH_TOKENS", "measure"]

REVIEW_BATCH_TOKENS = 64
_OF_PEER_BAR = 0.25
_IDLE_SHARE = 1.5
_MAX_TOKENS = 4  # of the completion
# The completions come at moments spread over this share of the time that the review takes alone.
_SPREAD = 0.8
_ATTEMPTS = 4  # with half the delay each, should the machine have become faster since


async def measure(trial: Trial) -> Measured:
    """Times to first text in milliseconds: alone, and while the review's prompt is read; every prompt is a new one."""
    n_review = trial.fitting(trial.sizes.review_tokens)
    n_completion = trial.sizes.completion_tokens
    first_review, *reviews = await _requests(trial, trial.repeats + 1, n_review, 1, "review")
    alone_requests = await _requests(trial, trial.repeats, n_completion, _MAX_TOKENS, "interactive")
    typed_requests = await _requests(trial, trial.repeats, n_completion, _MAX_TOKENS, "interactive")
    review_s = {server: (await ask(server.address, first_review)).first_text_s for server in trial.servers}

    async def idle(server: Server, turn: int) -> float:
        return 1e3 * (await ask(server.address, alone_requests[turn])).first_text_s

    async def busy(server: Server, turn: int) -> float:
        delay_s, review = review_s[server] * _SPREAD * (turn + 0.5) / trial.repeats, reviews[turn]
        for _ in range(_ATTEMPTS):
            waited_s = await _during_review(server, review, delay_s, typed_requests[turn])
            await server.wait_until_idle()
            if waited_s is not None:
                return 1e3 * waited_s
            (review,) = await _requests(trial, 1, n_review, 1, "review")  # the one that was read is in the cache
            delay_s /= 2
        raise NotDone(
            f"{server.name} reads a review of {n_review} tokens too fast here for a completion to come between"
        )

    alone = await take_turns(trial.servers, trial.repeats, idle)
    during = await take_turns(trial.servers, trial.repeats, busy)
    batch_ms = 1e3 * review_s[trial.ours] / n_review * REVIEW_BATCH_TOKENS
    allowed_ms = _IDLE_SHARE * median(alone[trial.ours]) + batch_ms
    name = "first text"
    return Measured(
        [
            *beside(f"{name}, idle", "ms", alone, "lower"),
            *beside(f"{name} during a review of {n_review} tokens", "ms", during, "lower", _OF_PEER_BAR),
            Figure(f"{REVIEW_BATCH_TOKENS} tokens of the review, {trial.ours.name}", (batch_ms,), "ms"),
            Figure(
                f"{name} during a review / ({_IDLE_SHARE} idle + {REVIEW_BATCH_TOKENS} tokens of review)",
                tuple(value / allowed_ms for value in during[trial.ours]),
                "x",
                "lower",
                1.0,
            ),
        ]
    )


async def _requests(trial: Trial, count: int, n_tokens: int, max_tokens: int, priority: Priority) -> list[Request]:
    return [completion(await trial.texts.code(n_tokens), max_tokens, priority) for _ in range(count)]


async def _during_review(server: Server, review: Request, delay_s: float, typed: Request) -> float | None:
    """Seconds to the first text of `typed`; None when the review had been read before it was sent."""
    async with exchange(server.address, review) as reading:
        first_event = asyncio.create_task(_first_event(reading))
        try:
            await asyncio.sleep(delay_s)
            return None if first_event.done() else (await ask(server.address, typed)).first_text_s
        finally:
            first_event.cancel()
            with suppress(asyncio.CancelledError, NotDone):
                await first_event


async def _first_event(reading: Exchange) -> None:
    await reading.read_head()
    async for _ in reading.events():
        return
