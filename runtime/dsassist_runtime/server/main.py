"""`dsassist serve`, which clients start by themselves: one a user, on a Unix socket that only the user can open."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import NotDone, ServerUnavailable
from dsassist_runtime.places import make_private, runtime_dir
from dsassist_runtime.server.supervisor import EngineSupervisor

__all__ = ["lock_path", "serve", "socket_path"]

_SUN_PATH_BYTES = 104 if os.uname().sysname == "Darwin" else 108


def socket_path() -> Path:
    """Where the server listens; `ServerUnavailable` when the path is longer than the system's sockets allow."""
    path = runtime_dir() / "server.sock"
    if len(os.fsencode(path)) >= _SUN_PATH_BYTES:
        raise ServerUnavailable(
            f"the socket's path is too long for this system: {path}; set DSASSIST_HOME to a shorter one"
        )
    return path


def lock_path() -> Path:
    """The file that a server locks for as long as it lives."""
    return socket_path().with_suffix(".lock")


def serve(
    idle_timeout_s: float,
    settings: EngineSettings | None = None,
    *,
    on_listening: Callable[[], None] | None = None,
    must_load: bool = False,
) -> bool:
    """Serve until idle for `idle_timeout_s` (0: for ever), a signal, or `/shutdown`.

    False at once when another server of this user runs. `settings`: a model to load before the first request; with
    `must_load` its failure to load is raised, where else only requests are told of it. Raises `KeyboardInterrupt`
    after a Ctrl-C, when all is put away.
    """
    make_private(runtime_dir())
    path = socket_path()
    lock = os.open(lock_path(), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        try:
            # Held for life, and given back by the system however this process ends.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                return False
            raise
        with _listen(path) as listener, _signals_noted() as signals:
            if on_listening:
                on_listening()
            # The engine loads in its own process while this one still imports its web framework.
            supervisor = EngineSupervisor(settings)
            asyncio.run(_run(supervisor, listener, path, idle_timeout_s, signals, settings if must_load else None))
        if signal.SIGINT in signals:
            raise KeyboardInterrupt
        return True
    finally:
        os.close(lock)


def _listen(path: Path) -> socket.socket:
    with suppress(FileNotFoundError):
        path.unlink()  # we hold the lock: whoever left it there is gone
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    mask = os.umask(0o177)
    try:
        listener.bind(os.fspath(path))
    finally:
        os.umask(mask)
    listener.listen(64)
    return listener


def _is_news(record: logging.LogRecord) -> bool:
    """Not the traceback of a request that was still running when the server was told to leave."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


@contextmanager
def _signals_noted() -> Iterator[list[int]]:
    """Ctrl-C and SIGTERM are only written down: they must neither break off the start nor leave the socket behind.

    uvicorn ends for them in an orderly way, and then raises them once more for the handler that was there before.
    """
    noted: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, lambda number, _frame: noted.append(number)) for number in numbers]
    try:
        yield noted
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


async def _run(
    supervisor: EngineSupervisor,
    listener: socket.socket,
    path: Path,
    idle_timeout_s: float,
    signals: list[int],
    required: EngineSettings | None,
) -> None:
    import uvicorn

    from dsassist_runtime.server.app import Activity, create_app

    logging.getLogger("uvicorn.error").addFilter(_is_news)
    activity = Activity()
    config = uvicorn.Config(
        create_app(supervisor, activity, lambda: setattr(server, "should_exit", True)),
        log_config=None,
        access_log=False,
        ws="none",
        loop="asyncio",
        http="h11",
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    server = uvicorn.Server(config)

    async def leave_when_idle() -> None:
        while idle_timeout_s > 0:
            await asyncio.sleep(min(1.0, idle_timeout_s / 4))
            if activity.idle_s > idle_timeout_s:
                with suppress(FileNotFoundError):
                    path.unlink()  # from here on a client starts another server instead of meeting a closing one
                server.should_exit = True
                return

    failures: list[NotDone] = []

    async def load(settings: EngineSettings) -> None:
        try:
            async for _event in supervisor.load(settings):
                pass
        except NotDone as error:
            failures.append(error)
            server.should_exit = True

    tasks = [asyncio.create_task(leave_when_idle())]
    if required:
        tasks.append(asyncio.create_task(load(required)))
    try:
        if not signals:
            await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        await supervisor.stop()
        with suppress(FileNotFoundError):
            path.unlink()
    if failures:
        raise failures[0]
