"""llama-server, asked as llama.vim asks it. A request that fails or takes too long is an error of that hole alone."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

from dsassist.bench.engine.client import Request, call
from dsassist.bench.engine.servers import Server, peer_server
from dsassist.bench.fim import vim
from dsassist.bench.fim.answer import Answer
from dsassist.bench.fim.hole import Hole, Visit
from dsassist.bench.interruptible import run_on
from dsassist_runtime.errors import DsassistError

__all__ = ["Peer", "running_peer"]

_LIMIT_S = 120.0  # of one answer; a person has long gone on by then


class Peer:
    """A running llama-server."""

    def __init__(self, server: Server, loop: asyncio.AbstractEventLoop, seed: int, limit_s: float = _LIMIT_S) -> None:
        self._server = server
        self._loop = loop
        self._seed = seed
        self._limit_s = limit_s

    def write(self, hole: Hole, visits: Sequence[Visit]) -> Answer:
        """What llama.vim would show here, asked by its key."""
        draw = Random(f"{self._seed}:{hole.commit}:{hole.path}")  # noqa: S311  (a sample, not a secret)
        body = vim.request_body(hole, vim.chunks(hole, visits, draw), self._seed)
        started = time.perf_counter()
        try:
            asked = call(self._server.address, Request("/infill", body))
            answer = run_on(self._loop, asyncio.wait_for(asked, self._limit_s))
        except asyncio.TimeoutError:
            return Answer(error=f"no answer within {self._limit_s:.0f} s")
        except DsassistError as error:
            return Answer(error=str(error))
        return _answer(hole, answer, 1e3 * (time.perf_counter() - started))


@contextmanager
def running_peer(binary: Path, model: Path, seed: int) -> Iterator[Peer]:
    """llama-server with the options that llama.vim's README gives it, until the end of the `with`.

    The loop runs only while an answer is waited for; Ctrl-C cancels that, and comes at other times as in any program.
    """
    with closing(asyncio.new_event_loop()) as loop:
        stack = AsyncExitStack()
        try:
            server = run_on(loop, stack.enter_async_context(peer_server(binary, model, vim.SERVER_OPTIONS)))
            yield Peer(server, loop, seed)
        finally:
            run_on(loop, stack.aclose())


def _answer(hole: Hole, body: Any, total_ms: float) -> Answer:
    if not isinstance(body, dict) or not isinstance(body.get("content"), str):
        return Answer(error=f"the answer has no content: {str(body)[:80]}")
    shown = vim.shown(hole, body["content"])
    timings = body.get("timings") or {}
    return Answer(
        shown,
        shown,
        raw=body["content"],
        reason="" if shown else "empty, or a repetition",
        prompt_tokens=int(body.get("tokens_evaluated") or 0),
        evaluated_tokens=int(timings.get("prompt_n") or 0),
        decoded_tokens=int(timings.get("predicted_n") or body.get("tokens_predicted") or 0),
        first_line_ms=total_ms,  # nothing is shown before all is there: it does not stream
        total_ms=total_ms,
    )
