"""What an answer is to the transport: it turns the engine's events into bytes, one after the other.

    whole      holds everything back until `close`, so that an error can still be an HTTP status
    streamed   server-sent events; bytes from the first event on

A request may be for several texts: `part` numbers the engine's requests behind one answer, and each of these may have
several choices.
"""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass
from typing import Any, Protocol

from dsassist_runtime.api import GenerationEnd
from dsassist_runtime.version import __version__
from dsassist_runtime.wire import from_wire

__all__ = ["DONE", "Answer", "Envelope", "ends_of_choices", "server_sent"]

DONE = b"data: [DONE]\n\n"


class Answer(Protocol):
    """Built for one HTTP request; knows nothing of sockets."""

    @property
    def media_type(self) -> str:
        """For the `Content-Type`."""

    def event(self, part: int, event: dict[str, Any]) -> bytes:
        """What to send now for a `prompt`, `text` or `end` event.

        Of a text's value the index 0 and empty log-probabilities may be left out: each token is such a message.
        """

    def close(self) -> bytes:
        """What to send when all parts have ended."""

    def fail(self, error: dict[str, Any]) -> bytes:
        """What to send for an error (OpenAI's object) after the first bytes."""


@dataclass(frozen=True)
class Envelope:
    """What every object of one answer repeats."""

    id: str
    created: int
    model: str

    @classmethod
    def new(cls, prefix: str, model: str) -> Envelope:
        """One for an answer that begins now."""
        return cls(f"{prefix}-{uuid.uuid4().hex}", int(time.time()), model)

    def fields(self, kind: str) -> dict[str, Any]:
        """The fields, for an object of this kind."""
        return {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "system_fingerprint": f"dsassist-{__version__}",
        }


def server_sent(value: Any) -> bytes:
    """One server-sent event."""
    return b"data: " + json.dumps(value, separators=(",", ":")).encode() + b"\n\n"


def ends_of_choices(end: dict[str, Any]) -> list[tuple[int, str]]:
    """Index and finish reason of every choice, from the value of an `end` event."""
    checked = from_wire(GenerationEnd, end, "end")
    return [(choice.index, choice.finish_reason) for choice in checked.choices] or [(0, checked.finish_reason)]
