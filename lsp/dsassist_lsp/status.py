"""What an editor can show of the state: the `dsassist/status` notification, sent when something of it changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pygls.lsp.server import LanguageServer

__all__ = ["STATUS", "Status", "StatusLine"]

STATUS = "dsassist/status"

Kind = Literal["starting", "loading", "ready", "busy", "off", "snoozed", "error"]


@dataclass(frozen=True)
class Status:
    """`message` is a sentence for people; `reason` says why the last request showed nothing."""

    kind: Kind = "starting"
    message: str = ""
    model: str = ""
    percent: int | None = None  # of the model that is loaded, or of the index that is built
    latency_ms: int | None = None  # of the last text that was shown
    reason: str = ""
    hints: tuple[str, ...] = ()  # what does not work here, and why
    reviewing: str = ""  # the file that is under review

    def as_params(self) -> dict[str, Any]:
        """The notification's params, in the protocol's spelling."""
        return {
            "kind": self.kind,
            "message": self.message,
            "model": self.model,
            "percent": self.percent,
            "latencyMs": self.latency_ms,
            "reason": self.reason,
            "hints": list(self.hints),
            "reviewing": self.reviewing,
        }


class StatusLine:
    """Tells the client. Called in the event loop's thread."""

    def __init__(self, server: LanguageServer) -> None:
        self._server = server
        self.now = Status()
        self._model: tuple[Kind, str] = "starting", ""
        self._hints: dict[str, str] = {}

    def set(self, **changed: Any) -> None:
        """Tell what is new; the rest stays."""
        status = replace(self.now, **changed)
        if status != self.now:
            self.now = status
            self._server.protocol.notify(STATUS, status.as_params())

    def model(self, kind: Kind, message: str = "", **changed: Any) -> None:
        """Tell what the model does; while snoozing that is kept for later."""
        self._model = kind, message
        if self.now.kind == "snoozed":
            self.set(**changed)
        else:
            self.set(kind=kind, message=message, **changed)

    def rest(self) -> None:
        """Nothing else is to be told: tell what the model does."""
        kind, message = self._model
        self.set(kind=kind, message=message)

    def hint(self, topic: str, text: str | None) -> None:
        """What does not work here of this topic, in the place of what was said of it; None: all does."""
        if text is None:
            self._hints.pop(topic, None)
        else:
            self._hints[topic] = text
        self.set(hints=tuple(self._hints.values()))
