"""Files that change outside the editor, as a `git checkout` changes them: the client tells, and the index is refreshed.

Only for clients that watch what a server registers (`workspace.didChangeWatchedFiles.dynamicRegistration`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.uris import to_fs_path

from dsassist.git import below_root
from dsassist.index.files import is_indexed_path
from dsassist.syntax.languages import ENDINGS

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["WatchedFiles"]

_QUIET_S = 1.0  # a checkout is over once no file has changed for so long
_LONGEST_S = 10.0  # but no event waits longer
_ECHO_S = 5.0  # within which a saved file is told of as a changed one
_IGNORED = ".gitignore"
_GLOBS = ("**/*.{" + ",".join(ending.removeprefix(".") for ending in ENDINGS) + "}", f"**/{_IGNORED}")


class WatchedFiles:
    """Gathers events until they are over. Called in the event loop's thread."""

    def __init__(self, refresh: Callable[[Path], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`refresh` is called with each root below which files have changed."""
        self._refresh = refresh
        self._clock = clock
        self._saved: dict[Path, tuple[float, int]] = {}  # when, and the file's own time then
        self._roots: dict[Path, None] = {}
        self._since_s = 0.0
        self._is_registered = False
        self._timer: asyncio.TimerHandle | None = None

    def register(self, server: Server) -> None:
        """Have the client watch, if it does that and was not asked before."""
        if self._is_registered:
            return
        self._is_registered = True
        workspace = server.client_capabilities.workspace
        watching = workspace.did_change_watched_files if workspace is not None else None
        if watching is None or not watching.dynamic_registration:
            return
        method = types.WORKSPACE_DID_CHANGE_WATCHED_FILES
        options = types.DidChangeWatchedFilesRegistrationOptions([types.FileSystemWatcher(glob) for glob in _GLOBS])
        # The answer need not be waited for: a client that refuses sends no events.
        server.protocol.send_request(
            types.CLIENT_REGISTER_CAPABILITY,
            types.RegistrationParams([types.Registration("dsassist-files", method, options)]),
        )

    def saved(self, path: Path) -> None:
        """The editor wrote a file and has told so: the index has it already when the watcher tells it again."""
        now = self._clock()
        self._saved = {file: each for file, each in self._saved.items() if now - each[0] < _ECHO_S}
        self._saved[path] = now, _modified_ns(path)

    def changed(self, events: Sequence[types.FileEvent], roots: Sequence[Path]) -> None:
        """Files were made, written or deleted; those below `roots` are in an index."""
        paths = [Path(path) for event in events if (path := to_fs_path(event.uri)) and not self._is_echo(event, path)]
        touched = [root for root in roots if any(_concerns(path, root) for path in paths)]
        if not touched:
            return
        self._roots |= dict.fromkeys(touched)
        now = self._clock()
        if self._timer is None:
            self._since_s = now
        else:
            self._timer.cancel()
        wait_s = min(_QUIET_S, max(0.0, self._since_s + _LONGEST_S - now))
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._over)

    def stop(self) -> None:
        """The client goes."""
        if self._timer is not None:
            self._timer.cancel()

    def _over(self) -> None:
        roots, self._roots, self._timer = self._roots, {}, None
        for root in roots:
            self._refresh(root)

    def _is_echo(self, event: types.FileEvent, path: str) -> bool:
        saved_s, modified_ns = self._saved.get(Path(path), (float("-inf"), 0))
        is_gone = event.type == types.FileChangeType.Deleted
        return not is_gone and self._clock() - saved_s < _ECHO_S and _modified_ns(Path(path)) == modified_ns


def _modified_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except (OSError, ValueError):
        return 0


def _concerns(path: Path, root: Path) -> bool:
    below = below_root(root, path)
    return below is not None and (path.name == _IGNORED or is_indexed_path(below))
