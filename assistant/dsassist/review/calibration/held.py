"""An engine for work that nobody waits for: it answers only while the server holds just this model already.

Who asks the server for a model has it started and the model loaded, and another's model makes room. That is right for
a person who waits, and wrong for what may as well be done tomorrow.
"""

from __future__ import annotations

from dsassist_runtime.api import EditScore, EngineSettings, InfillRequest, ModelFacts, ScoreRequest, TextStream
from dsassist_runtime.client import Client, server_health
from dsassist_runtime.errors import NotDone, ServerUnavailable
from dsassist_runtime.version import __version__
from dsassist_runtime.wire import to_wire

__all__ = ["HeldEngine", "ModelNotHeld", "is_held"]


class ModelNotHeld(NotDone):
    """The server has left, holds another model, or is about to."""


def is_held(settings: EngineSettings) -> bool:
    """Whether a server runs that has loaded just this model, and nobody waits for another. Starts nothing."""
    try:
        health = server_health()
    except ServerUnavailable:  # one that does not answer holds nothing for us
        return False
    return (
        health is not None
        and health["version"] == __version__  # else the first request would have it leave
        and health["model"] is not None
        and health.get("settings") == to_wire(settings)
        and health["requests_waiting_for_a_model"] == 0
    )


class HeldEngine:
    """Implements `Engine`. Each request looks first and raises `ModelNotHeld` where the model is not held.

    Between the look and the request a moment remains in which another client may be faster.
    """

    def __init__(self, settings: EngineSettings) -> None:
        self._settings = settings
        self._client = Client(settings, start=False)

    def facts(self) -> ModelFacts:
        """The server's."""
        return self._held().facts()

    def infill(self, request: InfillRequest) -> TextStream:
        """The server's."""
        return self._held().infill(request)

    def score(self, request: ScoreRequest, timeout_s: float | None = None) -> tuple[EditScore, ...]:
        """The server's; `ModelNotHeld` also where it leaves meanwhile."""
        try:
            return self._held().score(request, timeout_s)
        except ServerUnavailable as error:
            raise ModelNotHeld(str(error)) from error

    def close(self) -> None:
        """Give up the connection; the server stays."""
        self._client.close()

    def _held(self) -> Client:
        if not is_held(self._settings):
            raise ModelNotHeld(f"no server holds {self._settings.model_path} now")
        return self._client
