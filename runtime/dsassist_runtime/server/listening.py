"""The sockets that the server listens on. Light, because every client imports the module that uses it."""

from __future__ import annotations

import ipaddress
import os
import socket
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["address_of", "listen_on_tcp", "listen_on_unix"]


def listen_on_unix(path: Path) -> socket.socket:
    """A listening Unix socket that only this user can open; what lies at `path` is replaced."""
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


def listen_on_tcp(address: str, *, has_key: bool) -> socket.socket:
    """A listening socket for "HOST:PORT"; beyond loopback only with a key. Port 0 takes any that is free."""
    try:
        parts = urlsplit(f"//{address}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or port is None or parts.path or parts.username is not None:
        raise DsassistError(f"cannot listen on {address!r}; name a host and a port, as in 127.0.0.1:8080 or [::1]:8080")
    try:
        family, _, _, _, found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise DsassistError(f"cannot listen on {address}: {error.strerror or error}") from error
    except UnicodeError as error:  # a part of the name is empty or too long
        raise DsassistError(f"cannot listen on {address!r}: {host!r} is no name of a host; name another") from error
    if not has_key and not ipaddress.ip_address(str(found[0]).partition("%")[0]).is_loopback:
        raise DsassistError(
            f"{address} can be reached from other machines, and there is no API key; set one (DSASSIST_API_KEY), "
            "or listen on 127.0.0.1"
        )
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found)
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise NotDone(f"cannot listen on {address}: {(error.strerror or str(error)).lower()}") from error
    return listener


def address_of(listener: socket.socket) -> str:
    """HOST:PORT of a TCP listener, with the port that it really has."""
    host, port = listener.getsockname()[:2]
    return f"[{host}]:{port}" if listener.family == socket.AF_INET6 else f"{host}:{port}"
