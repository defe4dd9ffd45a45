"""The model server behind `dsassist lsp`: started by it as for any user, in a home of the bench's own.

Its status and its request log tell what the keystrokes cost.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from dsassist.bench.typing.language_client import DSASSIST, LanguageClient, private_environment
from dsassist.bench.typing.timeline import Work
from dsassist_runtime.errors import NotDone

__all__ = ["OurServer", "evaluated_and_written", "our_editor", "our_home", "work_of"]

_LOAD_LIMIT_S = 120.0
_SETTLE_LIMIT_S = 60.0
_QUIET_S = 1.0  # without work, after which nothing more is done ahead
_STATUS_LIMIT_S = 5.0
_STOP_LIMIT_S = 20.0


class OurServer:
    """The model server that the language server started, in the bench's own home."""

    def __init__(self, home: Path) -> None:
        self._socket = home / "run" / "server.sock"
        self._log = home / "state" / "server.log"

    async def status(self) -> dict[str, Any] | None:
        """The engine's figures (`api.EngineStatus` as JSON); None while there is none."""
        return await asyncio.to_thread(self._status)

    async def wait_until_loaded(self, client: LanguageClient) -> None:
        """Wait for the model."""
        deadline = time.monotonic() + _LOAD_LIMIT_S
        while await self.status() is None:
            if client.has_ended:
                raise NotDone("dsassist lsp has ended while the model was loaded")
            if time.monotonic() > deadline:
                raise NotDone(f"dsassist lsp has loaded no model within {_LOAD_LIMIT_S:.0f} s: {self._last_words()}")
            await asyncio.sleep(0.1)

    async def settle(self) -> dict[str, Any]:
        """Wait until the engine has had nothing to do for a while; returns its figures."""
        deadline = time.monotonic() + _SETTLE_LIMIT_S
        last, since = -1, time.monotonic()
        while True:
            status = await self.status()
            if status is None:
                raise NotDone(f"dsassist has lost its engine in the middle of the bench: {self._last_words()}")
            if status["batches_total"] != last or status["requests"]:
                last, since = status["batches_total"], time.monotonic()
            if time.monotonic() - since >= _QUIET_S:
                return status
            if time.monotonic() > deadline:
                raise NotDone(f"dsassist still works {_SETTLE_LIMIT_S:.0f} s after the last keystroke")
            await asyncio.sleep(0.1)

    def log_size(self) -> int:
        """Bytes of the request log."""
        return self._log.stat().st_size if self._log.exists() else 0

    def requests(self, start: int) -> list[dict[str, Any]]:
        """The lines of the request log behind its first `start` bytes."""
        lines = self._log.read_bytes()[start:].decode("utf-8", "replace").splitlines()
        rows = [json.loads(line) for line in lines if line.startswith("{")]
        return [row for row in rows if row["path"].startswith("/engine/")]

    def _status(self) -> dict[str, Any] | None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connected:
            connected.settimeout(_STATUS_LIMIT_S)
            connection = http.client.HTTPConnection("dsassist")
            connection.sock = connected
            try:
                connected.connect(str(self._socket))
                connection.request("GET", "/status")
                engine: dict[str, Any] | None = json.loads(connection.getresponse().read())["engine"]
            except (OSError, http.client.HTTPException):
                return None
            return engine

    def _last_words(self) -> str:
        lines = self._log.read_text(errors="replace").splitlines() if self._log.exists() else []
        return next((line for line in reversed(lines) if line and not line.startswith("{")), "it left no word")


@asynccontextmanager
async def our_home(model: Path) -> AsyncIterator[tuple[OurServer, dict[str, str]]]:
    """A home for the model server that the language servers start and share, and their environment.

    The server is gone afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder:
        home = Path(folder) / "d"
        environment = private_environment(home, model)
        try:
            yield OurServer(home), environment
        finally:
            await _stop_server(environment)


@asynccontextmanager
async def our_editor(server: OurServer, environment: dict[str, str], workspace: Path) -> AsyncIterator[LanguageClient]:
    """A language server in a workspace, with the model loaded and its first work there done."""
    client = LanguageClient()
    try:
        await client.start(workspace, environment)
        await server.wait_until_loaded(client)
        await client.wait_for_progress()
        yield client
    finally:
        await client.close()


async def _stop_server(environment: dict[str, str]) -> None:
    null = asyncio.subprocess.DEVNULL
    stop = await asyncio.create_subprocess_exec(
        *DSASSIST, "serve", "--stop", env=environment, stdin=null, stdout=null, stderr=null
    )
    await asyncio.wait_for(stop.wait(), _STOP_LIMIT_S)


def evaluated_and_written(status: dict[str, Any]) -> tuple[int, int]:
    """The engine's own count of prompt tokens that it evaluated and of tokens that it wrote, since its start."""
    return status["evaluated_tokens_total"], status["completion_tokens_total"]


def work_of(rows: list[dict[str, Any]], totals: tuple[int, int], since: datetime, at: float) -> list[Work]:
    """The requests of the log as work. `totals`: what the engine evaluated and wrote by its own count.

    `since` and `at` are one moment. A request that was cancelled before its prompt was read has no figure in the log;
    what the engine counts beyond the others' is shared among those, by the time that they had.
    """
    work, unread = [], []
    for row in rows:
        began = at + (datetime.fromisoformat(row["time"]) - since).total_seconds() - row["total_ms"] / 1000
        evaluated = row["prompt_tokens"] - row["cached_tokens"]
        done = Work(began, evaluated, row["completion_tokens"], row["priority"] == "idle", row["finish_reason"])
        if row["prompt_tokens"]:
            work.append(done)
        else:
            unread.append((done, max(0.0, row["total_ms"] - row["queue_ms"])))
    evaluated_more = max(0, totals[0] - sum(each.evaluated for each in work))
    whole_ms = sum(ms for _, ms in unread) or 1.0
    work += [replace(done, evaluated=round(evaluated_more * ms / whole_ms)) for done, ms in unread]
    decoded_more = max(0, totals[1] - sum(each.decoded for each in work))
    return [*work, Work(at, 0, decoded_more, what="not in the log")]
