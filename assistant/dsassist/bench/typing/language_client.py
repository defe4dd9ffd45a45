"""An editor's end of `dsassist lsp`: the process, its streams, and who waits for which answer."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from dsassist_runtime.errors import NotDone

__all__ = ["DSASSIST", "LanguageClient", "private_environment"]

DSASSIST = (sys.executable, "-m", "dsassist")

_ANSWER_LIMIT_S = 120.0
_END_LIMIT_S = 10.0
_FIRST_WORK_S = 1.5  # for the server to begin it
_MESSAGE_LIMIT_BYTES = 1 << 24

OnAnswer = Callable[[Any], None]


def private_environment(home: Path, model: Path) -> dict[str, str]:
    """A home of the bench's own, so that a server of the user is neither used nor stopped."""
    return {
        **{key: value for key, value in os.environ.items() if not key.startswith(("DSASSIST_", "GIT_"))},
        "DSASSIST_HOME": str(home),
        "DSASSIST_MODEL": str(model),
        "DSASSIST_ENGINE_IDLE_TIMEOUT_S": "120",  # should the bench be killed, its server leaves by itself
    }


class LanguageClient:
    """Speaks to one process. `start` before anything else, `close` at the end."""

    def __init__(self) -> None:
        self.waiting: dict[int, OnAnswer] = {}  # requests without an answer
        self._last_id = 0
        self._in_progress: set[str] = set()  # tokens of `$/progress`
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None

    async def start(self, folder: Path, environment: dict[str, str]) -> None:
        """Start the process in a workspace, and introduce ourselves as VS Code does."""
        self._process = await asyncio.create_subprocess_exec(
            *DSASSIST,
            "lsp",
            "--stdio",
            cwd=folder,
            env=environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            limit=_MESSAGE_LIMIT_BYTES,
        )
        self._reader = asyncio.create_task(self._read())
        capabilities = {
            "general": {"positionEncodings": ["utf-16"]},
            "textDocument": {"inlineCompletion": {}, "synchronization": {}},
            "window": {"workDoneProgress": True},
            "workspace": {"workspaceFolders": True},
        }
        folders = [{"uri": folder.as_uri(), "name": folder.name}]
        params = {"processId": os.getpid(), "rootUri": folder.as_uri(), "workspaceFolders": folders}
        await self.ask("initialize", {**params, "capabilities": capabilities})
        self.notify("initialized", {})

    @property
    def has_ended(self) -> bool:
        """Is the process gone?"""
        return self._reader is None or self._reader.done()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process is not None, "it was not started"
        return self._process.pid

    def notify(self, method: str, params: Any) -> None:
        """Send what has no answer."""
        self._send({"method": method, "params": params})

    def request(self, method: str, params: Any, on_answer: OnAnswer) -> int:
        """Send a request; `on_answer` gets its result, None for an error. Returns its id."""
        self._last_id += 1
        self.waiting[self._last_id] = on_answer
        self._send({"id": self._last_id, "method": method, "params": params})
        return self._last_id

    async def ask(self, method: str, params: Any) -> Any:
        """Send a request and wait for its result."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.request(method, params, lambda result: None if future.done() else future.set_result(result))
        try:
            return await asyncio.wait_for(future, _ANSWER_LIMIT_S)
        except asyncio.TimeoutError:
            raise NotDone(f"dsassist lsp did not answer {method} within {_ANSWER_LIMIT_S:.0f} s") from None

    async def wait_for_progress(self) -> None:
        """Wait until the server is through with what it does in a workspace at first, and says so."""
        await asyncio.sleep(_FIRST_WORK_S)
        deadline = time.monotonic() + _ANSWER_LIMIT_S
        while self._in_progress and not self.has_ended:
            if time.monotonic() > deadline:
                raise NotDone(f"dsassist lsp is not ready in a workspace after {_ANSWER_LIMIT_S:.0f} s")
            await asyncio.sleep(0.1)

    async def close(self) -> None:
        """Say goodbye; what does not leave is killed."""
        if self._process is None:
            return
        if not self.has_ended:
            with suppress(NotDone):
                await self.ask("shutdown", None)
                self.notify("exit", None)
        try:
            await asyncio.wait_for(self._process.wait(), _END_LIMIT_S)
        except asyncio.TimeoutError:
            self._process.kill()
            await self._process.wait()
        if self._reader is not None:
            self._reader.cancel()

    def _send(self, message: dict[str, Any]) -> None:
        if self.has_ended or self._process is None or self._process.stdin is None:
            raise NotDone("dsassist lsp has ended in the middle of the bench")
        body = json.dumps({"jsonrpc": "2.0", **message}).encode()
        self._process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _read(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        stream = self._process.stdout
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while header := await stream.readline():
                length = int(header.split(b":")[1])
                while (await stream.readline()).strip():
                    pass
                self._take(json.loads(await stream.readexactly(length)))
        for on_answer in list(self.waiting.values()):
            on_answer(None)

    def _take(self, message: dict[str, Any]) -> None:
        if "method" not in message:
            if (on_answer := self.waiting.pop(message["id"], None)) is not None:
                on_answer(message.get("result"))
        elif "id" in message:  # the server asks: for its progress, its registrations, our settings
            items = (message.get("params") or {}).get("items", ())
            result = [None] * len(items) if message["method"] == "workspace/configuration" else None
            self._send({"id": message["id"], "result": result})
        elif message["method"] == "$/progress":
            params = message["params"]
            kind = params["value"].get("kind") if isinstance(params["value"], dict) else None
            if kind == "begin":
                self._in_progress.add(str(params["token"]))
            elif kind == "end":
                self._in_progress.discard(str(params["token"]))
