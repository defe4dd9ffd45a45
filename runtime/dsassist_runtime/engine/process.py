"""The engine process: `python -m dsassist_runtime.engine.process SETTINGS`, spoken to over its standard streams.

A process of its own, because llama.cpp aborts on a failed assertion and because Python threads beside the decode loop
cost speed. One JSON object a line, any number of requests at once:

    in    {"id": 1, "op": "infill" | "complete" | "chat" | "score" | "continuations", "request": {...}}
          {"id": 1, "op": "cancel"}   {"id": 1, "op": "status"}   {"id": 1, "op": "save"}
          {"id": 1, "op": "tokenize" | "detokenize" | "template", "request": {...}}
    out   {"event": "loading", "progress": 0.5}   {"event": "ready", "facts": {}}
          {"event": "failed", "error": {}}   while it loads or, where its file was changed, later; then it ends
          {"id": 1, "event": "noted"}   a cancel has arrived; the end comes when the batch that runs is over
          {"id": 1, "event": "prompt", "value": PromptRead}   {"id": 1, "event": "text", "value": TextPiece}
          and at last exactly one of
          {"id": 1, "event": "end", "value": GenerationEnd}
          {"id": 1, "event": "scores", "value": [EditScore] | [ContinuationScore]}
          {"id": 1, "event": "tokens", "value": [int]}   {"id": 1, "event": "content", "value": str}
          {"id": 1, "event": "status", "value": EngineStatus}   {"id": 1, "event": "saved", "value": {...}}
          {"id": 1, "event": "error", "error": {...}}    (also for a cancelled request for scores)

A request of which nothing is known any more when it is cancelled has ended already. End of input ends the process: when
the server is gone, so is the model's memory.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from typing import Any, TextIO

from dsassist_runtime.api import (
    ChatRequest,
    CompletionRequest,
    ContinuationsRequest,
    EngineSettings,
    GenerationEnd,
    InfillRequest,
    PromptRead,
    ScoreRequest,
    TextPiece,
)
from dsassist_runtime.errors import DsassistError, NotDone, RequestRefused, error_to_wire
from dsassist_runtime.places import state_dir
from dsassist_runtime.wire import from_wire, to_wire

__all__ = ["main"]

_REQUESTS = {
    "infill": InfillRequest,
    "complete": CompletionRequest,
    "chat": ChatRequest,
    "score": ScoreRequest,
    "continuations": ContinuationsRequest,
}
_EVENTS: dict[type, str] = {PromptRead: "prompt", TextPiece: "text", GenerationEnd: "end", tuple: "scores"}

# Text that comes sooner than this behind the last piece of its request waits for more: nobody reads so fast, and each
# message costs the server time that the decode loop needs.
_GATHER_S = 0.03


class _Inbox(threading.Thread):
    """Reads the commands beside the decode loop, so that what is urgent can break a batch off."""

    def __init__(self, source: TextIO, outbox: _Outbox) -> None:
        super().__init__(daemon=True, name="inbox")
        self._source = source
        self._messages: deque[dict[str, Any]] = deque()
        self._arrived = threading.Event()
        self._outbox = outbox
        self.engine: Any = None  # once it is loaded

    def run(self) -> None:
        try:
            for line in self._source:
                message = json.loads(line)
                if message["op"] == "status" and self._answer_at_once(message["id"]):
                    continue
                if message["op"] == "cancel":
                    self._outbox.write(id=message["id"], event="noted")
                self._messages.append(message)
                self._arrived.set()
                self._interrupt(message)
        finally:  # the server is gone, maybe in the middle of a line; a decode in flight is of no use to anybody
            os._exit(0)

    def take(self) -> list[dict[str, Any]]:
        """What has arrived since the last call."""
        self._arrived.clear()
        taken = []
        while self._messages:
            taken.append(self._messages.popleft())
        return taken

    def is_empty(self) -> bool:
        """Has nothing arrived since?"""
        return not self._messages

    def wait(self, timeout_s: float | None) -> None:
        """Until something arrives, or the time is up."""
        self._arrived.wait(timeout_s)

    def _answer_at_once(self, request_id: int) -> bool:
        """While a long batch runs, its beginning is news enough for whoever asks how things are."""
        engine = self.engine
        if engine is None or not engine.interruption.is_long or engine.snapshot is None:
            return False
        self._outbox.write(id=request_id, event="status", value=to_wire(engine.snapshot))
        return True

    def _interrupt(self, message: dict[str, Any]) -> None:
        if self.engine is None:
            return
        interruption = self.engine.interruption
        if message["op"] == "cancel":
            interruption.cancelled(message["id"])
        elif message["op"] in _REQUESTS and isinstance(request := message.get("request"), dict):
            kind = _REQUESTS[message["op"]]
            default = (
                "interactive" if kind is InfillRequest else "review" if "document" not in kind.__dict__ else "chat"
            )
            infill: InfillRequest | None = None
            if kind is InfillRequest and interruption.is_long:
                with contextlib.suppress(RequestRefused):  # it is told so when its turn has come
                    infill = from_wire(InfillRequest, request)
            interruption.arrived(message["id"], request.get("priority", default), request.get("document", ""), infill)


class _Outbox:
    """Writes the events, and gathers text that comes quickly."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lock = threading.Lock()  # the inbox answers by itself now and then
        self._held: dict[int, TextPiece] = {}
        self._sent_at: dict[int, float] = {}

    def event(self, request_id: int, event: Any) -> None:
        """An event of a request; whatever is no text is the last one or comes before all text."""
        if isinstance(event, TextPiece):
            self._text(request_id, event)
            return
        self._release(request_id)
        if isinstance(event, Exception):
            self._sent_at.pop(request_id, None)
            self.write(id=request_id, event="error", error=_reported(event))
        else:
            if not isinstance(event, PromptRead):
                self._sent_at.pop(request_id, None)
            self.write(id=request_id, event=_EVENTS[type(event)], value=to_wire(event))

    def flush(self, older_than_s: float = 0.0) -> None:
        """Send the text that was held back for so long."""
        limit = time.perf_counter() - older_than_s
        for request_id in [held for held in self._held if self._sent_at[held] <= limit]:
            self._release(request_id)

    def write(self, **message: Any) -> None:
        """One line."""
        line = json.dumps(message, separators=(",", ":")) + "\n"
        with self._lock:
            self._out.write(line)

    def _text(self, request_id: int, piece: TextPiece) -> None:
        held = self._held.get(request_id)
        if held is not None and held.index != piece.index:
            self._release(request_id)
            held = None
        if held is not None:
            piece = TextPiece(
                held.text + piece.text, piece.completion_tokens, piece.index, held.logprobs + piece.logprobs
            )
        self._held[request_id] = piece
        if time.perf_counter() - self._sent_at.get(request_id, 0.0) >= _GATHER_S:
            self._release(request_id)

    def _release(self, request_id: int) -> None:
        if (piece := self._held.pop(request_id, None)) is not None:
            self._sent_at[request_id] = time.perf_counter()
            value: dict[str, Any] = {"text": piece.text, "completion_tokens": piece.completion_tokens}
            if piece.index:
                value["index"] = piece.index
            if piece.logprobs:
                value["logprobs"] = to_wire(piece.logprobs)
            self.write(id=request_id, event="text", value=value)


def main() -> int:
    """Load the model named by the settings in `sys.argv[1]`, then serve requests until the input ends."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
    os.dup2(2, 1)  # whatever a library prints goes to the log, not into the protocol
    outbox = _Outbox(out)
    inbox = _Inbox(os.fdopen(os.dup(0), encoding="utf-8"), outbox)
    inbox.start()
    try:
        settings = from_wire(EngineSettings, json.loads(sys.argv[1]), "engine")
        engine = _load(settings, _in_steps(lambda share: outbox.write(event="loading", progress=share)))
    except Exception as error:
        outbox.write(event="failed", error=_reported(error))
        return 1
    outbox.write(event="ready", facts=to_wire(engine.facts()))
    inbox.engine = engine
    engine.watch(inbox.is_empty)
    while True:
        for message in inbox.take():
            _obey(engine, message, outbox)
        idle = not engine.step()
        if engine.lost is not None:  # the next engine loads what is there now, or says why it cannot
            outbox.flush()
            outbox.write(event="failed", error=_reported(engine.lost))
            os._exit(1)
        if idle:
            outbox.flush()
            if engine.prepare():
                continue
            deadline = engine.next_deadline()
            inbox.wait(None if deadline is None else max(0.0, deadline - time.perf_counter()))
        outbox.flush(_GATHER_S)


def _obey(engine: Any, message: dict[str, Any], outbox: _Outbox) -> None:
    request_id, op, request = message["id"], message["op"], message.get("request")
    try:
        if op == "cancel":
            engine.cancel(request_id)
        elif op in _REQUESTS:
            engine.submit(request_id, from_wire(_REQUESTS[op], request), lambda event: outbox.event(request_id, event))
        else:
            event, value = _answer(engine, op, request)
            outbox.write(id=request_id, event=event, value=value)
    except Exception as error:
        outbox.write(id=request_id, event="error", error=_reported(error))


def _answer(engine: Any, op: str, request: Any) -> tuple[str, Any]:
    if op == "status":
        return "status", to_wire(engine.status())
    if op == "tokenize":
        return "tokens", engine.tokenize(
            request["content"], add_special=request["add_special"], parse_special=request["parse_special"]
        )
    if op == "detokenize":
        return "content", engine.detokenize(request["tokens"])
    if op == "template":
        return "content", engine.render(from_wire(ChatRequest, request))
    if op == "save":
        return "saved", engine.save()
    raise RequestRefused(f"the engine does not know the operation {op!r}")


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

    engine = LocalEngine(settings, on_progress)
    engine.keep_prefixes_in(state_dir() / "prefixes")
    engine.keep_heat_in(state_dir() / "heat")
    return engine


if __name__ == "__main__":
    sys.exit(main())
