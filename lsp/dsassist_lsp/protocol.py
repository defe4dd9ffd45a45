"""pygls' protocol, made to answer every request: also those that it drops or that a client gets wrong."""

from __future__ import annotations

from typing import Any

from lsprotocol import types
from pygls.exceptions import JsonRpcException
from pygls.protocol import LanguageServerProtocol
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

__all__ = ["AnsweringProtocol"]


class AnsweringProtocol(LanguageServerProtocol):
    """Answers with an error what cannot be read, or comes before `initialize` or after `shutdown`.

    A client that has gone, be it by `exit` or by closing the pipe, gets nothing any more, and nobody is told.
    """

    client_has_gone = False

    def structure_message(self, data: dict[str, Any]) -> Any:
        """The message as a value of lsprotocol; pygls knows no id for one that has not its form, so it answers none."""
        try:
            return super().structure_message(data)
        except JsonRpcException as error:
            if "method" in data and isinstance(data.get("id"), (str, int)):
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Pass the message to its handler, unless this is not the time for it."""
        if isinstance(message, RPCRequest) and (refusal := self._refusal(message.method)):
            self._send_response(message.id, error=refusal)
        else:
            super().handle_message(message)

    def _refusal(self, method: str) -> types.ResponseError | None:
        if self._shutdown:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "the server is shutting down")
        if self._workspace is None and method != types.INITIALIZE:
            return types.ResponseError(types.ErrorCodes.ServerNotInitialized, "the server is not initialized")
        return None

    def _send_data(self, data: Any) -> None:
        if self.client_has_gone:
            return
        try:
            super()._send_data(data)
        except BrokenPipeError:
            self.client_has_gone = True
