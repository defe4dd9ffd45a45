"""`dsassist bench startup`: how long a person waits for the first sign of each part, cold and warm.

Whole processes are timed, as a person starts them. They use a home of their own, so that a running server is neither
used nor stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from dsassist.bench.report import Figure, Report
from dsassist_runtime.errors import NotDone
from dsassist_runtime.models import catalogue
from dsassist_runtime.models.store import BUILTIN_PATH, installed_path, is_installed

__all__ = ["startup"]

_RUNS = 5
_REAL = "qwen2.5-coder-0.5b"
_DSASSIST = (sys.executable, "-m", "dsassist")
# Inside an open bracket a completion goes on over line ends, to the last token that it is allowed.
_ENDLESS = "x = {\n"
_TOKENS = 32


def startup(progress: Callable[[str], None]) -> Report:
    """Measure every figure five times and take the median."""
    left_out = []
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder, closing(_Bench(Path(folder))) as bench:
        figures = [
            bench.figure("dsassist --version", bench.version, 0.15, progress),
            bench.figure("dsassist review, nothing staged", bench.review, 0.35, progress),
            bench.figure("server start to a text of 8 tokens, builtin", bench.first_token(BUILTIN_PATH), 1.5, progress),
        ]
        entry = catalogue.entry_of(_REAL)
        if is_installed(entry):
            first_token = bench.first_token(installed_path(entry))
            figures.append(bench.figure(f"server start to a text of 8 tokens, {_REAL}", first_token, 3.0, progress))
        else:
            left_out.append(f"server start with {_REAL}: not on this disk (dsassist model pull {_REAL})")
        figures += [
            bench.figure(f"{_TOKENS} tokens, builtin, warm server", bench.completion, 0.4, progress),
            bench.figure("dsassist lsp answers initialize", bench.initialize, 1.5, progress),
        ]
    return Report("startup", {"runs": _RUNS, "what": "medians of whole processes, in seconds"}, figures, left_out)


class _Bench:
    """The measurements; each returns the seconds of one run."""

    def __init__(self, folder: Path) -> None:
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith(("DSASSIST_", "GIT_"))},
            "DSASSIST_HOME": str(folder / "d"),
        }
        self._seed = 1
        self._repository = folder / "repository"
        self._call("git", "init", "-q", str(self._repository))

    def figure(self, name: str, measure: Callable[[], float], bar: float, progress: Callable[[str], None]) -> Figure:
        progress(name)
        measure()  # once for the disk's cache and the compiled modules
        return Figure(name, tuple(measure() for _ in range(_RUNS)), "s", bar=bar)

    def version(self) -> float:
        return self._timed(*_DSASSIST, "--version")

    def review(self) -> float:
        return self._timed(*_DSASSIST, "review")

    def first_token(self, model: Path) -> Callable[[], float]:
        def measure() -> float:
            self.stop_server()
            started = time.perf_counter()
            command = [*_DSASSIST, "complete", "-:2:1", "--model", str(model), "--max-tokens", "8"]
            with self._piped(*command) as process:
                assert process.stdin is not None
                assert process.stdout is not None
                process.stdin.write(_ENDLESS.encode())
                process.stdin.close()
                first = process.stdout.read(1)
                waited = time.perf_counter() - started
                process.stdout.read()
            if not first.strip() and process.returncode != 0:
                raise NotDone(f"the bench's own completion with {model.name} ended with code {process.returncode}")
            return waited

        return measure

    def completion(self) -> float:
        """A completion that goes on to its last token; the first seed that gives one is used for every run."""
        while True:
            started = time.perf_counter()
            settings = ["--max-tokens", str(_TOKENS), "--temperature", "1", "--seed", str(self._seed)]
            done = subprocess.run(
                [*_DSASSIST, "complete", "-:2:1", "--model", "builtin", "--json", *settings],
                input=_ENDLESS.encode(),
                capture_output=True,
                env=self._environment,
                cwd=self._repository,
                check=False,
            )
            waited = time.perf_counter() - started
            if done.returncode != 0 or self._seed > 50:
                raise NotDone(f"the builtin model writes no {_TOKENS} tokens here: {done.stderr.decode()}")
            if json.loads(done.stdout)["completion_tokens"] == _TOKENS:
                return waited
            self._seed += 1

    def initialize(self) -> float:
        body = json.dumps(
            {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"processId": None, "capabilities": {}}}
        ).encode()
        started = time.perf_counter()
        with self._piped(*_DSASSIST, "lsp") as process:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
            process.stdin.flush()
            if not process.stdout.readline().startswith(b"Content-Length"):
                raise NotDone("the language server ended without an answer")
            waited = time.perf_counter() - started
            process.kill()
        return waited

    def close(self) -> None:
        """Leave no server behind."""
        self.stop_server()

    def stop_server(self) -> None:
        self._call(*_DSASSIST, "serve", "--stop")

    def _piped(self, *command: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=self._environment,
            cwd=self._repository,
        )

    def _timed(self, *command: str) -> float:
        started = time.perf_counter()
        self._call(*command)
        return time.perf_counter() - started

    def _call(self, *command: str) -> None:
        cwd = self._repository if self._repository.exists() else None
        done = subprocess.run(command, capture_output=True, env=self._environment, cwd=cwd, check=False)
        if done.returncode != 0:
            raise NotDone(f"`{' '.join(command)}` ended with {done.returncode}: {done.stderr.decode(errors='replace')}")
