"""Where the server of this user listens, and the file that it locks: all that a client must know to find it."""

from __future__ import annotations

import os
from pathlib import Path

from dsassist_runtime.errors import ServerUnavailable
from dsassist_runtime.places import runtime_dir

__all__ = ["lock_path", "socket_path"]

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
