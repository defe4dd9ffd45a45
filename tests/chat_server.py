"""A small real HTTP server that speaks OpenAI's chat protocol, well or badly, as its script says."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

ANSWER = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hello."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
}
DONE = b"data: [DONE]\n\n"


class Handler(BaseHTTPRequestHandler):
    """Passes each request to the script."""

    server: ChatServer | UnixChatServer

    def do_GET(self) -> None:
        self._serve(None)

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self._serve(json.loads(data) if data else None)

    def _serve(self, body: Any) -> None:
        self.server.requests.append(Asked(self.command, self.path, dict(self.headers), body))
        self.server.script(self)

    def answer(self, value: object = ANSWER, status: int = 200, **headers: str) -> None:
        data = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def start_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def chunk(self, text: str, finish_reason: str | None = None) -> None:
        self.raw(b"data: " + chunk(text, finish_reason) + b"\n\n")

    def raw(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def wait_until_left(self) -> None:
        """Until the client has closed its connection."""
        self.connection.settimeout(20)
        assert self.connection.recv(1) == b""

    def log_message(self, *_arguments: object) -> None:
        """Nothing: a test's output is the tests'."""


def chunk(text: str, finish_reason: str | None = None) -> bytes:
    """A chunk in raw UTF-8, as most servers send it."""
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    return json.dumps({"object": "chat.completion.chunk", "choices": [choice]}, ensure_ascii=False).encode()


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


class ChatServer(ThreadingHTTPServer):
    """`script` answers each request; `requests` keeps what was asked."""

    daemon_threads = True

    def __init__(self, script: Callable[[Handler], None]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script = script
        self.requests: list[Asked] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that leaves in the middle is what the tests do."""


class UnixChatServer(ThreadingUnixStreamServer):
    """The same at a path."""

    daemon_threads = True

    def __init__(self, path: Path, script: Callable[[Handler], None]) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        super().__init__(os.fspath(path), Handler)
        self.script = script
        self.requests: list[Asked] = []

    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that leaves in the middle is what the tests do."""


@contextmanager
def unix_chat_server(path: Path, script: Callable[[Handler], None]) -> Iterator[UnixChatServer]:
    """The server runs in the block."""
    with UnixChatServer(path, script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def chat_server(script: Callable[[Handler], None]) -> Iterator[ChatServer]:
    """The server runs in the block."""
    with ChatServer(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
