"""`dsassist serve`, which clients start by themselves: one a user, on a Unix socket that only the user can open."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import logging
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import NotDone, ServerUnavailable
from dsassist_runtime.places import make_private, runtime_dir
from dsassist_runtime.server.supervisor import EngineSupervisor

__all__ = ["lock_path", "serve", "socket_path"]

_LOCK_ATTEMPTS = 10
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
        if not _locked(lock):
            return False
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


def _locked(lock: int) -> bool:
    """Lock the file for life; the system gives it back however this process ends. False when another server has it."""
    for attempt in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            if attempt + 1 < _LOCK_ATTEMPTS:
                time.sleep(0.05)  # `launch.server_is_up` holds it for a moment when it looks
        else:
            return True
    return False


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
    from dsassist_runtime.server.app import Activity, create_server

    # Each client that cancels would leave a line there: "socket.send() raised exception."
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    activity = Activity()
    server = create_server(supervisor, activity)

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
            if not server.should_exit:
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
