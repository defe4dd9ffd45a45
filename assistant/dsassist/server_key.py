"""The key that clients of `dsassist serve --listen` must bear: from a private file or the environment.

Never from the command line, which every user of the machine can read while the process runs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

from dsassist_runtime.errors import DsassistError

__all__ = ["KEY_VARIABLE", "read_server_key"]

KEY_VARIABLE = "DSASSIST_API_KEY"
_LIMIT_BYTES = 4096


def read_server_key(file: Path | None, environ: Mapping[str, str] | None = None) -> str | None:
    """The key in `file`, else the one in the environment, else None; `DsassistError` says what is wrong with it."""
    if file is not None:
        return _checked(_private_text(file), str(file))
    found = (os.environ if environ is None else environ).get(KEY_VARIABLE, "")
    return _checked(found, KEY_VARIABLE) if found else None


def _private_text(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            text = opened.read(_LIMIT_BYTES + 1)
    except OSError as error:
        raise DsassistError(f"cannot read {file}: {(error.strerror or str(error)).lower()}") from error
    # What is no file, a pipe of the shell's for instance, has no lasting content to protect.
    if stat.S_ISREG(found.st_mode) and stat.S_IMODE(found.st_mode) & 0o077:
        raise DsassistError(f"others may read or write {file}; make it private: chmod 600 {file}")
    return text.decode("utf-8", "replace")


def _checked(text: str, origin: str) -> str:
    key = text.strip()
    if not key:
        raise DsassistError(f"there is no key in {origin}")
    if not (key.isascii() and key.isprintable() and " " not in key and len(key) < _LIMIT_BYTES):
        raise DsassistError(f"{origin} holds no key: one is a word of ASCII characters")
    return key
