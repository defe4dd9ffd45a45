"""A small language client, and one that starts `dsassist lsp` as an editor does."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

LIMIT_S = 30.0
URI = "file:///project/sample.py"


class LanguageClient:
    """The editor's end of the two streams. Answers are kept by id, notifications in the order of their arrival."""

    def __init__(self, to_server: IO[bytes], from_server: IO[bytes]) -> None:
        self.answers: dict[int | str, dict[str, Any]] = {}
        self.notifications: list[tuple[str, Any]] = []
        self.capabilities: dict[str, Any] = {}
        self._to_server = to_server
        self._from_server = from_server
        self._received: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._last_id = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, **message: Any) -> None:
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._to_server.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self._to_server.flush()

    def notify(self, method: str, params: Any = None) -> None:
        self.send(method=method, params=params)

    def request(self, method: str, params: Any = None) -> int:
        """Send a request and return its id."""
        self._last_id += 1
        self.send(id=self._last_id, method=method, params=params)
        return self._last_id

    def cancel(self, request_id: int | str) -> None:
        self.notify("$/cancelRequest", {"id": request_id})

    def answer(self, request_id: int | str, limit_s: float = LIMIT_S) -> dict[str, Any]:
        """The response to a request: an object with `result` or `error`."""
        self._wait(lambda: request_id in self.answers, f"an answer to {request_id}", limit_s)
        return self.answers[request_id]

    def ask(self, method: str, params: Any = None) -> Any:
        """Send a request and return its result."""
        answer = self.answer(self.request(method, params))
        assert "error" not in answer, answer
        return answer["result"]

    def shown(self) -> list[dict[str, Any]]:
        """The messages shown to the user so far."""
        while True:
            try:
                self._take(self._received.get_nowait())
            except queue.Empty:
                return [params for method, params in self.notifications if method == "window/showMessage"]

    def wait_shown(self, part: str) -> dict[str, Any]:
        """The first message that contains `part`, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [message for message in self.shown() if part in message["message"]]

        self._wait(lambda: bool(found()), f"a message with {part!r}", LIMIT_S)
        return found()[0]

    def logged(self) -> list[str]:
        """The log so far."""
        self.shown()
        return [params["message"] for method, params in self.notifications if method == "window/logMessage"]

    def wait_logged(self, part: str) -> str:
        """The first line of the log that contains `part`, once it is there."""

        def found() -> list[str]:
            logged = [params["message"] for method, params in self.notifications if method == "window/logMessage"]
            return [text for text in logged if part in text]

        self._wait(lambda: bool(found()), f"a log line with {part!r}", LIMIT_S)
        return found()[0]

    def initialize(self, capabilities: Any = None, options: Any = None, root: Path | None = None) -> None:
        params = {"processId": None, "rootUri": root.as_uri() if root else None, "capabilities": capabilities or {}}
        self.capabilities = self.ask("initialize", params | {"initializationOptions": options})["capabilities"]
        self.notify("initialized", {})

    def open(self, text: str, uri: str = URI, version: int = 1) -> None:
        item = {"uri": uri, "languageId": "python", "version": version, "text": text}
        self.notify("textDocument/didOpen", {"textDocument": item})

    def change(self, changes: list[dict[str, Any]], version: int, uri: str = URI) -> None:
        document = {"uri": uri, "version": version}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": changes})

    def request_inline(self, line: int, character: int, uri: str = URI) -> int:
        return self.request("textDocument/inlineCompletion", at(line, character, uri) | {"context": {"triggerKind": 2}})

    def inline(self, line: int, character: int, uri: str = URI) -> Any:
        answer = self.answer(self.request_inline(line, character, uri))
        assert "error" not in answer, answer
        return answer["result"]

    def menu(self, line: int, character: int, uri: str = URI) -> Any:
        return self.ask("textDocument/completion", at(line, character, uri) | {"context": {"triggerKind": 1}})

    def hang_up(self) -> None:
        """Close the stream to the server, as the death of the editor does."""
        with suppress(BrokenPipeError):
            self._to_server.close()

    def has_ended(self) -> bool:
        """Whether the stream from the server comes to its end."""
        self._reader.join(LIMIT_S)
        return not self._reader.is_alive()

    def close(self) -> None:
        """Hang up, and wait for what the server still writes."""
        self.hang_up()
        self._reader.join(LIMIT_S)

    def _wait(self, is_there: Any, what: str, limit_s: float) -> None:
        deadline = time.monotonic() + limit_s
        while not is_there():
            try:
                message = self._received.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{what} did not come within {limit_s} s") from None
            assert message is not None, f"the server ended before {what} came"
            self._take(message)

    def _take(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if "method" in message:
            self.notifications.append((message["method"], message.get("params")))
        else:
            assert message["id"] not in self.answers, f"two answers to {message['id']}"
            self.answers[message["id"]] = message

    def _read(self) -> None:
        """Read what the server writes, and nothing but the protocol may be there."""
        with self._from_server as stream:
            while header := stream.readline():
                assert header.startswith(b"Content-Length: "), header
                while stream.readline().strip():
                    pass
                self._received.put(json.loads(stream.read(int(header.split(b":")[1]))))
        self._received.put(None)


class ProcessClient(LanguageClient):
    """A client of a real `dsassist lsp`."""

    def __init__(self, cwd: Path, command: list[str] | None = None) -> None:
        self.process = subprocess.Popen(
            command or [sys.executable, "-m", "dsassist", "lsp", "--stdio"],
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        super().__init__(self.process.stdin, self.process.stdout)

    def leave(self) -> int:
        """Say goodbye as the protocol has it, and return the exit code."""
        assert self.ask("shutdown") is None
        self.notify("exit")
        return self.process.wait(LIMIT_S)

    def stderr(self) -> str:
        """All that the process, which has ended, wrote to standard error."""
        assert self.process.stderr is not None
        return self.process.stderr.read().decode()

    def close(self) -> None:
        """End the process, whatever it does."""
        self.process.kill()
        self.process.wait()
        super().close()
        assert self.process.stderr is not None
        self.process.stderr.close()


def at(line: int, character: int, uri: str = URI) -> dict[str, Any]:
    return {"textDocument": {"uri": uri}, "position": {"line": line, "character": character}}


Serve = Callable[..., LanguageClient]


def wait_for(condition: Callable[[], Any], limit_s: float = 10.0) -> None:
    """Wait until something holds that nobody tells of."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.002)
