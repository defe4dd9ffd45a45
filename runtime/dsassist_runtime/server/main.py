"""`dsassist serve`, which clients start by themselves: one a user, on a Unix socket that only the user can open.

On request it listens on TCP as well, for other people's clients (see `access`).
"""

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
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import NotDone
from dsassist_runtime.places import make_private, runtime_dir
from dsassist_runtime.server.limits import LIMITS, Limits
from dsassist_runtime.server.listening import address_of, listen_on_tcp, listen_on_unix
from dsassist_runtime.server.socket_files import lock_path, socket_path
from dsassist_runtime.server.supervisor import EngineSupervisor

__all__ = ["serve"]

_LOCK_ATTEMPTS = 10


def serve(
    idle_timeout_s: float,
    settings: EngineSettings | None = None,
    *,
    listen: str | None = None,
    api_key: str | None = None,
    limits: Limits = LIMITS,
    on_listening: Callable[[str | None], None] | None = None,
    must_load: bool = False,
) -> bool:
    """Serve until idle for `idle_timeout_s` (0: for ever), a signal, or `/shutdown`.

    False at once when another server of this user runs. `settings`: a model to load before the first request; with
    `must_load` its failure to load is raised, where else only requests are told of it. `listen` is HOST:PORT, heard
    beside the Unix socket; `DsassistError` when that is beyond loopback and there is no `api_key`. Raises
    `KeyboardInterrupt` after a Ctrl-C, when all is put away.
    """
    make_private(runtime_dir())
    path = socket_path()
    lock = os.open(lock_path(), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        if not _locked(lock):
            return False
        with ExitStack() as stack:
            tcp = stack.enter_context(listen_on_tcp(listen, has_key=bool(api_key))) if listen else None
            unix = stack.enter_context(listen_on_unix(path))
            signals = stack.enter_context(_signals_noted())
            if on_listening:
                on_listening(address_of(tcp) if tcp else None)
            # The engine loads in its own process while this one still imports its web framework.
            supervisor = EngineSupervisor(settings)
            run = _Run(
                supervisor, settings, unix, tcp, path, idle_timeout_s, api_key or None, limits, must_load=must_load
            )
            asyncio.run(run.serve(signals))
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


@dataclass(frozen=True)
class _Run:
    """One run of the event loop, from the sockets to the end of the engine."""

    supervisor: EngineSupervisor
    settings: EngineSettings | None
    unix: socket.socket
    tcp: socket.socket | None
    path: Path
    idle_timeout_s: float
    api_key: str | None
    limits: Limits
    must_load: bool

    async def serve(self, signals: list[int]) -> None:
        """Serve until the end; raises why a model that must load does not."""
        from dsassist_runtime.server.activity import Activity
        from dsassist_runtime.server.app import create_server
        from dsassist_runtime.server.served_models import ServedModels
        from dsassist_runtime.server.service import Service

        # Each client that cancels would leave a line there: "socket.send() raised exception."
        logging.getLogger("asyncio").setLevel(logging.ERROR)
        activity = Activity()
        listen = address_of(self.tcp) if self.tcp else None
        service = Service(self.supervisor, activity, ServedModels(self.settings, is_fixed=self.tcp is not None), listen)
        server = create_server(service, api_key=self.api_key, limits=self.limits, on_leaving=self._unlink)

        async def leave_when_idle() -> None:
            while self.idle_timeout_s > 0:
                await asyncio.sleep(min(1.0, self.idle_timeout_s / 4))
                if activity.idle_s > self.idle_timeout_s:
                    server.should_exit = True
                    return

        failures: list[NotDone] = []

        async def load(settings: EngineSettings) -> None:
            try:
                async for _event in self.supervisor.load(settings):
                    pass
            except NotDone as error:
                if not server.should_exit:
                    failures.append(error)
                server.should_exit = True

        tasks = [asyncio.create_task(leave_when_idle())]
        if self.must_load and self.settings:
            tasks.append(asyncio.create_task(load(self.settings)))
        try:
            if not signals:
                await server.serve(sockets=[listener for listener in (self.unix, self.tcp) if listener])
        finally:
            for task in tasks:
                task.cancel()
            await self.supervisor.stop()
            self._unlink()
        if failures:
            raise failures[0]

    def _unlink(self) -> None:
        with suppress(FileNotFoundError):
            self.path.unlink()
