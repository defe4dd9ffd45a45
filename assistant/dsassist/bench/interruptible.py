"""Benches that start servers: whatever ends them, the servers are ended first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_interruptible"]

T = TypeVar("T")


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; its `finally` blocks run on Ctrl-C and on SIGTERM too, which raise KeyboardInterrupt."""
    try:
        return asyncio.run(_ended_by_sigterm(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def _ended_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
