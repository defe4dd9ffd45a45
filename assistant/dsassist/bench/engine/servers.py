"""The servers that are measured: started for it on ports of their own, and always ended.

Ours runs in a private home, so that a server of the user is neither used nor stopped. Each is warmed up with a request
before anything is measured.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

from dsassist.bench.engine.client import Address, Request, ask, call
from dsassist.bench.engine.requests import completion
from dsassist_runtime.errors import DsassistError, NotDone

__all__ = ["Kind", "Server", "our_server", "peer_server"]

Kind = Literal["dsassist", "llama-server"]

_START_LIMIT_S = 180.0
_END_LIMIT_S = 10.0


@dataclass(frozen=True)
class Server:
    """A running server. `kind` says which endpoints tell of its state, `name` how figures call it."""

    name: str
    kind: Kind
    address: Address
    pid: int

    async def is_idle(self) -> bool:
        """Does it work on no request?"""
        if self.kind == "dsassist":
            return not (await self.status())["requests"]
        slots = await call(self.address, Request("/slots"))
        return not any(slot["is_processing"] for slot in slots)

    async def wait_until_idle(self, limit_s: float = 60.0) -> float:
        """Ask again and again; returns the moment (`time.perf_counter`) at which it told that it is idle."""
        deadline = time.perf_counter() + limit_s
        while not await self.is_idle():
            if time.perf_counter() > deadline:
                raise NotDone(f"{self.name} still works {limit_s:.0f} s after its clients have left")
        return time.perf_counter()

    async def status(self) -> dict[str, Any]:
        """Our engine's `EngineStatus`, as JSON."""
        assert self.kind == "dsassist", f"{self.name} has no status"
        engine: dict[str, Any] | None = (await call(self.address, Request("/status")))["engine"]
        if engine is None:
            raise NotDone(f"{self.name} has lost its engine in the middle of the bench")
        return engine

    async def tokenize(self, text: str) -> list[int]:
        """The tokens of a text; marks such as `<|im_end|>` are one each."""
        body = {"content": text, "add_special": False, "parse_special": True}
        tokens: list[int] = (await call(self.address, Request("/tokenize", body)))["tokens"]
        return tokens


@asynccontextmanager
async def our_server(model: Path, *, name: str = "dsassist") -> AsyncIterator[Server]:
    """`dsassist serve` with its defaults."""
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder:
        port = _free_port()
        options = ("--model", str(model), "--idle-timeout", "0", "--listen", f"127.0.0.1:{port}")
        environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("DSASSIST_", "GIT_"))},
            "DSASSIST_HOME": str(Path(folder) / "d"),
        }
        command = (sys.executable, "-m", "dsassist", "serve", *options)
        async with _running(name, "dsassist", port, command, environment, Path(folder)) as server:
            yield server


@asynccontextmanager
async def peer_server(binary: Path, model: Path, options: Sequence[str] = ()) -> AsyncIterator[Server]:
    """llama-server with its defaults and `options`."""
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder:
        port = _free_port()
        command = (str(binary), "-m", str(model), "--port", str(port), *options)
        async with _running("llama-server", "llama-server", port, command, dict(os.environ), Path(folder)) as server:
            yield server


@asynccontextmanager
async def _running(
    name: str, kind: Kind, port: int, command: Sequence[str], environment: dict[str, str], folder: Path
) -> AsyncIterator[Server]:
    with (folder / "log").open("w+b") as log:
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, cwd=folder
            )
        except OSError as error:
            raise NotDone(f"{command[0]} cannot be started: {(error.strerror or str(error)).lower()}") from error
        try:
            server = Server(name, kind, Address(port), process.pid)
            await _wait_until_up(server, process, log)
            yield server
        finally:
            _end(process)


async def _wait_until_up(server: Server, process: subprocess.Popen[bytes], log: BinaryIO) -> None:
    deadline = time.monotonic() + _START_LIMIT_S
    while True:
        try:
            await call(server.address, Request("/health"))
            break
        except DsassistError as error:  # nobody listens yet, or the model is being loaded
            if process.poll() is not None:
                raise NotDone(f"{server.name} ended with code {process.returncode}: {_last_words(log)}") from None
            if time.monotonic() > deadline:
                raise NotDone(f"{server.name} did not come up within {_START_LIMIT_S:.0f} s: {error}") from error
        await asyncio.sleep(0.05)
    await ask(server.address, completion("def warm_up(values):\n    return", 16))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _last_words(log: BinaryIO) -> str:
    log.seek(0)
    lines = log.read().decode("utf-8", "replace").splitlines()
    return next((line.strip() for line in reversed(lines) if line.strip()), "it left no word")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
