"""The model's answer as it is written, and the progress that an editor shows of it, with its button to cancel."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException

from dsassist_runtime.api import ChatRequest, GenerationEnd, TextStream

if TYPE_CHECKING:
    from dsassist.chat_actions.instruct import ChatEngine
    from dsassist_lsp.server import Server

__all__ = ["ActionProgress", "Answer"]

_CHARACTERS_PER_TOKEN = 3
_LONGEST_MESSAGE = 80


class Answer:
    """An answer being read in a thread of its own. Made, read and closed in the event loop's thread."""

    def __init__(self, engine: ChatEngine, request: ChatRequest) -> None:
        self._engine = engine
        self._request = request
        self._pieces: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self._lock = threading.Lock()
        self._stream: TextStream | None = None
        self._closed = False
        self.end: GenerationEnd | None = None  # once the answer was read; None also when it was closed before

    async def read(self, on_text: Callable[[str], None]) -> str:
        """The whole answer; `on_text` gets what is there after each piece. Raises what the engine raises."""
        loop, text = asyncio.get_running_loop(), ""
        threading.Thread(target=self._write, args=(loop,), name="chat", daemon=True).start()
        try:
            while (piece := await self._pieces.get()) is not None:
                if isinstance(piece, Exception):
                    raise piece
                text += piece
                on_text(text)
            return text
        finally:
            self.close()

    def close(self) -> None:
        """Stop the engine within a token; who reads gets the end now, be it that a server still starts."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            stream = self._stream
        self._pieces.put_nowait(None)
        if stream is not None:
            stream.close()

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        last: Exception | None = None
        try:
            stream = self._engine.chat(self._request)
            with self._lock:
                self._stream = stream
                closed = self._closed
            if closed:
                stream.close()
            for piece in stream:
                self._put(loop, piece)
            if not self._closed:
                self.end = stream.end
        except Exception as error:  # raised again where the answer is awaited
            last = error
        self._put(loop, last)

    def _put(self, loop: asyncio.AbstractEventLoop, piece: str | Exception | None) -> None:
        with suppress(RuntimeError):  # the event loop has ended meanwhile
            loop.call_soon_threadsafe(self._pieces.put_nowait, piece)


class ActionProgress:
    """A work done progress that the server begins, where the client shows such; else nothing is shown."""

    def __init__(self, server: Server) -> None:
        window = server.client_capabilities.window
        self._is_shown = bool(window and window.work_done_progress)
        self._server = server
        self._token = uuid.uuid4().hex
        self._began = False
        self._shown = ("", 0)

    async def begin(self, title: str) -> None:
        """Show that something is under way, and how to cancel it."""
        if not self._is_shown:
            return
        try:
            await self._server.work_done_progress.create_async(self._token)
        except JsonRpcException:  # the client will not show it; the action goes on
            return
        begin = types.WorkDoneProgressBegin(title, cancellable=True, message="the model reads", percentage=0)
        self._server.work_done_progress.begin(self._token, begin)
        self._began = True

    def on_cancel(self, cancelled: Callable[[], None]) -> None:
        """Call `cancelled`, in the event loop's thread, when the user presses the button."""
        if self._began:
            self._server.work_done_progress.tokens[self._token].add_done_callback(
                lambda future: cancelled() if future.cancelled() else None
            )

    def report(self, text: str, max_tokens: int) -> None:
        """Show the line that is being written, and which share of the most that it may take is there."""
        if not self._began:
            return
        lines = text.split("\n")
        line = next((each.strip() for each in reversed(lines) if each.strip()), "")
        shown = line[-_LONGEST_MESSAGE:], min(99, 100 * len(text) // (max_tokens * _CHARACTERS_PER_TOKEN))
        if shown != self._shown:
            self._shown = shown
            self._server.work_done_progress.report(
                self._token, types.WorkDoneProgressReport(message=shown[0], percentage=shown[1])
            )

    def end(self) -> None:
        """Take the progress away."""
        if self._began:
            self._server.work_done_progress.end(self._token, types.WorkDoneProgressEnd())
            del self._server.work_done_progress.tokens[self._token]
