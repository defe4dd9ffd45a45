"""The engine process: `python -m dsassist_runtime.engine.process SETTINGS`, spoken to over its standard streams.

A process of its own, because llama.cpp aborts on a failed assertion and because Python threads beside the decode loop
cost speed. One JSON object a line:

    in    {"id": 1, "op": "infill" | "score", "request": {...}}       {"id": 1, "op": "cancel"}
    out   {"event": "loading", "progress": 0.5}   {"event": "ready", "facts": {}}   {"event": "failed", "error": {}}
          {"id": 1, "event": "prompt", "value": PromptRead}   {"id": 1, "event": "text", "value": TextPiece}
          and at last exactly one of
          {"id": 1, "event": "end", "value": GenerationEnd}   {"id": 1, "event": "scores", "value": [EditScore]}
          {"id": 1, "event": "error", "error": {...}}         {"id": 1, "event": "cancelled"}

End of input ends the process: when the server is gone, so is the model's memory.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from typing import Any, TextIO

from dsassist_runtime.api import EngineSettings, GenerationEnd, InfillRequest, PromptRead, ScoreRequest, TextPiece
from dsassist_runtime.errors import DsassistError, NotDone, RequestRefused, error_to_wire
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["main"]

_INFILL_EVENTS = {PromptRead: "prompt", TextPiece: "text", GenerationEnd: "end"}


class _Inbox(threading.Thread):
    """Reads the commands beside the decode loop, so that a cancel reaches a request that runs."""

    def __init__(self, source: TextIO) -> None:
        super().__init__(daemon=True, name="inbox")
        self._source = source
        self._lock = threading.Lock()
        self._cancelled: set[int] = set()
        self._running: int | None = None
        self._engine: Any = None
        self.requests: queue.Queue[dict[str, Any]] = queue.Queue()

    def run(self) -> None:
        try:
            for line in self._source:
                message = json.loads(line)
                if message["op"] == "cancel":
                    self._cancel(message["id"])
                else:
                    self.requests.put(message)
        finally:  # the server is gone, maybe in the middle of a line; a decode in flight is of no use to anybody
            os._exit(0)

    def begin(self, request_id: int, engine: Any) -> bool:
        """Mark the request as running; False when it was cancelled before."""
        with self._lock:
            if request_id in self._cancelled:
                self._cancelled.discard(request_id)
                return False
            self._engine, self._running = engine, request_id
            engine.rearm()
            return True

    def finish(self, request_id: int) -> None:
        with self._lock:
            self._running = None
            self._cancelled.discard(request_id)

    def _cancel(self, request_id: int) -> None:
        with self._lock:
            self._cancelled.add(request_id)
            if request_id == self._running:
                self._engine.abort()


def main() -> int:
    """Load the model named by the settings in `sys.argv[1]`, then serve requests until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not into the protocol
    inbox = _Inbox(os.fdopen(os.dup(0), encoding="utf-8"))
    inbox.start()

    def emit(**message: Any) -> None:
        out.write(json.dumps(message, separators=(",", ":")) + "\n")

    try:
        settings = from_wire(EngineSettings, json.loads(sys.argv[1]), "engine")
        engine = _load(settings, _in_steps(lambda share: emit(event="loading", progress=share)))
    except Exception as error:
        emit(event="failed", error=_reported(error))
        return 1
    emit(event="ready", facts=to_wire(engine.facts()))
    while True:
        message = inbox.requests.get()
        request_id = message["id"]
        if not inbox.begin(request_id, engine):
            emit(id=request_id, event="cancelled")
            continue
        try:
            _serve(engine, message, lambda **fields: emit(id=request_id, **fields))  # noqa: B023  (used at once)
        except Exception as error:
            emit(id=request_id, event="error", error=_reported(error))
        finally:
            inbox.finish(request_id)


def _reported(error: Exception) -> dict[str, str]:
    """The error for the client; one of our own making goes to the log with its traceback."""
    if isinstance(error, DsassistError):
        return error_to_wire(error)
    traceback.print_exception(type(error), error, error.__traceback__)
    return error_to_wire(NotDone(f"internal error in the engine ({error!r}); the server's log has more"))


def _in_steps(report: Callable[[float], None]) -> Callable[[float], None]:
    """llama.cpp reports every tensor; twenty steps are enough to look at."""
    reported = -1.0

    def on_progress(share: float) -> None:
        nonlocal reported
        step = int(share * 20) / 20
        if step > reported:
            reported = step
            report(step)

    return on_progress


def _load(settings: EngineSettings, on_progress: Callable[[float], None]) -> Any:
    from dsassist_runtime.engine.local import LocalEngine

    return LocalEngine(settings, on_progress)


def _serve(engine: Any, message: dict[str, Any], emit: Any) -> None:
    from dsassist_runtime.llama.context import Aborted

    if message["op"] == "infill":
        for value in engine.infill(from_wire(InfillRequest, message["request"])):
            emit(event=_INFILL_EVENTS[type(value)], value=to_wire(value))
    elif message["op"] == "score":
        try:
            scores = engine.score(from_wire(ScoreRequest, message["request"]))
        except Aborted:
            emit(event="cancelled")
        else:
            emit(event="scores", value=to_wire(scores))
    else:
        raise RequestRefused(f"the engine does not know the operation {message['op']!r}")


if __name__ == "__main__":
    sys.exit(main())
