"""Many clients that ask for anything and leave at any moment: does each request end once, and is nothing kept?"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dsassist.bench.engine.client import Request, exchange
from dsassist.bench.engine.requests import chat, completion, infill
from dsassist.bench.engine.servers import Server
from dsassist.bench.engine.trial import Measured, Trial
from dsassist.bench.report import Figure
from dsassist_runtime.api import PRIORITIES
from dsassist_runtime.errors import NotDone, Overloaded

__all__ = ["measure"]

_MEMORY_BAR = 1.05
_FIRST_QUARTER = 0.25
_REQUEST_LIMIT_S = 120.0
_SETTLE_S = 10.0
_TEXTS = 8
_MEGABYTE = 1 << 20

_Leave = Literal["never", "after events", "after a time"]
_End = Literal["ended", "left", "refused", "ended otherwise"]


@dataclass(frozen=True)
class _Visit:
    """One request, and when its client leaves."""

    request: Request
    leave: _Leave
    events: int
    delay_s: float


async def measure(trial: Trial) -> Measured:
    """Counts of what must not be, memory at the end over that after a quarter, and requests per second."""
    server = trial.ours
    visits = iter([visit async for visit in _visits(trial)])
    before = sum((await server.status())["finished_total"].values())
    ends: Counter[_End] = Counter()
    memory_bytes: list[int] = []
    started = time.perf_counter()

    async def client() -> None:
        for visit in visits:
            ends[await _visit(server, visit)] += 1
            if ends.total() == int(trial.sizes.storm_requests * _FIRST_QUARTER):
                memory_bytes.append(await _memory_bytes(server))

    await asyncio.gather(*(client() for _ in range(trial.sizes.storm_clients)))
    took_s = time.perf_counter() - started
    with suppress(NotDone):  # what still runs then is counted below
        await server.wait_until_idle(_SETTLE_S)
    memory_bytes.append(await _memory_bytes(server))
    status = await server.status()
    finished = sum(status["finished_total"].values()) - before
    # A client that leaves at once may have left before its request got to the engine.
    uncounted = max(0, ends["ended"] - finished) + max(0, finished - ends["ended"] - ends["left"])
    name = f"{trial.sizes.storm_requests} requests of {trial.sizes.storm_clients} clients"
    quarter, end = memory_bytes
    return Measured(
        [
            Figure(f"{name}, a second", (ends.total() / took_s,), "1/s", "higher"),
            Figure(f"{name}, left by their clients", (float(ends["left"]),), "requests"),
            Figure(f"{name}, refused for too many", (float(ends["refused"]),), "requests"),
            Figure(f"{name}, not ended once", (float(ends["ended otherwise"] + uncounted),), "requests", bar=0.0),
            Figure(f"{name}, still worked on afterwards", (float(len(status["requests"])),), "requests", bar=0.0),
            Figure(
                f"{name}, cells of the KV cache in use afterwards",
                (float(status["kv_tokens"] - status["cached_tokens"]),),
                "tokens",
                bar=0.0,
            ),
            Figure(f"{name}, memory at the end", (end / _MEGABYTE,), "MiB"),
            Figure(f"{name}, memory of that after a quarter", (end / quarter,), "x", bar=_MEMORY_BAR),
        ]
    )


async def _visits(trial: Trial) -> AsyncIterator[_Visit]:
    """The requests, drawn with a fixed seed; some share the beginning of their prompt, some their document."""
    draw = random.Random(0)  # noqa: S311
    texts = [await trial.texts.code(draw.randrange(20, 200)) for _ in range(_TEXTS)]
    for _ in range(trial.sizes.storm_requests):
        yield _Visit(
            _request(trial, draw, draw.choice(texts)),
            draw.choices(("never", "after events", "after a time"), (3, 1, 1))[0],
            draw.randrange(1, 8),
            draw.random() ** 2 * 0.3,
        )


def _request(trial: Trial, draw: random.Random, text: str) -> Request:
    kinds = ["completion", *(["chat"] * trial.model.has_chat_template), *(["infill"] * trial.model.can_infill)]
    kind, max_tokens = draw.choice(kinds), draw.randrange(1, 25)
    cut = draw.randrange(1, len(text))
    if kind == "infill":
        return infill(text[:cut], text[cut:], max_tokens, document=f"file:///bench/{draw.randrange(16)}.py")
    if kind == "chat":
        return chat([{"role": "user", "content": text[:cut]}], max_tokens)
    return completion(text[:cut], max_tokens, draw.choice(PRIORITIES))


async def _visit(server: Server, visit: _Visit) -> _End:
    limit_s = visit.delay_s if visit.leave == "after a time" else _REQUEST_LIMIT_S
    try:
        return await asyncio.wait_for(_stay(server, visit), limit_s)
    except asyncio.TimeoutError:
        return "left" if visit.leave == "after a time" else "ended otherwise"
    except Overloaded:
        return "refused"
    except NotDone:
        return "ended otherwise"


async def _stay(server: Server, visit: _Visit) -> _End:
    n_events = n_ends = 0
    async with exchange(server.address, visit.request) as opened:
        await opened.read_head()
        async for event in opened.events():
            n_events += 1
            n_ends += _is_end(json.loads(event.data))
            if visit.leave == "after events" and n_events == visit.events and not n_ends:
                return "left"
    return "ended" if n_ends == 1 else "ended otherwise"


def _is_end(body: dict[str, Any]) -> bool:
    choices = body.get("choices")
    return bool(body.get("stop")) if choices is None else any(choice.get("finish_reason") for choice in choices)


async def _memory_bytes(server: Server) -> int:
    """What the engine has, and the server before it where the system tells."""
    engine = int((await server.status())["rss_bytes"])
    try:
        status = Path(f"/proc/{server.pid}/status").read_text()
    except OSError:
        return engine
    return engine + 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))
