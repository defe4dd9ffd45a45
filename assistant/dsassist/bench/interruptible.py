"""Benches that start servers: whatever ends them, the servers are ended first."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

__all__ = ["run_interruptible", "run_on", "sigterm_as_ctrl_c"]

T = TypeVar("T")


def run_interruptible(work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns; its `finally` blocks run on Ctrl-C and on SIGTERM too, which raise KeyboardInterrupt."""
    try:
        return asyncio.run(_ended_by_sigterm(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


def run_on(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns on a loop that runs only now and then; Ctrl-C and SIGTERM cancel it and are raised behind it.

    Of the main thread only. An exception that a signal raises may strike within a task that nobody waits for any more,
    and asyncio then tells of it on standard error; so only a second signal is obeyed at once.
    """
    signals: list[int] = []
    tasks: list[asyncio.Task[T]] = []

    def cancel(number: int, _frame: FrameType | None) -> None:
        if signals:
            raise KeyboardInterrupt
        signals.append(number)
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in tasks])

    before = {each: signal.signal(each, cancel) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        tasks.append(loop.create_task(work))
        return loop.run_until_complete(tasks[0])
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        if signals:  # whatever the work made of being cancelled
            raise KeyboardInterrupt


@contextmanager
def sigterm_as_ctrl_c() -> Iterator[None]:
    """SIGTERM raises KeyboardInterrupt too, for servers that were started must not outlive a bench that is ended."""

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _ended_by_sigterm(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    assert task is not None
    ended = asyncio.Event()

    def end() -> None:
        ended.set()
        task.cancel()

    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end)
    found = await work
    if ended.is_set():  # before Python 3.12 `asyncio.wait_for` swallows what comes as its answer does
        raise asyncio.CancelledError
    return found
