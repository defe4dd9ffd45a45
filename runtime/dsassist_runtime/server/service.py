"""What the HTTP handlers share: the engine, the count of its users, and the choice of the model."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from dsassist_runtime.api import EngineSettings
from dsassist_runtime.errors import DsassistError, error_from_wire
from dsassist_runtime.server.access import came_over_tcp
from dsassist_runtime.server.activity import Activity
from dsassist_runtime.server.request_log import record_of
from dsassist_runtime.server.served_models import ServedModels
from dsassist_runtime.server.serving import Events
from dsassist_runtime.server.supervisor import EngineSupervisor
from dsassist_runtime.version import ENGINE_HEADER, __version__
from dsassist_runtime.wire import to_wire

__all__ = ["Service", "final_event"]

_STATUS_LIMIT_S = 2.0


@dataclass(frozen=True)
class Service:
    """`listen`: where TCP is heard, as HOST:PORT."""

    supervisor: EngineSupervisor
    activity: Activity
    models: ServedModels
    listen: str | None = None
    started: float = field(default_factory=time.monotonic)

    def model_for(self, request: Request, body: dict[str, Any]) -> tuple[EngineSettings, str]:
        """The model that a request is for; over the Unix socket a header may give the engine's settings whole."""
        header = None if came_over_tcp(request.scope) else request.headers.get(ENGINE_HEADER)
        return self.models.settings_for(body.get("model"), header)

    def run(self, request: Request, settings: EngineSettings, op: str, wire: dict[str, Any]) -> Events:
        """The events of a request to the engine."""
        record_of(request.scope).priority = str(wire.get("priority", ""))
        return self.supervisor.run(settings, op, wire)

    async def facts(self, settings: EngineSettings) -> dict[str, Any]:
        """The facts of a model, which is loaded if need be."""
        with self.activity:
            facts: dict[str, Any] = (await final_event(self.supervisor.load(settings)))["facts"]
        return facts

    async def engine_status(self) -> dict[str, Any] | None:
        """What the engine is doing (`api.EngineStatus`), or None when there is none or it does not say."""
        event = await self.supervisor.ask("status", {}, _STATUS_LIMIT_S)
        return None if event is None else event["value"]

    def health(self) -> dict[str, Any]:
        """What the server says of itself."""
        return {
            "status": "ok",
            "version": __version__,
            "pid": os.getpid(),
            "engine_pid": self.supervisor.pid,
            "model": self.supervisor.facts,
            "settings": to_wire(self.supervisor.settings),
            "failure": self.supervisor.failure,
            "listen": self.listen,
            "idle_s": round(self.activity.idle_s, 1),
            "uptime_s": round(time.monotonic() - self.started, 1),
            "requests": self.activity.in_flight,
            "requests_waiting_for_a_model": self.supervisor.n_waiting,
        }


async def final_event(events: Events) -> dict[str, Any]:
    """The last of a request's events; raises the error that it ended with."""
    last: dict[str, Any] | None = None
    async for event in events:
        last = event
    assert last is not None
    if last["event"] == "error":
        error: DsassistError = error_from_wire(last["error"])
        raise error
    return last
