"""Starts the server when a client needs it, once, however many clients need it at the same moment."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import NotDone, ServerUnavailable
from dsassist_runtime.places import make_private, make_writable, runtime_dir, state_dir
from dsassist_runtime.server.socket_files import lock_path, socket_path
from dsassist_runtime.wire import to_wire

__all__ = ["connect", "log_path", "server_is_up", "try_connect"]

_START_LIMIT_S = 30.0
_LOG_LIMIT_BYTES = 1 << 20

# Servers that this process started, and which outlive it. One that ended is waited for when the next is started, so
# that a long-lived client, such as the language server, has one zombie at most.
_started: list[subprocess.Popen[bytes]] = []


def connect(
    settings: EngineSettings, idle_timeout_s: float, *, start: bool = True, limit_s: float | None = None
) -> socket.socket:
    """A connected socket to the server, which is started if need be and told to load `settings`.

    `ServerUnavailable` when there is none (`start` false) or none comes up; its message ends with the server's last
    words.
    """
    path = socket_path()
    if connection := try_connect():
        return connection
    if not start:
        raise ServerUnavailable("no dsassist server is running; start one with `dsassist serve`")
    make_private(runtime_dir())
    with _start_lock(path):
        return _start(settings, idle_timeout_s, min(_START_LIMIT_S, limit_s or _START_LIMIT_S))


def server_is_up() -> bool:
    """Does a server of this user live, be it one that is just leaving?"""
    try:
        lock = os.open(lock_path(), os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def log_path() -> Path:
    """Where a server that was started by a client writes what goes wrong."""
    return state_dir() / "server.log"


def try_connect() -> socket.socket | None:
    """A connected socket if a server of this user answers, else None."""
    path = socket_path()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.lstat().st_uid != os.getuid():
            raise ServerUnavailable(f"{path} belongs to somebody else; remove it, or set DSASSIST_HOME")
        connection.connect(os.fspath(path))
    except OSError:  # no socket, or a stale one that a killed server left: the next server replaces it
        connection.close()
        return None
    except ServerUnavailable:
        connection.close()
        raise
    return connection


def _start(settings: EngineSettings, idle_timeout_s: float, limit_s: float) -> socket.socket:
    deadline = time.monotonic() + limit_s
    log_start = _log_bytes()
    server: subprocess.Popen[bytes] | None = None
    while time.monotonic() < deadline:
        if connection := try_connect():
            return connection
        if server is None:
            server = _spawn(settings, idle_timeout_s)
        elif (code := server.poll()) is not None:
            if code != 0:
                raise ServerUnavailable(
                    f"the dsassist server could not be started (code {code}): {_last_words(log_start)}"
                )
            server = None  # one that was just leaving still held the lock
        time.sleep(0.01)
    raise ServerUnavailable(f"the dsassist server did not come up within {limit_s:.0f} s: {_last_words(log_start)}")


def _spawn(settings: EngineSettings, idle_timeout_s: float) -> subprocess.Popen[bytes]:
    _started[:] = [server for server in _started if server.poll() is None]
    with _open_log() as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "dsassist_runtime.server", str(idle_timeout_s), json.dumps(to_wire(settings))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",  # it outlives this client, and must not hold its folder
            env=_server_environment(),
            start_new_session=True,
        )
    _started.append(server)
    return server


def _server_environment() -> dict[str, str]:
    # Started from a git hook it would inherit GIT_DIR and the like.
    return {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}


@contextmanager
def _start_lock(path: Path) -> Iterator[None]:
    lock = os.open(path.with_name("start.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


@contextmanager
def _open_log() -> Iterator[int]:
    try:
        path = make_writable(state_dir()) / log_path().name
        full = path.exists() and path.stat().st_size > _LOG_LIMIT_BYTES
        log = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | (os.O_TRUNC if full else 0), 0o600)
    except (NotDone, OSError):
        log = os.open(os.devnull, os.O_WRONLY)  # a log is no reason to refuse a completion
    try:
        yield log
    finally:
        os.close(log)


def _log_bytes() -> int:
    try:
        return log_path().stat().st_size
    except OSError:
        return 0


def _last_words(start: int) -> str:
    """The last line that was logged behind the first `start` bytes, which are an earlier server's."""
    try:
        data = log_path().read_bytes()
    except OSError:
        return "it left no log"
    lines = (data[start:] if len(data) >= start else data).decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no word in its log")
