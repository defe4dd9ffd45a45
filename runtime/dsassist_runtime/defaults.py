"""What the user configured, as far as the runtime needs it: asked of whoever keeps the configuration.

The runtime reads none itself. A package above it registers a function that returns `Defaults` in the entry-point group
`dsassist.defaults`, and is loaded when a program names no model, or names one without saying how to hold it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dsassist_runtime.api import EngineSettings

__all__ = ["Defaults", "user_defaults"]

_GROUP = "dsassist.defaults"


@dataclass(frozen=True)
class Defaults:
    """`engine` is how the server of this machine holds a model; `address` is of a server in its place, or empty."""

    engine: EngineSettings
    idle_timeout_s: float = 900.0
    address: str = ""


def user_defaults() -> Defaults:
    """The user's choice; the builtin model where nobody keeps a configuration."""
    from importlib.metadata import entry_points

    for found in entry_points(group=_GROUP):
        defaults: Any = found.load()()
        assert isinstance(defaults, Defaults), (found.value, defaults)
        return defaults
    from dsassist_runtime.models.store import BUILTIN_PATH

    return Defaults(EngineSettings(BUILTIN_PATH))
