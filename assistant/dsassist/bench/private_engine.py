"""An engine for the time of a bench: a server of its own in a folder of its own, so that the user's is left alone."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.client import Client, stop_server

__all__ = ["private_engine"]

_IDLE_TIMEOUT_S = 1800.0  # the server ends by itself should the bench be killed; a peer's turn is shorter
_SILENCE_LIMIT_S = 120.0
_HOME = "DSASSIST_HOME"


@contextmanager
def private_engine(model: Path, lora: Path | None = None) -> Iterator[Client]:
    """The engine with its defaults; within the `with`, all of dsassist's folders are below a temporary one."""
    before = os.environ.get(_HOME)
    with tempfile.TemporaryDirectory(prefix="dsa-") as folder:
        os.environ[_HOME] = str(Path(folder) / "d")
        try:
            yield Client(
                EngineSettings(model, lora_path=lora), idle_timeout_s=_IDLE_TIMEOUT_S, silence_limit_s=_SILENCE_LIMIT_S
            )
        finally:
            stop_server()
            if before is None:
                del os.environ[_HOME]
            else:
                os.environ[_HOME] = before
