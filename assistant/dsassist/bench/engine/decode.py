"""One stream: how fast the text comes, beside llama-server and beside a bare loop over the same library."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from dsassist.bench.engine.client import ask
from dsassist.bench.engine.requests import completion
from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.trial import Measured, Trial, ratio_figure, take_turns
from dsassist.bench.report import Figure
from dsassist_runtime.errors import NotDone

__all__ = ["BareLoop", "bare_loop", "measure"]

_OF_BARE_BAR = 0.97
_OF_PEER_BAR = 1.0
_PROMPT_TOKENS = 64


class BareLoop:
    """A process that decodes with nothing around it; one of its own, as the engine is, with as many threads."""

    name = "bare loop"

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def decode_tokens_per_s(self, prompt: str, max_tokens: int) -> float:
        """The speed from the first token to the last."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"prompt": prompt, "max_tokens": max_tokens}).encode() + b"\n")
        line = await process.stdout.readline()
        if not line:
            raise NotDone(f"the {self.name} ended with code {await process.wait()}")
        return float(line)


async def measure(trial: Trial) -> Measured:
    """Tokens per second from the first to the last."""
    prompts = [await trial.texts.code(_PROMPT_TOKENS) for _ in range(trial.repeats)]
    n_threads = (await trial.ours.status())["n_threads_limit"]

    async def speed(arm: Server | BareLoop, turn: int) -> float:
        if isinstance(arm, BareLoop):
            return await arm.decode_tokens_per_s(prompts[turn], trial.sizes.decode_tokens)
        return (await ask(arm.address, completion(prompts[turn], trial.sizes.decode_tokens))).decode_tokens_per_s

    async with bare_loop(trial.model.path, n_threads) as bare:
        arms: Sequence[Server | BareLoop] = (bare, *trial.servers)
        speeds = await take_turns(arms, trial.repeats, speed)
    name = "one stream"
    figures = [Figure(f"{name}, {arm.name}", tuple(values), "tokens/s", "higher") for arm, values in speeds.items()]
    ours = speeds[trial.ours]
    figures.append(ratio_figure(name, trial.ours.name, bare.name, ours, speeds[bare], "higher", _OF_BARE_BAR))
    if trial.peer is not None:
        peer = trial.peer
        figures.append(ratio_figure(name, trial.ours.name, peer.name, ours, speeds[peer], "higher", _OF_PEER_BAR))
    return Measured(figures)


@asynccontextmanager
async def bare_loop(model: Path, n_threads: int) -> AsyncIterator[BareLoop]:
    """Start the process, warmed up; it is ended with the context."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dsassist.bench.engine.bare", str(model), str(n_threads)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        # libgomp's own default, the fastest on a quiet machine, which the bar is for. ("active" would spin on between
        # two texts, and hold a core while the others are measured.)
        env={**os.environ, "GOMP_SPINCOUNT": "300000"},
    )
    try:
        loop = BareLoop(process)
        await loop.decode_tokens_per_s("def warm_up(values):\n    return", 16)
        yield loop
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
