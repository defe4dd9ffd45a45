"""A calibration that goes on while a server does: a process takes the steps, a thread listens to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import IO, Any

from dsassist.config import LoadedConfig
from dsassist.options import OPTIONS, value_of
from dsassist_runtime.errors import DsassistError

__all__ = ["BackgroundCalibration", "CalibrationEnd"]

_TOLD = ("model", "review.exclude")


@dataclass(frozen=True)
class CalibrationEnd:
    """How it ended: how far it is, whether nothing is left to do, or why it could not be done."""

    done: int = 0
    wanted: int = 0
    complete: bool = False
    error: str = ""


class BackgroundCalibration:
    """Steps of the calibration of a configuration's model. Begins at once; `cancel` ends it, what is done stays.

    For this alone no model is loaded: it ends where the server does not hold just this one already, and nothing is
    started. `on_end` is called in a thread of its own, at last and in any case.
    """

    def __init__(self, folder: Path, loaded: LoadedConfig, on_end: Callable[[CalibrationEnd], object]) -> None:
        self._folder = folder
        self._loaded = loaded
        self._on_end = on_end
        self._cancelled = Event()
        self._process: subprocess.Popen[bytes] | None = None
        Thread(target=self._run, name="calibration", daemon=True).start()

    def cancel(self) -> None:
        """Let the process end, within the question that the engine has; `on_end` follows. From any thread."""
        self._cancelled.set()
        if (process := self._process) is not None:
            with suppress(ProcessLookupError):
                process.terminate()

    def _run(self) -> None:
        end = CalibrationEnd(error="it could not be done")
        try:
            end = self._end()
        except OSError as error:
            end = CalibrationEnd(error=(error.strerror or str(error)).lower())
        except DsassistError as error:
            end = CalibrationEnd(error=str(error))
        finally:
            self._on_end(end)

    def _end(self) -> CalibrationEnd:
        from dsassist.engine import engine_settings  # 0.1 s that a server's start need not wait for
        from dsassist.review.calibration.held import is_held

        if self._cancelled.is_set() or not is_held(engine_settings(self._loaded)):
            return CalibrationEnd()
        last: dict[str, Any] = {}
        with _started() as process:
            self._process = process
            if self._cancelled.is_set():
                process.terminate()
            assert process.stdin is not None
            assert process.stdout is not None
            _give(_work(self._folder, self._loaded), process.stdin)
            for line in process.stdout:
                with suppress(ValueError):
                    last |= json.loads(line)
            code = process.wait()
        if not self._cancelled.is_set() and not last.keys() & {"complete", "error"}:
            last["error"] = f"the process ended with code {code}"
        return CalibrationEnd(**last)


def _work(folder: Path, loaded: LoadedConfig) -> bytes:
    """What the process is to know: with other options of the engine the model would not be the one that is held."""
    keys = [key for key in OPTIONS if key in _TOLD or key.startswith("engine.")]
    work = {"folder": str(folder), "options": {key: value_of(loaded.config, key) for key in keys}}
    return json.dumps(work).encode() + b"\n"


def _give(work: bytes, stdin: IO[bytes]) -> None:
    """Write it and leave the pipe open: its end tells the process that ours has ended."""
    try:
        stdin.write(work)
        stdin.flush()
    except BrokenPipeError:
        with suppress(BrokenPipeError):  # what is left in the buffer has nobody to go to
            stdin.close()


def _started() -> subprocess.Popen[bytes]:
    # Neither the folder nor a hook's GIT_DIR may decide what is imported or read there.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    return subprocess.Popen(
        [sys.executable, "-m", "dsassist.review.calibration.working"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env=environment,
    )
