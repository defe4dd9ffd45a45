"""`dsassist serve`, which clients start by themselves: one a user, on a Unix socket that only the user can open."""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import socket
from contextlib import suppress
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import ServerUnavailable
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


def serve(idle_timeout_s: float, settings: EngineSettings | None = None) -> bool:
    """Serve until idle for `idle_timeout_s` (0: for ever), a signal, or `/shutdown`.

    False at once when another server of this user runs. `settings`: a model to load before the first request.
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
        with _listen(path) as listener:
            # The engine loads in its own process while this one still imports its web framework.
            asyncio.run(_run(EngineSupervisor(settings), listener, path, idle_timeout_s))
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


async def _run(supervisor: EngineSupervisor, listener: socket.socket, path: Path, idle_timeout_s: float) -> None:
    import uvicorn

    from dsassist_runtime.server.app import Activity, create_app

    activity = Activity()
    config = uvicorn.Config(
        create_app(supervisor, activity, lambda: setattr(server, "should_exit", True)),
        log_config=None,
        access_log=False,
        ws="none",
        loop="asyncio",
        http="h11",
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

    watch = asyncio.create_task(leave_when_idle())
    try:
        await server.serve(sockets=[listener])
    finally:
        watch.cancel()
        await supervisor.stop()
        with suppress(FileNotFoundError):
            path.unlink()
