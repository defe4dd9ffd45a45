"""Methods that so many objects of Python's own library have that a name alone does not tell whose one is."""

from __future__ import annotations

import io
import logging
import pathlib
import re
import socket
import sqlite3
import subprocess
import threading

__all__ = ["LIBRARY_METHODS"]

_TYPES: tuple[type, ...] = (
    *(str, bytes, bytearray, list, dict, set, tuple, int, float, object, type, property, Exception),
    *(
        io.TextIOWrapper,
        io.BytesIO,
        pathlib.Path,
        logging.Logger,
        threading.Thread,
        threading.Event,
        socket.socket,
        sqlite3.Connection,
        sqlite3.Cursor,
        subprocess.Popen,
        re.Pattern,
        re.Match,
    ),
)
LIBRARY_METHODS = frozenset(name for each in _TYPES for name in dir(each))
