"""One line of JSON for each request, written when it ends: who waited how long for what. Never a word of any text.

The request's id comes back in the header `x-request-id`; a client may name it itself by the same header. Looking at the
server (`/health`, `/status`, `/metrics`, `/slots`) leaves no line unless it fails: a monitor asks every second.
"""

from __future__ import annotations

import json
import re
import sys
import time
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timezone
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["RequestLog", "RequestRecord", "record_of"]

_KEY = "dsassist.record"
_CLIENTS_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_SILENT_PATHS = frozenset(("/health", "/v1/health", "/status", "/metrics", "/slots"))
_PATH_LIMIT = 100
_DISCONNECTED = 499  # nginx's number for a client that went away before it had an answer


@dataclass
class RequestRecord:
    """What is known of a request; the handlers fill it in."""

    id: str
    path: str
    status: int = _DISCONNECTED
    priority: str = ""
    finish_reason: str = ""
    started: float = field(default_factory=time.perf_counter)
    first_ms: float | None = None
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    queue_ms: float = 0.0

    def note(self, event: dict[str, Any]) -> None:
        """Take the figures from an event of the engine."""
        kind, value = event["event"], event.get("value")
        if kind == "text":
            if self.first_ms is None:
                self.first_ms = self.total_ms
            self.completion_tokens = value["completion_tokens"]  # type: ignore[index]
        elif kind == "prompt" and isinstance(value, dict):
            self.prompt_tokens += value["prompt_tokens"]
            self.cached_tokens += value["cached_tokens"]
        elif kind == "end" and isinstance(value, dict):
            self.finish_reason = value["finish_reason"]
            self.queue_ms = max(self.queue_ms, value["queue_ms"])
            self.completion_tokens = value["completion_tokens"]
        elif kind == "scores":
            self.finish_reason = "score"
        elif kind == "error":
            self.finish_reason = event["error"]["type"]

    @property
    def total_ms(self) -> float:
        """Since the request's head had come."""
        return 1000 * (time.perf_counter() - self.started)

    def line(self) -> str:
        """The line for the log."""
        return json.dumps(
            {
                "time": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
                "id": self.id,
                "path": self.path,
                "status": self.status,
                "priority": self.priority,
                "prompt_tokens": self.prompt_tokens,
                "cached_tokens": self.cached_tokens,
                "completion_tokens": self.completion_tokens,
                "queue_ms": round(self.queue_ms, 1),
                "ttft_ms": None if self.first_ms is None else round(self.first_ms, 1),
                "total_ms": round(self.total_ms, 1),
                "finish_reason": self.finish_reason,
            },
            separators=(",", ":"),
        )


class RequestLog:
    """Gives every request its record, and writes it to standard error at the end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        theirs = dict(scope["headers"]).get(b"x-request-id", b"")
        request_id = theirs.decode() if _CLIENTS_ID.fullmatch(theirs) else f"req-{uuid.uuid4().hex[:16]}"
        record = scope[_KEY] = RequestRecord(request_id, scope["path"][:_PATH_LIMIT])

        async def noted_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                record.status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, noted_send)
        finally:
            if record.path not in _SILENT_PATHS or record.status >= HTTPStatus.BAD_REQUEST:
                print(record.line(), file=sys.stderr, flush=True)  # noqa: T201  (the log is standard error)


def record_of(scope: Scope) -> RequestRecord:
    """The record of the request that is being served."""
    record: RequestRecord = scope[_KEY]
    return record
