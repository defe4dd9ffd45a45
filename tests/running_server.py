"""A server that listens on TCP too, as a real process, and how to ask it."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_SERVE = """
import json, sys
from pathlib import Path
from dsassist_runtime.api import EngineSettings
from dsassist_runtime.server import main
given = json.loads(sys.argv[1])
if "limits" in given:
    from dsassist_runtime.server import limits
    given["limits"] = limits.Limits(**given["limits"])
main.serve(60, EngineSettings(Path(given.pop("model")), n_threads=1), **given)
"""


@dataclass(frozen=True)
class Answer:
    """A whole response; `json` and the events are read from the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of OpenAI's error object."""
        text = self.json["error"]["message"]
        assert isinstance(text, str)
        return text

    @property
    def events(self) -> list[Any]:
        """The server-sent events; the last one of OpenAI's is the text [DONE]."""
        found = [line.removeprefix(b"data: ") for line in self.body.split(b"\n\n") if line]
        return [line.decode() if line == b"[DONE]" else json.loads(line) for line in found]


@dataclass(frozen=True)
class Served:
    """A running server."""

    process: subprocess.Popen[bytes]
    home: Path
    log: Path
    address: tuple[str, int]
    api_key: str | None

    @property
    def base_url(self) -> str:
        return f"http://{self.address[0]}:{self.address[1]}"

    def connect(self, *, over: str = "tcp") -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(*self.address, timeout=60)
        if over == "unix":
            unix = socket.socket(socket.AF_UNIX)
            unix.settimeout(60)
            try:
                unix.connect(str(self.home / "run" / "server.sock"))
            except OSError:
                unix.close()
                raise
            connection.sock = unix
        return connection

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        over: str = "tcp",
    ) -> Answer:
        """One request; a body that is not bytes goes as JSON."""
        connection = self.connect(over=over)
        key = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {**key, **(headers or {})})
            response = connection.getresponse()
            return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
        finally:
            connection.close()

    def status(self) -> Any:
        return self.ask("GET", "/status", over="unix").json

    def log_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()


def wait_for(condition: Callable[[], object], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


@contextmanager
def serving(model: Path, *, api_key: str | None = None, home: Path | None = None, **more: Any) -> Iterator[Served]:
    """Start a server on a free port of 127.0.0.1; it is gone afterwards, and so is a home that was not given."""
    own = home is None
    home = home or Path(tempfile.mkdtemp(prefix="dsa-"))
    log = home / "log"
    given = {"model": str(model), "listen": "127.0.0.1:0", "api_key": api_key, **more}
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", _SERVE, json.dumps(given)],
            env={**os.environ, "DSASSIST_HOME": str(home)},
            stderr=stderr,
        )
    served = Served(process, home, log, ("127.0.0.1", 0), api_key)

    def health() -> Any:
        assert process.poll() is None, log.read_text()
        try:
            return served.ask("GET", "/health", over="unix").json
        except OSError:
            return None

    try:
        wait_for(health)
        port = int(health()["listen"].rpartition(":")[2])
        yield Served(process, home, log, ("127.0.0.1", port), api_key)
    finally:
        served.stop()
        if own:
            shutil.rmtree(home, ignore_errors=True)
