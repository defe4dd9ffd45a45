"""Requests in an engine of this process, and what became of them."""

from __future__ import annotations

from dsassist_runtime.api import GenerationEnd, PromptRead, TextPiece
from dsassist_runtime.engine.job import Event
from dsassist_runtime.engine.local import LocalEngine, Request

__all__ = ["Asked", "finish"]

_MOST_STEPS = 4000


class Asked:
    """A request in the engine, and the events that it got."""

    _ids = iter(range(1, 1 << 30))

    def __init__(self, engine: LocalEngine, request: Request) -> None:
        self.id = next(self._ids)
        self.events: list[Event] = []
        engine.submit(self.id, request, self.events.append)

    @property
    def text(self) -> str:
        """The first choice's."""
        return "".join(event.text for event in self.events if isinstance(event, TextPiece) and event.index == 0)

    @property
    def ends(self) -> list[Event]:
        """The events that are the last of a request; there must never be two."""
        return [event for event in self.events if not isinstance(event, (PromptRead, TextPiece))]

    @property
    def last(self) -> Event:
        """The one last event."""
        (last,) = self.ends
        assert self.events[-1] is last, "nothing comes behind the last event"
        return last

    @property
    def end(self) -> GenerationEnd:
        """The figures of a text that came to an end."""
        assert isinstance(self.last, GenerationEnd), self.last
        return self.last


def finish(engine: LocalEngine) -> None:
    """Let the engine work until there is nothing to do."""
    for _ in range(_MOST_STEPS):
        if not engine.step():
            return
    raise AssertionError(f"not at an end after {_MOST_STEPS} batches: {engine.status().requests}")
