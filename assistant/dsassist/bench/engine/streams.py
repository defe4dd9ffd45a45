"""Several streams at once: what they get together, prompts included."""

from __future__ import annotations

import asyncio

from dsassist.bench.engine.client import ask
from dsassist.bench.engine.requests import completion
from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.trial import Measured, Trial, beside, take_turns

__all__ = ["measure"]

_OF_PEER_BAR = 1.0
_PROMPT_TOKENS = 48


async def measure(trial: Trial) -> Measured:
    """Tokens per second of all streams together, from the moment they are asked to the last token of the last."""
    n_streams = trial.sizes.streams
    prompts = [[await trial.texts.code(_PROMPT_TOKENS) for _ in range(n_streams)] for _ in range(trial.repeats)]

    async def speed(server: Server, turn: int) -> float:
        requests = [completion(prompt, trial.sizes.stream_tokens) for prompt in prompts[turn]]
        replies = await asyncio.gather(*(ask(server.address, request) for request in requests))
        took = max(reply.sent_at + reply.end_s for reply in replies) - min(reply.sent_at for reply in replies)
        return sum(reply.completion_tokens for reply in replies) / took

    speeds = await take_turns(trial.servers, trial.repeats, speed)
    return Measured(beside(f"{n_streams} streams together", "tokens/s", speeds, "higher", _OF_PEER_BAR))
