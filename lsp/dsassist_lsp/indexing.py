"""Has the workspace's indexes built in the background, by a niced process for each, and shows how far that is."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lsprotocol import types

from dsassist.index.background import BackgroundRefresh, RefreshEnd

if TYPE_CHECKING:
    from dsassist_lsp.server import Server

__all__ = ["Indexing"]

_END_S = 5.0
_TITLE = "dsassist: reading the workspace"


class Indexing:
    """One build at a time. Called in the event loop's thread."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._waiting: dict[Path, bool] = {}  # and whether the client is shown how far that is
        self._refresh: BackgroundRefresh | None = None
        self._stopped = False

    def build(self, root: Path) -> None:
        """Bring the index of `root` up to date, and show how far that is."""
        self._waiting[root] = True
        self._next()

    def refresh(self, root: Path) -> None:
        """Bring the index of `root` up to date, without a word: a few files have changed."""
        self._waiting.setdefault(root, False)
        self._next()

    def stop(self) -> None:
        """The client goes; what is built stays."""
        self._stopped = True
        if self._refresh is not None:
            self._refresh.cancel()
            self._refresh.join(_END_S)

    def _next(self) -> None:
        if self._refresh is not None or self._stopped or not self._waiting:
            return
        root, loop = next(iter(self._waiting)), asyncio.get_running_loop()
        progress = _Progress(self._server, root, is_shown=self._waiting.pop(root))

        def tell(what: Callable[..., None], *arguments: object) -> None:
            with suppress(RuntimeError):  # the event loop has ended meanwhile
                loop.call_soon_threadsafe(what, *arguments)

        self._refresh = BackgroundRefresh(
            root, partial(tell, progress.report), lambda end: tell(self._ended, root, progress, end)
        )

    def _ended(self, root: Path, progress: _Progress, end: RefreshEnd) -> None:
        self._refresh = None
        progress.end()
        for sentence in (*end.troubles, *([end.error] if end.error else [])):
            self._server.messages.log(sentence, types.MessageType.Warning)
        if end.complete:
            self._server.messages.log(f"the index of {root} has {end.files} files and {end.symbols} symbols")
        self._next()


class _Progress:
    """A progress bar in the client, where it has them, from the first file that is read to the last."""

    def __init__(self, server: Server, root: Path, *, is_shown: bool) -> None:
        self._server = server
        self._root = root
        self._token = str(uuid.uuid4())
        window = server.client_capabilities.window
        self._is_wanted = is_shown
        self._is_shown = is_shown and window is not None and bool(window.work_done_progress)
        self._has_begun = False
        self._is_in_status = False

    def report(self, done: int, total: int) -> None:
        """So many files are read."""
        if not total or not self._is_wanted:
            return
        status = self._server.status
        if status.now.kind == "ready":
            self._is_in_status = True
            status.set(percent=100 * done // total, message="the workspace is being read")
        if not self._is_shown:
            return
        percentage, message = 100 * done // total, f"{self._root.name}: {done} of {total} files"
        progress = self._server.work_done_progress
        if not self._has_begun:
            self._has_begun = True
            # The answer need not be waited for: a client that refuses the token ignores what is reported for it.
            # (`progress.create` has a callback that fails with such an answer.)
            self._server.protocol.send_request(
                types.WINDOW_WORK_DONE_PROGRESS_CREATE, types.WorkDoneProgressCreateParams(self._token)
            )
            progress.begin(self._token, types.WorkDoneProgressBegin(_TITLE, message=message, percentage=percentage))
        else:
            progress.report(self._token, types.WorkDoneProgressReport(message=message, percentage=percentage))

    def end(self) -> None:
        """Nothing more is read."""
        now = self._server.status.now
        if self._is_in_status and now.kind != "loading":  # then it is the model's by now
            self._server.status.set(percent=None, message="" if now.kind == "ready" else now.message)
        if self._has_begun:
            self._server.work_done_progress.end(self._token, types.WorkDoneProgressEnd())
