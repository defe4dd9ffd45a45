"""The user's directories: configuration, state, models, and the runtime directory with the server's socket.

platformdirs knows each system's conventions. `DSASSIST_HOME=DIR` puts all four below one folder (a portable
installation, a test).
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from platformdirs import PlatformDirs

from dsassist_runtime.errors import NotDone

__all__ = ["config_dir", "make_private", "make_writable", "models_dir", "runtime_dir", "state_dir", "write_at_once"]


def _place(kind: str) -> Path:
    if home := os.environ.get("DSASSIST_HOME"):
        return Path(home).expanduser().absolute() / kind
    dirs = PlatformDirs("dsassist", appauthor=False)
    if kind == "config":
        return dirs.user_config_path
    if kind == "state":
        return dirs.user_state_path
    if kind == "models":
        return dirs.user_cache_path / "models"
    if sys.platform != "linux":
        return dirs.user_runtime_path
    return next((base / "dsassist" for base in _runtime_bases() if _is_private(base)), dirs.user_state_path / "run")


def _runtime_bases() -> list[Path]:
    """The system's runtime directories; not platformdirs' last resort, a name in /tmp that anybody could take."""
    named = os.environ.get("XDG_RUNTIME_DIR")
    return [*([Path(named)] if named else []), Path(f"/run/user/{os.getuid()}")]


def _is_private(directory: Path) -> bool:
    try:
        found = directory.stat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and stat.S_IMODE(found.st_mode) == 0o700


def config_dir() -> Path:
    """Where the user's `config.toml` lies."""
    return _place("config")


def state_dir() -> Path:
    """Logs, consent, and what is learnt about this user's code."""
    return _place("state")


def models_dir() -> Path:
    """Pulled model files."""
    return _place("models")


def runtime_dir() -> Path:
    """The socket and the locks."""
    return _place("run")


def write_at_once(path: Path, text: str) -> None:
    """Put a file in the place of another; whoever reads meanwhile has the one or the other whole. `OSError`."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def make_writable(directory: Path) -> Path:
    """Create `directory` if need be; `NotDone` in a clear sentence when it cannot be written."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(directory, error) from error
    if not os.access(directory, os.W_OK | os.X_OK):
        raise _unwritable(directory, PermissionError("permission denied"))
    return directory


def make_private(directory: Path) -> Path:
    """`make_writable`, and only this user may enter (mode 0700): the socket inside grants use of the model."""
    make_writable(directory)
    found = directory.lstat()
    if stat.S_ISLNK(found.st_mode) or found.st_uid != os.getuid():
        raise NotDone(f"{directory} belongs to somebody else; remove it, or set DSASSIST_HOME to a folder of your own")
    if stat.S_IMODE(found.st_mode) != 0o700:
        directory.chmod(0o700)
    return directory


def _unwritable(directory: Path, error: OSError) -> NotDone:
    reason = (error.strerror or str(error)).lower()
    return NotDone(f"cannot write to {directory}: {reason}; make it writable, or set DSASSIST_HOME to a folder that is")
