"""What the user is told and what is only logged: the one module that speaks to the person at the editor.

A keystroke is no occasion to repeat a sentence: each is shown once, a failure again only after a success.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Iterable
from typing import TYPE_CHECKING

from lsprotocol import types
from pygls.exceptions import JsonRpcException, JsonRpcInternalError

from dsassist_runtime.errors import DsassistError

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

__all__ = ["Messages"]


class Messages:
    """Shows messages and writes the log of one client. Called in the event loop's thread."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self._said: set[str] = set()
        self._last_failure: str | None = None

    def log(self, text: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Write a line to the editor's log of this server."""
        self._server.window_log_message(types.LogMessageParams(kind, text))

    def say_once(self, text: str, kind: types.MessageType = types.MessageType.Info) -> None:
        """Show a sentence, unless it was shown before."""
        if text not in self._said:
            self._said.add(text)
            self._show(text, kind)

    def notices(self, sentences: Iterable[str]) -> None:
        """Show those that are new, in one message."""
        if fresh := [sentence for sentence in sentences if sentence not in self._said]:
            self._said.update(fresh)
            self._show("\n".join(fresh), types.MessageType.Warning)

    def succeeded(self) -> None:
        """A completion came through: the next failure is news."""
        self._last_failure = None

    def failed(self, error: Exception) -> None:
        """Show why there is no completion, if that is news; what is our own fault only stands in the log."""
        if not isinstance(error, DsassistError):
            self.log_error(error)
            return
        sentence = str(error)
        if sentence == self._last_failure:
            self.log(sentence, types.MessageType.Warning)
        else:
            self._last_failure = sentence
            self._show(sentence, types.MessageType.Warning)

    def log_error(self, error: Exception) -> None:
        """Log an error: a sentence for what a user or the client can mend, a traceback for the rest."""
        self.log(_told(error), types.MessageType.Error)

    def _show(self, text: str, kind: types.MessageType) -> None:
        self._server.window_show_message(types.ShowMessageParams(kind, f"dsassist: {text}"))
        self.log(text, kind)


def _told(error: Exception) -> str:
    if isinstance(error, JsonRpcInternalError) and isinstance(error.data, dict) and "traceback" in error.data:
        # An error of ours, of which pygls keeps the text alone.
        return "".join(["Traceback (most recent call last):\n", *error.data["traceback"], error.message, "\n"])
    if isinstance(error, (DsassistError, JsonRpcException)):
        return str(error)
    if isinstance(error, (json.JSONDecodeError, UnicodeDecodeError, RecursionError)):
        return f"the client sent a message that is no JSON: {error}"
    return "".join(traceback.format_exception(error))
