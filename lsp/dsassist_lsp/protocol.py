"""pygls' protocol, made to answer every request: also those that it drops or that a client gets wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote

from lsprotocol import types
from pygls.exceptions import (
    FeatureNotificationError,
    JsonRpcException,
    JsonRpcInvalidParams,
    JsonRpcInvalidRequest,
    JsonRpcMethodNotFound,
)
from pygls.protocol import LanguageServerProtocol, lsp_method
from pygls.protocol.json_rpc import RPCMessage, RPCRequest

__all__ = ["AnsweringProtocol"]


class AnsweringProtocol(LanguageServerProtocol):
    """Answers with an error what cannot be read, or comes before `initialize`, a second time or after `shutdown`.

    A client that has gone, be it by `exit` or by closing the pipe, gets nothing any more, and nobody is told.
    """

    client_has_gone = False
    client_spoke: Callable[[], None] | None = None  # called at each request and notification

    def structure_message(self, data: dict[str, Any]) -> Any:
        """The message as a value of lsprotocol; pygls knows no id for one that has not its form, so it answers none."""
        is_request = "method" in data and isinstance(data.get("id"), (str, int))
        try:
            message = super().structure_message(data)
            if is_request and not isinstance(message, (RPCRequest, dict)):  # a notification's method, with an id
                raise JsonRpcMethodNotFound.of(data["method"])
            return message
        except JsonRpcException as error:
            if is_request:
                self._send_response(data["id"], error=error.to_response_error())
            raise

    def handle_message(self, message: RPCMessage) -> None:
        """Pass the message to its handler, unless this is not the time for it."""
        if not hasattr(message, "jsonrpc"):  # whatever else JSON can be
            raise JsonRpcInvalidRequest("the client sent what is no message of JSON-RPC 2.0")
        if isinstance(message, RPCRequest) and (refusal := self._refusal(message.method)):
            self._send_response(message.id, error=refusal)
        else:
            if hasattr(message, "method") and self._workspace is not None and self.client_spoke is not None:
                self.client_spoke()
            super().handle_message(message)

    def _handle_response(self, msg_id: str | int, result: Any = None, error: types.ResponseError | None = None) -> None:
        """Take the client's answer, unless it is one to what we did not ask.

        pygls keeps the handlers of the client's requests beside our own requests, and would lose those.
        """
        if isinstance(self._request_futures.get(msg_id), asyncio.Future):
            raise JsonRpcInvalidRequest(f"the client answered {msg_id!r}, which is a request of its own")
        super()._handle_response(msg_id, result, error)

    @lsp_method(types.TEXT_DOCUMENT_DID_CHANGE)
    def lsp_text_document__did_change(self, params: types.DidChangeTextDocumentParams) -> Iterator[Any]:
        """Apply an edit, unless it is of a document that is not open."""
        uri = params.text_document.uri
        if unquote(uri) not in self.workspace.text_documents:
            raise JsonRpcInvalidParams(f"the client edited {uri}, which it has not opened")
        yield from super().lsp_text_document__did_change(params)

    def _refusal(self, method: str) -> types.ResponseError | None:
        if self._shutdown:
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "the server is shutting down")
        if self._workspace is None and method != types.INITIALIZE:
            return types.ResponseError(types.ErrorCodes.ServerNotInitialized, "the server is not initialized")
        if self._workspace is not None and method == types.INITIALIZE:  # pygls would forget all open documents
            return types.ResponseError(types.ErrorCodes.InvalidRequest, "the server is initialized already")
        return None

    def _execute_handler(
        self,
        msg_id: str | int,
        handler: Any,
        callback: Callable[[Any], None],
        args: tuple[Any, ...] | None = None,
        kwargs: dict[str, Any] | None = None,
    ) -> None:
        """Run a handler; pygls would keep a future for each notification, for ever."""

        def finished(future: Any) -> None:
            if self._request_futures.get(msg_id) is future:
                del self._request_futures[msg_id]
            callback(future)

        super()._execute_handler(msg_id, handler, finished, args, kwargs)

    def _check_handler_result(self, future: Any) -> None:
        """Report what a notification's handler raised, as it is; pygls makes an error of its own of it."""
        if not future.cancelled() and (error := future.exception()) is not None:
            self._server.report_server_error(error, FeatureNotificationError)

    def _send_data(self, data: Any) -> None:
        if self.client_has_gone:
            return
        try:
            super()._send_data(data)
        except BrokenPipeError:
            self.client_has_gone = True
