"""Other programs keep every core busy: what is left of the speed of one stream?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from dsassist.bench.engine.client import Request, exchange
from dsassist.bench.engine.requests import counted_completion
from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.trial import Measured, Trial, beside, take_turns
from dsassist_runtime.errors import NotDone

__all__ = ["measure"]

_OF_PEER_BAR = 3.0
_PROMPT_TOKENS = 16
_MAX_TOKENS = 2000
_LEAST_EVENTS = 4
_LOOP = "while True: pass"


async def measure(trial: Trial) -> Measured:
    """Tokens per second over a while that begins with the first text, the time to adapt included."""
    cores = os.cpu_count() or 1
    prompts = [await trial.texts.code(_PROMPT_TOKENS) for _ in range(trial.repeats)]

    async def speed(server: Server, turn: int) -> float:
        with _busy_loops(cores):
            request = counted_completion(prompts[turn], trial.fitting(_MAX_TOKENS))
            return await _speed_for_a_while(server, request, trial.sizes.busy_s)

    speeds = await take_turns(trial.servers, trial.repeats, speed)
    name = f"one stream beside {cores} busy processes"
    return Measured(beside(name, "tokens/s", speeds, "higher", _OF_PEER_BAR))


@contextmanager
def _busy_loops(count: int) -> Iterator[None]:
    processes: list[subprocess.Popen[bytes]] = []
    try:
        while len(processes) < count:
            processes.append(subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.DEVNULL))
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


async def _speed_for_a_while(server: Server, request: Request, while_s: float) -> float:
    counts: list[tuple[float, int]] = []
    async with exchange(server.address, request) as opened:
        await opened.read_head()
        async for event in opened.events():
            if (n_tokens := json.loads(event.data)["tokens_predicted"]) > 0:
                counts.append((event.at, n_tokens))
                if len(counts) >= _LEAST_EVENTS and event.at - counts[0][0] >= while_s:
                    break
    await server.wait_until_idle()
    if len(counts) < _LEAST_EVENTS:
        raise NotDone(f"{server.name} wrote {len(counts)} pieces of text where the bench needs {_LEAST_EVENTS}")
    (first_at, first), (last_at, last) = counts[0], counts[-1]
    return (last - first) / (last_at - first_at)
