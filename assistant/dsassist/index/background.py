"""An index that is brought up to date while a server goes on: a process builds it, a thread listens to that."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Any

__all__ = ["BackgroundRefresh", "RefreshEnd"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RefreshEnd:
    """How it ended: how much the index holds, whether all files were compared, or why it could not be done."""

    files: int = 0
    symbols: int = 0
    stored: int = 0
    complete: bool = False
    error: str = ""
    troubles: tuple[str, ...] = ()


class BackgroundRefresh:
    """One comparison of a workspace's index with its files. Begins at once; `cancel` ends it, what is done stays.

    `on_progress(done, total)` and, at last and in any case, `on_end` are called in a thread of its own.
    """

    def __init__(
        self,
        root: Path,
        on_progress: Callable[[int, int], object],
        on_end: Callable[[RefreshEnd], object],
    ) -> None:
        self._root = root
        self._on_progress = on_progress
        self._on_end = on_end
        self._cancelled = Event()
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = Thread(target=self._run, name="index", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Let the process end; `on_end` follows. From any thread."""
        self._cancelled.set()
        process = self._process
        if process is not None:
            with suppress(ProcessLookupError):
                process.terminate()

    def join(self, timeout_s: float | None = None) -> bool:
        """Wait for the end; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        end = RefreshEnd(error="the index could not be built")
        try:
            end = self._build()
        except OSError as error:
            end = RefreshEnd(error=f"the index cannot be built: {(error.strerror or str(error)).lower()}")
        except Exception:
            _log.exception("The index of %s cannot be built", self._root)
        finally:
            self._on_end(end)

    def _build(self) -> RefreshEnd:
        troubles: list[str] = []
        last: dict[str, Any] = {}
        with _started(self._root) as process:
            self._process = process
            if self._cancelled.is_set():
                process.terminate()
            for told in _told(process):
                if "total" in told:
                    self._on_progress(told["done"], told["total"])
                elif "trouble" in told:
                    troubles.append(str(told["trouble"]))
                else:
                    last = told
            code = process.wait()
        if "error" in last:
            return RefreshEnd(error=last["error"], troubles=tuple(troubles))
        if self._cancelled.is_set() or not last:
            error = "" if self._cancelled.is_set() else f"the process that builds the index ended with code {code}"
            return RefreshEnd(error=error, troubles=tuple(troubles))
        return RefreshEnd(**last, troubles=tuple(troubles))


def _started(root: Path) -> subprocess.Popen[bytes]:
    # Neither the folder nor a hook's GIT_DIR may decide what is imported or listed there.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "dsassist.index.building", str(root.resolve())],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
    )


def _told(process: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        with suppress(ValueError):
            told = json.loads(line)
            if isinstance(told, dict):
                yield told
